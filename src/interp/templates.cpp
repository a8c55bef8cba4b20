#include "interp/templates.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/counters.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

// ---- The probes ----

constexpr std::size_t register_count = std::size(abi::ShapedInstruction{}.registers);

/// Operands to find a template by. Those of the two probes differ in every operand, and no two operands by
/// the same amount.
struct Probe {
    u8 registers[register_count];  // for the different registers of a shape; even, as pairs want it
    i64 immediate;                 // its magnitude: good for a shift amount, too
    GuestAddr pc;
    u32 position;
};
constexpr Probe probes[2] = {
    {{6, 10, 14, 18}, 4, GuestAddr(0x1234'5678'9000), 0},
    {{8, 14, 20, 26}, 24, GuestAddr(0x2345'6789'a000), 1},
};

/// `like` with a probe's operands: registers are 0 or equal where they are in `like`.
abi::ShapedInstruction with_operands(const abi::ShapedInstruction& like, const Probe& probe) {
    abi::ShapedInstruction result = like;
    for (std::size_t i = 0; i < register_count; ++i) {
        if (like.registers[i] == 0) continue;
        std::size_t first = 0;
        while (like.registers[first] != like.registers[i]) ++first;
        result.registers[i] = probe.registers[first];
    }
    if (like.immediate != 0) result.immediate = like.immediate < 0 ? -probe.immediate : probe.immediate;
    return result;
}

/// The values of an instruction's operands, in the order of WordOperand and ValueOperand.
struct Operands {
    u16 words[2 + register_count];
    u64 values[4];

    Operands(const abi::ShapedInstruction& instruction, GuestAddr pc, std::size_t position) {
        words[0] = 0;
        for (std::size_t i = 0; i < register_count; ++i) words[1 + i] = instruction.registers[i];
        words[1 + register_count] = static_cast<u16>(position);
        values[0] = 0;
        values[1] = static_cast<u64>(instruction.immediate);
        values[2] = pc.raw;
        values[3] = pc.raw + static_cast<u64>(instruction.immediate);
    }
    u16 word(WordOperand which) const { return words[static_cast<u8>(which)]; }
    u64 value(ValueOperand which) const { return values[static_cast<u8>(which)]; }
};

/// An instruction of the shape as lifting and flattening make it.
struct Sample {
    Operands operands;
    std::unique_ptr<Unit> unit;

    std::span<const Code> cells() const { return unit->cells().subspan(1); }  // the header is the unit's
};

/// What a pair of fields is made of; the same for both widths.
template <class Operand, class Field, std::size_t count>
std::optional<Operand> operand_behind(Field first, Field second, const Field (&firsts)[count],
                                      const Field (&seconds)[count]) {
    for (u8 i = 0; i < count; ++i)
        if (static_cast<Field>(second - first) == static_cast<Field>(seconds[i] - firsts[i]))
            return Operand{i};
    return std::nullopt;
}

/// Takes the operand that a field follows out of it; false if it follows none.
bool take_out(u16& field, u16 other, WordOperand& operand, const Operands& own, const Operands& others) {
    const auto found = operand_behind<WordOperand>(field, other, own.words, others.words);
    if (!found) return false;
    operand = *found;
    field = static_cast<u16>(field - own.word(operand));
    return true;
}
bool take_out(u64& field, u64 other, ValueOperand& operand, const Operands& own, const Operands& others) {
    const auto found = operand_behind<ValueOperand>(field, other, own.values, others.values);
    if (!found) return false;
    operand = *found;
    field -= own.value(operand);
    return true;
}

/// The number of the element of `array` that a cell's imm2 points to.
template <class T>
std::optional<u64> number_in(std::span<T> array, u64 pointer) {
    const u64 offset = pointer - reinterpret_cast<u64>(array.data());
    if (offset >= array.size_bytes()) return std::nullopt;
    return offset / sizeof(T);
}

/// Makes imm2 count from the start of the template.
bool make_relative(u64& imm2, Reference& reference, Unit& unit) {
    reference = Reference::none;
    if (imm2 == 0) return true;
    if (const auto cell = number_in(unit.cells(), imm2)) {
        imm2 = *cell - 1;
        reference = Reference::cell;
        return true;
    }
    const auto site = number_in(unit.sites(), imm2);
    imm2 = site.value_or(0);
    reference = Reference::site;
    return site.has_value();
}

std::optional<TemplateCell> cell_of(const Sample& sample, const Sample& other, std::size_t number) {
    TemplateCell cell{.code = sample.cells()[number]};
    Code match = other.cells()[number];
    Code& code = cell.code;
    const auto take = [&](auto& field, auto same, auto& operand) {
        return take_out(field, same, operand, sample.operands, other.operands);
    };
    Reference reference;
    if (code.run != match.run || !make_relative(code.imm2, cell.reference, *sample.unit) ||
        !make_relative(match.imm2, reference, *other.unit) || reference != cell.reference ||
        code.imm2 != match.imm2 || !take(code.dst, match.dst, cell.dst) || !take(code.a, match.a, cell.a) ||
        !take(code.b, match.b, cell.b) || !take(code.c, match.c, cell.c) ||
        !take(code.imm, match.imm, cell.imm))
        return std::nullopt;
    return cell;
}

/// Whether a site names its instruction and nothing else.
bool is_plain(const FaultSite& site, const Operands& operands) {
    return site.pc == operands.value(ValueOperand::pc) &&
           site.retired == operands.word(WordOperand::position) && site.move_count == 0;
}

constexpr std::size_t hash(u64 key) { return (key * 0x9e37'79b9'7f4a'7c15) >> 32; }

}  // namespace

// ---- Learning ----

Templates::Templates(const abi::Frontend& frontend, Flattener& flattener, const TemplateTable* stored)
    : frontend_(frontend), flattener_(flattener), stored_(stored), entries_(1024), probe_(frontend.env()) {
    templates_.reserve(entries_.size() / 2);
}

Template Templates::learn(const abi::ShapedInstruction& instruction, bool extend) {
    Template result;
    std::optional<Sample> samples[2];
    u64 next[2];
    for (unsigned i = 0; i < 2; ++i) {
        const Probe& probe = probes[i];
        const abi::ShapedInstruction probed = with_operands(instruction, probe);
        const abi::LiftedOne lifted =
            frontend_.lift_one(probe_, probed, probe.pc, probe.position, {.extend = extend});
        auto unit = flattener_.flatten(probe_);
        if (!unit) return {};
        result.ends = lifted.ends;
        next[i] = lifted.next.raw;
        samples[i].emplace(Operands(probed, probe.pc, probe.position), std::move(*unit));
    }
    const Sample &sample = *samples[0], &other = *samples[1];
    Unit &unit = *sample.unit, &other_unit = *other.unit;
    if (unit.cells().size() != other_unit.cells().size() ||
        unit.sites().size() != other_unit.sites().size() || !unit.moves().empty())
        return {};

    // Without an end of its own, the instruction was followed by the way on to the next: a cell of the unit.
    const std::size_t cells = sample.cells().size() - !result.ends;
    for (std::size_t i = 0; i < unit.sites().size(); ++i)
        if (!is_plain(unit.sites()[i], sample.operands) || !is_plain(other_unit.sites()[i], other.operands))
            return {};
    std::vector<TemplateCell> made;
    for (std::size_t i = 0; i < cells; ++i) {
        const auto cell = cell_of(sample, other, i);
        if (!cell) return {};
        made.push_back(*cell);
    }
    if (!result.ends) {
        result.next_base = next[0];
        if (!take_out(result.next_base, next[1], result.next, sample.operands, other.operands)) return {};
        result.follows = result.next != ValueOperand::pc || result.next_base != instruction.length;
    }
    result.exists = true;
    result.first_cell = static_cast<u32>(cells_.size());
    result.first_site = static_cast<u32>(sites_.size());
    result.cell_count = static_cast<u16>(cells);
    result.site_count = static_cast<u16>(unit.sites().size());
    count(Counter::templates_learnt);
    cells_.insert(cells_.end(), made.begin(), made.end());
    sites_.insert(sites_.end(), unit.sites().begin(), unit.sites().end());
    return result;
}

u32 Templates::find(const abi::ShapedInstruction& instruction, bool extend) {
    const u64 key = instruction.shape << 1 | u64{extend};
    for (std::size_t i = hash(key);; ++i) {
        Entry& entry = entries_[i & (entries_.size() - 1)];
        if (entry.key == key) [[likely]]
            return entry.number;
        if (entry.key != 0) continue;
        const auto number = static_cast<u32>(templates_.size());
        entry = {key, number};
        if (stored_ == nullptr || !load(key)) templates_.push_back(learn(instruction, extend));
        if (templates_.size() > entries_.size() / 2) grow();
        return number;
    }
}

/// Adds the stored template of `key`; false if there is none.
bool Templates::load(u64 key) {
    const auto row = std::ranges::lower_bound(stored_->rows, key, {}, &StoredTemplate::key);
    if (row == stored_->rows.end() || row->key != key) return false;
    Template& made = templates_.emplace_back(row->made);
    for (const StoredCell& stored : stored_->cells.subspan(made.first_cell, made.cell_count)) {
        if (stored.handler >= handlers_.size()) handlers_.resize(stored.handler + 64u);
        Handler& handler = handlers_[stored.handler];
        if (handler == nullptr) handler = stored_->handler(stored.handler);
        cells_.push_back(stored.cell);
        cells_.back().code.run = handler;
    }
    const auto sites = stored_->sites.subspan(made.first_site, made.site_count);
    sites_.insert(sites_.end(), sites.begin(), sites.end());
    made.first_cell = static_cast<u32>(cells_.size() - made.cell_count);
    made.first_site = static_cast<u32>(sites_.size() - made.site_count);
    return true;
}

std::vector<std::pair<u64, u32>> Templates::keys() const {
    std::vector<std::pair<u64, u32>> all;
    for (const Entry& entry : entries_)
        if (entry.key != 0) all.emplace_back(entry.key, entry.number);
    return all;
}

void Templates::grow() {
    std::vector<Entry> old(2 * entries_.size());
    old.swap(entries_);
    for (const Entry& entry : old) {
        if (entry.key == 0) continue;
        std::size_t i = hash(entry.key);
        while (entries_[i & (entries_.size() - 1)].key != 0) ++i;
        entries_[i & (entries_.size() - 1)] = entry;
    }
}

// ---- Putting units together ----

namespace {

/// The bytes of instructions, straight from the source's runs or, where one ends, gathered from two.
class Reader {
  public:
    explicit Reader(abi::CodeSource& code) : code_(code) {}

    /// The bytes at `pc`: those of an instruction, and possibly more; fewer if they cannot be fetched.
    std::span<const u8> at(GuestAddr pc) {
        const u64 offset = pc - begin_;
        if (offset < run_.size() && run_.size() - offset >= abi::longest_instruction) [[likely]]
            return run_.subspan(offset);
        return gather(pc);
    }

  private:
    [[gnu::noinline]] std::span<const u8> gather(GuestAddr pc) {
        std::size_t count = 0;
        for (; count < abi::longest_instruction; ++count) {
            const GuestAddr next = pc + count;
            if (next - begin_ >= run_.size()) {
                begin_ = next;
                run_ = code_.fetch(next);
                if (run_.empty()) break;
                if (count == 0 && run_.size() >= abi::longest_instruction) return run_;
            }
            bytes_[count] = run_[next - begin_];
        }
        return {bytes_, count};
    }

    abi::CodeSource& code_;
    GuestAddr begin_;
    std::span<const u8> run_;
    u8 bytes_[abi::longest_instruction];
};

}  // namespace

Assembler::Assembler(const abi::Frontend& frontend, Flattener& flattener, const TemplateTable* stored)
    : frontend_(frontend),
      pc_word_(static_cast<u16>((*frontend.env().layout)[frontend.env().layout->pc].offset / 8)),
      templates_(frontend, flattener, stored),
      recent_(std::size_t{1} << recent_bits) {}

/// Fills in the instruction at the start of `code` and its template in a basic block; false if it is cut short.
bool Assembler::take_apart(std::span<const u8> code, Step& step) {
    u32 word = 0;
    if (code.size() < sizeof word) {
        if (!frontend_.take_apart(code, step.instruction)) return false;
        step.made_from = templates_.find(step.instruction, false);
        return true;
    }
    std::memcpy(&word, code.data(), sizeof word);
    Recent& recent = recent_[word * 0x9e37'0000u >> (32 - recent_bits)];
    if ((word & recent.mask) != recent.word) {
        frontend_.take_apart(code, recent.instruction);
        recent.made_from = templates_.find(recent.instruction, false);
        recent.mask =
            recent.instruction.length < sizeof word ? (u32{1} << 8 * recent.instruction.length) - 1 : ~u32{0};
        recent.word = word & recent.mask;
    }
    step.instruction = recent.instruction;
    step.made_from = recent.made_from;
    return true;
}

/// Reads the instructions of the unit; false if it cannot be made here.
bool Assembler::scan(GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
                     abi::Extent& extent) {
    steps_.clear();
    cell_count_ = site_count_ = 0;
    known_.clear();
    next_ = pc;
    Reader reader(code);
    do {
        Step& step = steps_.emplace_back();
        step.pc = next_;
        if (!take_apart(reader.at(next_), step)) {
            steps_.pop_back();
            break;
        }
        extent.cover(next_, step.instruction.length);
        if (options.extend && templates_[step.made_from].ends) step.made_from = follow(step, extent);
        const Template& from = templates_[step.made_from];
        if (!from.exists) return false;
        ended_ = from.ends;
        next_ = GuestAddr(from.next_base + Operands(step.instruction, next_, 0).value(from.next));
        if (from.follows) extent.follow();
        cell_count_ += from.cell_count;
        site_count_ += from.site_count;
        if (options.extend) note_constants(step);
    } while (!ended_ && steps_.size() < options.max_instructions && !extent.is_covered(next_));
    return !steps_.empty();
}

/// The template of an instruction that would end a basic block, in a unit that may go on.
u32 Assembler::follow(Step& step, const abi::Extent& extent) {
    frontend_.resolve_jump(step.instruction, known_);
    const u32 extended = templates_.find(step.instruction, true);
    const Template& from = templates_[extended];
    const u64 next = from.next_base + Operands(step.instruction, step.pc, 0).value(from.next);
    if (!from.follows || extent.may_follow(GuestAddr(next))) return extended;
    return templates_.find(step.instruction, false);
}

/// Keeps track of the words that hold constants.
void Assembler::note_constants(const Step& step) {
    const Template& from = templates_[step.made_from];
    const Operands operands(step.instruction, step.pc, 0);
    for (const TemplateCell& cell : templates_.cells(from)) {
        const auto word = static_cast<u16>(cell.code.dst + operands.word(cell.dst));
        if (cell.code.run == constant_handler())
            known_.set(word, cell.code.imm + operands.value(cell.imm));
        else
            known_.forget(word);
    }
}

std::unique_ptr<Unit> Assembler::assemble(GuestAddr pc, abi::CodeSource& code,
                                          const abi::LiftOptions& options, abi::Lifted& lifted) {
    abi::Extent extent(lifted.ranges);
    if (!scan(pc, code, options, extent)) return nullptr;
    lifted.instructions = static_cast<u32>(steps_.size());
    lifted.fetch_failed = false;

    std::unique_ptr<Unit> unit = Unit::make(1 + cell_count_ + !ended_, site_count_, 0);
    Code* cell = unit->cells().data();
    FaultSite* site = unit->sites().data();
    *cell++ = Code{forwarding_entry_handler(), 0, 0, pc_word_, 0, pc.raw, 0};
    for (std::size_t position = 0; position < steps_.size(); ++position) {
        const Step& step = steps_[position];
        const Operands operands(step.instruction, step.pc, position);
        const Template& made_from = templates_[step.made_from];
        Code* const first = cell;
        for (const TemplateCell& from : templates_.cells(made_from)) {
            const Code& code_of = from.code;
            cell->run = code_of.run;
            cell->dst = static_cast<u16>(code_of.dst + operands.word(from.dst));
            cell->a = static_cast<u16>(code_of.a + operands.word(from.a));
            cell->b = static_cast<u16>(code_of.b + operands.word(from.b));
            cell->c = static_cast<u16>(code_of.c + operands.word(from.c));
            cell->imm = code_of.imm + operands.value(from.imm);
            switch (from.reference) {
                case Reference::none: cell->imm2 = 0; break;
                case Reference::site: cell->imm2 = reinterpret_cast<u64>(site + code_of.imm2); break;
                case Reference::cell: cell->imm2 = reinterpret_cast<u64>(first + code_of.imm2); break;
            }
            ++cell;
        }
        for (const FaultSite& from : templates_.sites(made_from)) {
            *site = from;
            site->pc = step.pc.raw;
            site->retired = static_cast<u16>(position);
            ++site;
        }
    }
    if (!ended_)
        *cell = Code{exit_direct_handler(), 0, 0, pc_word_, static_cast<u16>(steps_.size()), next_.raw, 0};
    return unit;
}

}  // namespace kiln::interp

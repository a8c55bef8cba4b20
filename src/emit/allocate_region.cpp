#include "emit/allocate_region.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {
namespace {

constexpr u32 bit(Reg reg) { return u32{1} << number(reg); }

template <class Registers>
constexpr u32 bits(const Registers& registers) {
    u32 set = 0;
    for (Reg r : registers) set |= bit(r);
    return set;
}

constexpr u32 general_registers = bits(temporaries_integer) | bits(pinned_integer);
constexpr u32 vector_registers = bits(temporaries_fp) | bits(pinned_fp);
/// What a helper may change.
constexpr u32 lost_in_calls = bits(temporaries_integer) | bits(temporaries_fp);
/// How many registers of each class a loop's values leave free for what it computes on the way.
constexpr unsigned room_in_loops = 1;

MachineInst make(MachineOp op, Reg r0, Reg r1 = Reg::none) {
    MachineInst inst{.op = op};
    inst.r[0] = r0;
    inst.r[1] = r1;
    return inst;
}

MachineInst make_mem(bool store, Reg reg, i32 disp) {
    const bool fp = is_vector(reg);
    MachineInst inst = make(store ? fp ? MachineOp::fstore : MachineOp::store
                            : fp  ? MachineOp::fload
                                  : MachineOp::load,
                            reg);
    inst.mem = {.base = context_register, .disp = disp};
    return inst;
}

}  // namespace

Result<void> RegionAllocator::allocate(MachineFunction& f) {
    f_ = &f;
    failure_ = nullptr;
    values_.assign(f.values.size(), Value{});
    holder_.fill(Reg::none);
    out_.clear();
    definitions_.clear();
    insertions_.clear();
    cold_.clear();
    words_ = 1;  // the first is spare
    start_values();
    find_blocks();
    find_globals();
    find_distances();
    find_copies();
    upcoming_.assign(physical_registers + f.values.size(), never);
    out_.insert(out_.end(), f.code.begin(), f.code.begin() + blocks_.front().begin);
    for (u32 b = 0; b < blocks_.size(); ++b) {
        enter_block(b);
        walk(b);
        end_block(b);
        if (failure_ != nullptr) return fail(failure_);
    }
    for (u32 b = 0; b < blocks_.size(); ++b) join(b);
    if (words_ > spill_words) return fail("the region needs more spill words than a context has");
    finish();
    return {};
}

void RegionAllocator::start_values() {
    entry_of_.assign(abi::temps_begin / 8, 0);
    slot_values_.resize(abi::temps_begin / 8);
    home_of_.resize(abi::temps_begin / 8);
    for (u32 word = 0; word < home_of_.size(); ++word)
        home_of_[word] = static_cast<i32>(8 * word) - context_bias;
    for (u32 i = 0; i < f_->entry_values.size(); ++i) {
        const EntryValue& entry = f_->entry_values[i];
        entry_of_[entry.offset / 8] = i + 1;
        (*f_)[entry.value].slot = entry.offset;
        (*f_)[entry.value].wanted = entry.pinned;
        if (entry.pinned != Reg::none) {
            home_of_[entry.offset / 8] = no_word;
            continue;
        }
        Value& v = at(entry.value);
        v.memory = static_cast<i32>(entry.offset) - context_bias;
        v.in_memory = v.is_slot = true;
    }
    allocatable_ = general_registers | vector_registers;
}

// ---- Blocks ----

void RegionAllocator::enter_block(u32 index) {
    Block& block = blocks_[index];
    const std::size_t globals = globals_.size();
    for (Reg& holder : holder_) {
        if (holder != Reg::none && !is_physical(holder)) at(holder).reg = Reg::none;
        holder = Reg::none;
    }
    for (Reg value : live_[index]) {
        const u32 beyond = out_distance_[globals * index + at(value).global];
        upcoming_[number(value)] = beyond == never ? never : beyond + (block.end - block.begin);
        at(value).dies = never;
    }
    scan(block);
    for (Reg value : live_[index]) at(value).next = upcoming_[number(value)];
    if (index == 0) {
        for (const EntryValue& entry : f_->entry_values)
            if (entry.pinned != Reg::none) block.starts.push_back({entry.value, entry.pinned});
    } else if (!meets(block)) {
        for (const auto& [value, reg] : blocks_[block.predecessors[0]].ends)
            if (upcoming_[number(value)] != never) block.starts.push_back({value, reg});
    } else {
        choose_places(index);
    }
    for (const auto& [value, reg] : block.starts) {
        at(value).reg = reg;
        holder_[number(reg)] = value;
    }
}

/// Decides what is in which register at the start of a block that several ways lead to.
void RegionAllocator::choose_places(u32 index) {
    Block& block = blocks_[index];
    bool is_loop = false;
    for (u32 p : block.predecessors) {
        if (!blocks_[p].done) {
            is_loop = true;
            continue;
        }
        for (const auto& [value, reg] : blocks_[p].ends)
            if (std::exchange(at(value).found_for, index) != index) at(value).found = reg;
    }
    const auto found = [&](Reg value) { return at(value).found_for == index ? at(value).found : Reg::none; };
    struct Candidate {
        Reg value;
        u32 distance;
        Reg wanted;
        bool here;  ///< in a register on some way
    };
    std::vector<Candidate> candidates;
    for (Reg value : live_[index]) {
        const u32 distance = upcoming_[number(value)];
        if (distance == never || at(value).home == index) continue;
        candidates.push_back({value, distance, found(value), found(value) != Reg::none});
    }
    for (u32 p : block.predecessors) {
        if (!blocks_[p].done) continue;
        for (const EdgeValue& edge : f_->given(out_[blocks_[p].jump])) {
            const u32 distance = upcoming_[number(edge.param)];
            if (distance == never || std::exchange(at(edge.param).found_for, index) == index) continue;
            Reg from = (*f_)[edge.param].wanted;
            if (from == Reg::none && edge.value != Reg::none) from = found(edge.value);
            candidates.push_back({edge.param, distance, from, true});
        }
    }
    std::ranges::sort(candidates, {},
                      [](const Candidate& c) { return std::pair(c.distance, number(c.value)); });
    u32 free = allocatable_;
    std::vector<Candidate> taken;
    const auto left = [&](bool fp) {
        return static_cast<unsigned>(std::popcount(free & (fp ? vector_registers : general_registers)));
    };
    unsigned count[2] = {left(false), left(true)};
    // What a loop needs at its tightest, less what it has already: the rest must not be taken by values that it only keeps.
    std::array<u32, 2> needs{};
    if (is_loop)
        for (u32 b = index; b <= *std::ranges::max_element(block.predecessors); ++b)
            for (unsigned fp : {0, 1}) needs[fp] = std::max(needs[fp], blocks_[b].pressure[fp]);
    for (const Candidate& c : candidates) {
        const bool fp = is_fp(c.value), kept_only = c.distance >= loop_end;
        unsigned& room = count[fp];
        bool take = c.here && room > 0;
        if (is_loop) take = room > (kept_only ? needs[fp] : room_in_loops) && (c.here || !kept_only);
        if (take) {
            --room;
            if (!kept_only && needs[fp] > 0) --needs[fp];
            taken.push_back(c);
        } else {
            need_memory(c.value);
        }
    }
    const auto place = [&](const Candidate& c, Reg reg) {
        free &= ~bit(reg);
        block.starts.push_back({c.value, reg});
        if (at(c.value).home == index) at(c.value).start = reg;
    };
    std::vector<Candidate> others;
    for (const Candidate& c : taken)
        if (c.wanted != Reg::none && (free & bit(c.wanted)) != 0 && is_vector(c.wanted) == is_fp(c.value))
            place(c, c.wanted);
        else
            others.push_back(c);
    for (const Candidate& c : others)
        place(c, Reg(static_cast<u16>(
                     std::countr_zero(free & (is_fp(c.value) ? vector_registers : general_registers)))));
}

void RegionAllocator::walk(u32 index) {
    const Block& block = blocks_[index];
    for (u32 i = block.begin; i < block.end && failure_ == nullptr; ++i) {
        position_ = i - block.begin;
        step(f_->code[i], next_[position_]);
        if (i != block.begin) continue;
        for (Reg param : block.params)
            if (at(param).reg != Reg::none) wrote(param);
        if (index == 0)
            for (const EntryValue& entry : f_->entry_values)
                if (entry.pinned != Reg::none) wrote(entry.value);
    }
}

void RegionAllocator::end_block(u32 index) {
    Block& block = blocks_[index];
    block.done = true;
    for (u32 r = 0; r < physical_registers; ++r) {
        const Reg holder = holder_[r];
        if (holder == Reg::none || is_physical(holder) || at(holder).dies != never) continue;
        if (at(holder).global != never) block.ends.push_back({holder, Reg(static_cast<u16>(r))});
    }
    // What a jump hands over is still there.
    if (f_->code[block.end - 1].op != MachineOp::jump) return;
    block.jump = static_cast<u32>(out_.size()) - 1;
    for (const EdgeValue& edge : f_->given(out_.back())) {
        const Reg value = edge.value;
        if (value == Reg::none || is_physical(value)) continue;
        const bool noted =
            std::ranges::find(block.ends, value, &std::pair<Reg, Reg>::first) != block.ends.end();
        if (!noted && at(value).reg != Reg::none) block.ends.push_back({value, at(value).reg});
    }
}

/// Brings values from where they are at the end of a block to where its only successor starts with them.
void RegionAllocator::join(u32 from) {
    const Block& block = blocks_[from];
    if (block.successors[0] == no_block || block.successors[1] != no_block) return;
    const Block& to = blocks_[block.successors[0]];
    if (!meets(to)) return;
    for (const auto& [value, reg] : block.ends) {
        at(value).found = reg;
        at(value).found_for = joined + from;
    }
    const auto place = [&](Reg value) {
        if (at(value).found_for == joined + from) return Location::in(at(value).found);
        need_memory(value);
        return Location::at(at(value).memory);
    };
    for (const auto& [value, reg] : to.starts)
        if (at(value).home != block.successors[0]) moves_.add(Location::in(reg), place(value));
    for (const EdgeValue& edge : f_->given(out_[block.jump])) {
        if (at(edge.param).start == Reg::none && at(edge.param).memory == no_word)
            continue;  // nobody needs it
        const Location there = at(edge.param).start != Reg::none ? Location::in(at(edge.param).start)
                                                                 : Location::at(at(edge.param).memory);
        moves_.add(there, edge.value == Reg::none ? Location::of(edge.constant) : place(edge.value));
    }
    Insertion& insertion = insertions_.emplace_back();
    insertion.key = u64{block.jump} * 2;
    moves_.emit(insertion.code, spills_disp);
}

/// Puts what was inserted, and what is out of line, where it belongs.
void RegionAllocator::finish() {
    for (const Definition& d : definitions_)
        if (at(d.value).in_memory && !at(d.value).is_slot)
            insertions_.push_back({u64{d.after} * 2 + 1, {make_mem(true, d.reg, at(d.value).memory)}});
    std::vector<std::pair<u64, std::size_t>> sorted;
    for (std::size_t i = 0; i < insertions_.size(); ++i) sorted.push_back({insertions_[i].key, i});
    std::ranges::sort(sorted);
    std::vector<MachineInst>& code = f_->code;
    code.clear();
    auto next = sorted.begin();
    const auto insert_up_to = [&](u64 key) {
        for (; next != sorted.end() && next->first <= key; ++next) {
            const std::vector<MachineInst>& inserted = insertions_[next->second].code;
            code.insert(code.end(), inserted.begin(), inserted.end());
        }
    };
    for (u32 i = 0; i < out_.size(); ++i) {
        insert_up_to(u64{i} * 2);
        code.push_back(out_[i]);
        insert_up_to(u64{i} * 2 + 1);
    }
    for (const std::vector<MachineInst>& cold : cold_) code.insert(code.end(), cold.begin(), cold.end());
}

// ---- Instructions ----

void RegionAllocator::step(MachineInst original, const NextUses& next) {
    use_from_memory(original, next);
    MachineInst inst = original;
    locked_ = 0;
    switch (inst.op) {
        case MachineOp::label: out_.push_back(inst); return;
        case MachineOp::side_exit: return side_exit(inst);
        case MachineOp::exit_direct: return leave(out_, inst);
        case MachineOp::exit_indirect: return leave(out_, inst);
        case MachineOp::call_helper: call_helper(); break;
        case MachineOp::mov:
        case MachineOp::fmov:
            if (inst.r[0] == inst.r[1] || hand_on(inst, next)) return;
            break;
        default: break;
    }
    const std::string_view roles = info(inst.op).roles;
    Reg* const regs[6] = {&inst.r[0], &inst.r[1], &inst.r[2], &inst.r[3], &inst.mem.base, &inst.mem.index};
    const auto is_virtual = [&](unsigned k) { return *regs[k] != Reg::none && !is_physical(*regs[k]); };
    const auto reads = [&](unsigned k) { return k >= 4 || roles[k] == 'u' || roles[k] == 'x'; };
    // Registers that selection names, about to be written, must be free first.
    for (unsigned k = 0; k < roles.size(); ++k)
        if (is_allocated(*regs[k]) && is_physical(*regs[k])) {
            if (!reads(k)) claim(*regs[k]);
            locked_ |= bit(*regs[k]);
        }
    for (unsigned k = 0; k < 6; ++k)
        if (is_virtual(k) && reads(k) && at(*regs[k]).reg != Reg::none) locked_ |= bit(at(*regs[k]).reg);
    const auto define_all = [&](char role) {
        for (unsigned k = 0; k < roles.size(); ++k)
            if (roles[k] == role && is_virtual(k)) *regs[k] = define(*regs[k]);
    };
    for (unsigned k = 0; k < 6; ++k)
        if (is_virtual(k) && reads(k)) *regs[k] = load(*regs[k]);
    define_all('e');
    note_frame(inst);
    const Reg before[6] = {original.r[0], original.r[1],     original.r[2],
                           original.r[3], original.mem.base, original.mem.index};
    for (unsigned k = 0; k < 6; ++k) {
        if (!is_allocated(before[k]) || !reads(k) || (k < 4 && roles[k] == 'x')) continue;
        bool also_written = false;
        for (unsigned m = 0; m < roles.size(); ++m) also_written |= roles[m] == 'x' && before[m] == before[k];
        if (also_written) continue;
        if (next[k] == never) locked_ &= ~bit(*regs[k]);
        free_if_dead(before[k], next[k]);
    }
    // What is written last may be where something was until here.
    ++position_;
    define_all('d');
    --position_;
    out_.push_back(inst);
    for (unsigned k = 0; k < roles.size(); ++k) {
        if (roles[k] == 'u' || !is_allocated(before[k])) continue;
        if (is_physical(before[k]))
            holder_[number(before[k])] = before[k];
        else
            wrote(before[k]);
        free_if_dead(before[k], next[k]);
    }
}

/// If a second operand is in memory only and not wanted soon, lets `inst` take it from there.
void RegionAllocator::use_from_memory(MachineInst& inst, const NextUses& next) {
    constexpr u32 soon = 24;
    const Reg value = inst.r[1];
    if (value == Reg::none || is_physical(value) || inst.r[0] == value || at(value).reg != Reg::none) return;
    if (next[1] < position_ + soon) return;
    const auto op = with_second_in_memory(inst.op);
    if (!op) return;
    inst.op = *op;
    inst.r[1] = Reg::none;
    need_memory(value);
    inst.mem = {.base = context_register, .disp = at(value).memory};
}

/// A copy whose source is not used again: hands its register on instead. False if that cannot be.
bool RegionAllocator::hand_on(const MachineInst& inst, const NextUses& next) {
    const Reg to = inst.r[0], from = inst.r[1];
    if (next[1] != never || !is_allocated(to) || !is_allocated(from)) return false;
    const Reg reg = is_physical(from) ? from : at(from).reg;
    if (reg == Reg::none || (is_physical(to) && to != reg)) return false;
    if (!is_physical(to) && at(to).reg != Reg::none) return false;
    if (!is_physical(from)) free_if_dead(from, never);
    holder_[number(reg)] = to;
    if (!is_physical(to)) {
        at(to).reg = reg;
        wrote(to);
    }
    free_if_dead(to, next[0]);
    return true;
}

/// Gives a helper the registers that it may change.
void RegionAllocator::call_helper() {
    locked_ |= lost_in_calls;
    for (u32 left = lost_in_calls; left != 0; left &= left - 1)
        make_way(Reg(static_cast<u16>(std::countr_zero(left))));
}

// ---- Those who look at the guest's state ----

/// Calls visit(the slot's offset, its place between units, where its value is) for slots that may not be in their place: those
/// listed, and pinned ones that still hold what they did at the entry.
template <class Visit>
void RegionAllocator::visit_state(ValueRange range, const Visit& visit) {
    u64 listed = 0;  // pinned slots, the first of the entry values
    for (u32 i = range.begin; i < range.begin + range.count; ++i) {
        const StateValue& state = f_->state[i];
        const u32 entry = entry_of_[state.offset / 8];
        const Reg pinned = entry != 0 ? f_->entry_values[entry - 1].pinned : Reg::none;
        if (pinned != Reg::none) listed |= u64{1} << (entry - 1);
        visit(state.offset,
              pinned != Reg::none ? Location::in(pinned)
                                  : Location::at(static_cast<i32>(state.offset) - context_bias),
              state.value == Reg::none ? Location::of(state.constant) : location(state.value));
    }
    for (u32 i = 0; i < f_->entry_values.size(); ++i) {
        const EntryValue& entry = f_->entry_values[i];
        if (entry.pinned != Reg::none && (listed >> i & 1) == 0)
            visit(entry.offset, Location::in(entry.pinned), location(entry.value));
    }
}

/// Says where the state is at an instruction that may fault.
void RegionAllocator::note_frame(MachineInst& inst) {
    if (inst.site == no_site) return;
    FaultSite here = f_->sites[inst.site];
    const ValueRange state = here.state;
    here.state.begin = static_cast<u32>(f_->places.size());
    visit_state(state, [&](u32 slot, const Location& own, const Location& from) {
        if (from == own) return;
        abi::StatePlace place{.slot = slot, .place = abi::StatePlace::constant, .value = from.constant};
        if (from.kind == Location::Kind::reg) {
            place.place = static_cast<u8>(number(from.reg));
        } else if (from.kind == Location::Kind::memory) {
            place.place = abi::StatePlace::memory;
            place.value = static_cast<u64>(from.disp + context_bias);
        }
        f_->places.push_back(place);
    });
    here.state.count = static_cast<u32>(f_->places.size()) - here.state.begin;
    if (here.state.count > abi::max_frame) failure_ = "a frame state of too many slots";
    inst.site = static_cast<u32>(f_->sites.size());
    f_->sites.push_back(here);
}

/// A way out in the midst of a block: out of line.
void RegionAllocator::side_exit(const MachineInst& inst) {
    MachineInst jump{.op = MachineOp::jump_if};
    jump.cond = inst.cond;
    jump.target = static_cast<u32>(f_->predecessors.size());
    f_->predecessors.push_back(1);
    std::vector<MachineInst>& cold = cold_.emplace_back();
    cold.push_back({.op = MachineOp::label});
    cold.back().target = jump.target;
    MachineInst exit{.op = MachineOp::exit_direct};
    exit.target = inst.target;
    leave(cold, exit);
    out_.push_back(jump);
}

/// A way out, with all state put in its place before.
void RegionAllocator::leave(std::vector<MachineInst>& code, MachineInst inst) {
    visit_state(f_->exits[inst.target].state,
                [&](u32, const Location& own, const Location& from) { moves_.add(own, from); });
    if (inst.op == MachineOp::exit_indirect) {
        moves_.add(Location::in(rax), location(inst.r[0]));
        inst.r[0] = rax;
        inst.r[1] = rcx;
    }
    moves_.emit(code, spills_disp);
    code.push_back(inst);
}

/// Where a value is now.
Location RegionAllocator::location(Reg value) {
    if (is_physical(value)) return Location::in(value);
    if (at(value).reg != Reg::none) return Location::in(at(value).reg);
    need_memory(value);
    return Location::at(at(value).memory);
}

// ---- Values and registers ----

void RegionAllocator::need_memory(Reg value) {
    Value& v = at(value);
    v.in_memory = true;
    if (v.memory != no_word) return;
    const u32 slot = (*f_)[value].slot;
    i32 own = no_word;
    i32& word = slot == 0 || v.apart ? own : home_of_[slot / 8];
    if (word == no_word) word = spills_disp + 8 * static_cast<i32>(words_++);
    v.memory = word;
}

/// Notes that the register of a value has been written by the latest instruction.
void RegionAllocator::wrote(Reg value) {
    definitions_.push_back({static_cast<u32>(out_.size()) - 1, value, at(value).reg});
}

bool RegionAllocator::alive(Reg value) const {
    const Value& v = at(value);
    return v.next != never && (v.dies == never || v.dies >= position_);
}

bool RegionAllocator::is_free(Reg reg) const {
    const Reg holder = holder_[number(reg)];
    return holder == Reg::none || (!is_physical(holder) && !alive(holder));
}

Reg RegionAllocator::load(Reg value) {
    Value& v = at(value);
    if (v.reg == Reg::none) {
        need_memory(value);
        v.reg = take(is_fp(value), {(*f_)[value].wanted, Reg::none});
        holder_[number(v.reg)] = value;
        out_.push_back(make_mem(false, v.reg, v.memory));
    }
    locked_ |= bit(v.reg);
    return v.reg;
}

/// Where a value had best be: where a parameter is that takes its content, and where it must be on ways out.
std::array<Reg, 2> RegionAllocator::hints(Reg value) const {
    std::array<Reg, 2> found = {Reg::none, (*f_)[value].wanted};
    constexpr int furthest = 8;
    for (int i = 0; i < furthest; ++i) {
        value = at(value).becomes;
        if (value == Reg::none) break;
        if (found[0] == Reg::none) found[0] = at(value).start;
        if (found[1] == Reg::none) found[1] = (*f_)[value].wanted;
    }
    return found;
}

Reg RegionAllocator::define(Reg value) {
    Value& v = at(value);
    if (v.reg == Reg::none) {
        v.reg = take(is_fp(value), hints(value));
        holder_[number(v.reg)] = value;
    }
    v.next = 0;  // until the instruction is done
    locked_ |= bit(v.reg);
    return v.reg;
}

/// A register that is free, or made so.
Reg RegionAllocator::take(bool fp, std::array<Reg, 2> hints) {
    const auto use = [&](Reg reg) {
        if (holder_[number(reg)] != Reg::none) evict(reg);
        return reg;
    };
    for (Reg hint : hints)
        if (hint != Reg::none && is_vector(hint) == fp && (locked_ & bit(hint)) == 0 && is_free(hint))
            return use(hint);
    Reg furthest = Reg::none;
    u32 distance = 0;
    const auto look = [&](const auto& registers) -> Reg {
        for (Reg r : registers) {
            if ((locked_ & bit(r)) != 0) continue;
            if (is_free(r)) return r;
            const Reg holder = holder_[number(r)];
            if (is_physical(holder)) continue;  // selection is using it by name
            // Given up for free when it is in memory already.
            const u32 score = at(holder).next + (at(holder).in_memory ? 4 : 0);
            if (furthest == Reg::none || score > distance) {
                furthest = r;
                distance = score;
            }
        }
        return Reg::none;
    };
    Reg free = fp ? look(temporaries_fp) : look(temporaries_integer);
    if (free == Reg::none) free = fp ? look(pinned_fp) : look(pinned_integer);
    if (free != Reg::none) return use(free);
    if (furthest == Reg::none) {
        failure_ = "an operation needs more registers than there are";
        return fp ? temporaries_fp[0] : temporaries_integer[0];
    }
    return use(furthest);
}

void RegionAllocator::evict(Reg reg) {
    const Reg holder = holder_[number(reg)];
    if (holder == Reg::none || is_physical(holder)) return;
    if (alive(holder)) need_memory(holder);
    at(holder).reg = Reg::none;
    release(reg);
}

/// Empties a register: what is there moves to another one that is free and not locked, if there is one.
void RegionAllocator::make_way(Reg reg) {
    const Reg holder = holder_[number(reg)];
    if (holder == Reg::none || is_physical(holder)) return;
    Reg other = Reg::none;
    const u32 set = is_vector(reg) ? vector_registers : general_registers;
    for (u32 left = alive(holder) ? set & ~locked_ : 0; left != 0 && other == Reg::none; left &= left - 1)
        if (const Reg r = Reg(static_cast<u16>(std::countr_zero(left))); is_free(r)) other = r;
    if (other == Reg::none) return evict(reg);
    evict(other);
    out_.push_back(make(is_vector(reg) ? MachineOp::fmov : MachineOp::mov, other, reg));
    at(holder).reg = other;
    holder_[number(other)] = holder;
    release(reg);
}

/// Empties a register that selection names.
void RegionAllocator::claim(Reg physical) {
    locked_ |= bit(physical);
    make_way(physical);
    holder_[number(physical)] = physical;
}

void RegionAllocator::free_if_dead(Reg reg, u32 next) {
    if (is_physical(reg)) {
        if (next == never) release(reg);
        return;
    }
    Value& v = at(reg);
    v.next = next;
    if (next != never) return;
    if (v.reg != Reg::none) release(v.reg);
    v.reg = Reg::none;
}

}  // namespace kiln::emit

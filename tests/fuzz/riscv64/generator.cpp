// Random streams. StreamBuilder appends an item, or a short sequence of them, at a time; each append tries
// operands until they keep the laws of stream.h.
#include "fuzz/riscv64/generator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "fuzz/riscv64/kinds.h"
#include "fuzz/riscv64/values.h"
#include "isa/riscv64/table.h"

namespace kiln::fuzz {

using riscv64::Decoded;
using riscv64::Extension;
using riscv64::InstId;

namespace {

bool is_in_scope(const riscv64::InstInfo& row, Scope scope) {
    enum class Where { qemu, both };
#define FUZZ_NO_EXTENSION(id, reason) \
    if (scope == Scope::qemu && row.extension == Extension::id) return false;
#define FUZZ_NO_INSTRUCTION(inst, where, reason) \
    if (row.id == InstId::inst && (Where::where == Where::both || scope == Scope::qemu)) return false;
#include "fuzz/riscv64/excluded.def"
    return true;
}

bool is_excluded_csr(i32 number) {
#define FUZZ_NO_CSR(excluded, reason) \
    if (number == excluded) return true;
#include "fuzz/riscv64/excluded.def"
    return false;
}

bool is_excluded_word(u32 word) {
#define FUZZ_NO_WORD(mask, value, reason) \
    if ((word & (mask)) == (value)) return true;
#include "fuzz/riscv64/excluded.def"
    return false;
}

/// How often a kind of instruction is tried, out of their sum.
constexpr struct {
    Kind kind;
    unsigned weight;
} kind_weights[] = {{Kind::compute, 24}, {Kind::compressed, 20}, {Kind::fp, 26},    {Kind::crypto, 3},
                    {Kind::load, 8},     {Kind::store, 7},       {Kind::atomic, 4}, {Kind::reserve, 2},
                    {Kind::branch, 5},   {Kind::jump, 1},        {Kind::csr, 3},    {Kind::fence, 1}};

/// How often a stream goes back before it ends, at most.
constexpr unsigned max_rounds = 4;
/// How deep functions are in each other: as many as there are registers for return addresses.
constexpr unsigned max_depth = 2;

constexpr i32 no_offset = 0;
constexpr unsigned ra = 1, sp = 2, t0 = 5;

/// The rows of a scope by kind.
struct RowsByKind {
    std::array<std::vector<InstId>, static_cast<size_t>(Kind::unusable) + 1> rows;

    explicit RowsByKind(Scope scope) {
        for (InstId id : rows_in_scope(scope)) rows[static_cast<size_t>(kind_of(id))].push_back(id);
    }
    const std::vector<InstId>& operator[](Kind kind) const { return rows[static_cast<size_t>(kind)]; }
};

const RowsByKind& rows_by_kind(Scope scope) {
    static const RowsByKind qemu(Scope::qemu), all(Scope::all);
    return scope == Scope::qemu ? qemu : all;
}

class StreamBuilder {
  public:
    StreamBuilder(Random& random, const StreamShape& shape)
        : random_(random), rows_(rows_by_kind(shape.scope)) {
        choose_pointers();
        for (u8& reg : hot_) reg = static_cast<u8>(random_.below(32));
        may_fault_ = random_.below(100) < shape.faulting_percent;
        lone_conditionals_ = random_.once_in(2);
        if (may_fault_) choose_bad_pointers();
        if (random_.once_in(3)) choose_counter();
        has_functions_ = random_.once_in(3);
        const size_t wanted = static_cast<size_t>(random_.between(shape.min_items, shape.max_items));
        if (may_fault_) fault_at_ = 2 + random_.below(wanted);
        while (stream_.items.size() < wanted) append_next();
        settle_targets();
        for (unsigned n = 0; n < shape.inputs; n++) {
            Input input = input_state(random_);
            for (u8 reg : stream_.bad_pointers) input.x[reg] = bad_address(random_, shape.scope);
            if (stream_.counter != 0) input.x[stream_.counter] = random_.below(max_rounds + 1);
            stream_.inputs.push_back(input);
        }
    }
    Stream take() { return std::move(stream_); }

  private:
    bool is_kept(unsigned reg) const { return reg == 0 || (kept_ >> reg & 1) != 0; }

    void choose_pointers() {
        const auto add = [&](unsigned reg, i64 delta) {
            if (is_kept(reg)) return;
            kept_ |= u32{1} << reg;
            stream_.pointers.push_back({static_cast<u8>(reg), static_cast<i32>(delta)});
        };
        add(static_cast<unsigned>(random_.between(1, 31)), 0);
        // Compressed accesses have small positive offsets, from x8 to x15 or from sp.
        if (!random_.once_in(4))
            add(static_cast<unsigned>(random_.between(8, 15)), random_.between(-240, 100));
        if (random_.once_in(2)) add(sp, random_.between(-500, 100));
        if (random_.once_in(2))
            add(static_cast<unsigned>(random_.between(1, 31)), random_.between(-2100, 2100));
    }

    void choose_bad_pointers() {
        for (unsigned n = 0; n < 3; n++) {
            const u8 reg =
                static_cast<u8>(random_.once_in(2) ? random_.between(8, 15) : random_.between(1, 31));
            if (is_kept(reg)) continue;
            kept_ |= u32{1} << reg;
            stream_.bad_pointers.push_back(reg);
        }
    }
    void choose_counter() {
        const u8 reg = static_cast<u8>(random_.between(1, 31));
        if (is_kept(reg)) return;
        kept_ |= u32{1} << reg;
        stream_.counter = reg;
    }

    u8 some_register() {
        if (random_.once_in(10)) return 0;
        return random_.once_in(2) ? random_.pick(hot_) : static_cast<u8>(random_.below(32));
    }
    /// One that may be written.
    u8 free_register() {
        u8 reg = some_register();
        while (is_kept(reg)) reg = static_cast<u8>(random_.below(32));
        return reg;
    }

    /// `row` with random operands that the stream's law about pointers allows; id illegal when none were
    /// found.
    Decoded random_instruction(InstId row) {
        const riscv64::Encoding& encoding = riscv64::info(row).encoding();
        for (unsigned attempt = 0; attempt < 64; attempt++) {
            Decoded inst =
                riscv64::decode(encoding.value | (static_cast<u32>(random_.next()) & ~encoding.mask));
            if (inst.id != row) continue;
            if (kind_of(row) != Kind::fence) inst = with_likely_operands(inst, encoding.fields);
            if (inst.id == row && (written_registers(inst) & kept_) == 0) return inst;
        }
        return {};
    }

    /// Operands that repeat each other, registers that the stream likes, immediates at their ends.
    Decoded with_likely_operands(Decoded inst, const riscv64::Fields& fields) {
        inst.rs1 = some_register();
        inst.rs2 = random_.once_in(8) ? inst.rs1 : some_register();
        inst.rs3 = random_.once_in(4) ? inst.rs1 : some_register();
        inst.rd = random_.once_in(4) ? inst.rs1 : random_.once_in(4) ? inst.rs2 : some_register();
        const bool shared = fields.rd.mask != 0 && fields.rd.low == fields.rs1.low;
        if (shared) inst.rs1 = inst.rd;
        if (random_.once_in(5)) inst.imm = random_.pick({0, 1, -1, 2, 31, 32, 63, 2047, -2048});
        return again(inst);
    }
    /// As its word decodes.
    static Decoded again(const Decoded& inst) {
        return inst.id == InstId::illegal ? inst : riscv64::decode(riscv64::encode(inst));
    }

    void append(Item item) {
        item.function = function_;
        written_ |= written_registers(item.inst);
        stream_.items.push_back(item);
    }
    /// Nothing if there is no instruction.
    void append(const Decoded& inst, bool may_be_target = true) {
        if (inst.length != 0) append({.inst = inst, .may_be_target = may_be_target});
    }
    void append_new(InstId id, u8 rd, u8 rs1, i32 imm, bool may_be_target = true) {
        append(again({.id = id, .length = 4, .rd = rd, .rs1 = rs1, .imm = imm}), may_be_target);
    }

    void append_next() {
        if (stream_.items.size() >= fault_at_ && random_.once_in(4)) return append_what_may_fault();
        if (stream_.counter != 0 && random_.once_in(15)) return append_way_back();
        if (has_functions_ && random_.once_in(15)) return append_function();
        if (!functions_.empty() && random_.once_in(15)) return append_call(random_.pick(functions_));
        append_something();
    }

    void append_something() {
        unsigned sum = 0;
        for (const auto& row : kind_weights) sum += row.weight;
        u64 at = random_.below(sum);
        for (const auto& [kind, weight] : kind_weights) {
            if (at < weight) return append_kind(kind);
            at -= weight;
        }
    }

    void append_kind(Kind kind) {
        const InstId row = random_.pick(rows_[kind]);
        switch (kind) {
            case Kind::compute:
            case Kind::compressed:
            case Kind::crypto:
            case Kind::fp:
            case Kind::fence: return append_plain(row);
            case Kind::load:
            case Kind::store:
            case Kind::atomic: return append_access(row);
            case Kind::reserve: return append_reservation(row);
            case Kind::branch: return append_branch(row);
            case Kind::jump: return append_jump(row);
            case Kind::csr: return append_csr(row);
            case Kind::conditional:
            case Kind::breakpoint:
            case Kind::unusable: KILN_UNREACHABLE();
        }
    }

    void append_plain(InstId row, bool may_be_target = true) {
        const Decoded inst = random_instruction(row);
        if (inst.id != InstId::illegal) append(inst, may_be_target);
    }

    /// `row` through a register that is `delta` bytes from the window's middle, with an offset that keeps it
    /// in the window; id illegal when none was found.
    Decoded access_through(InstId row, u8 base, i32 delta) {
        const i32 bytes = static_cast<i32>(access_bytes(row));
        const Kind kind = kind_of(row);
        const bool offsets = kind == Kind::load || kind == Kind::store;
        const i32 low = -window_bytes / 2, high = window_bytes / 2 - bytes;
        if (!offsets && (delta % bytes != 0 || delta < low || delta > high)) return {};
        for (unsigned attempt = 0; attempt < 8; attempt++) {
            Decoded inst = random_instruction(row);
            if (inst.id == InstId::illegal) return inst;
            inst.rs1 = base;
            inst.imm = offsets ? static_cast<i32>(random_.between(low, high)) - delta : no_offset;
            inst = again(inst);
            const i32 at = delta + inst.imm;
            if (inst.rs1 == base && at >= low && at <= high) return inst;
        }
        return {};
    }

    /// Through a pointer of the stream; or through one that is made before it and may be lost by it.
    void append_access(InstId row) {
        const Pointer pointer = random_.pick(stream_.pointers);
        if (random_.once_in(2)) {
            const Decoded inst = access_through(row, pointer.reg, pointer.delta);
            if (inst.id != InstId::illegal) return append(inst);
        }
        const Pointer made = derived_pointer(row);
        Decoded inst = access_through(row, made.reg, made.delta);
        if (inst.id == InstId::illegal) return;
        if (random_.once_in(4)) inst.rd = made.reg;
        if (random_.once_in(8)) inst.rs2 = made.reg;
        inst = again(inst);
        if (inst.id != row || (written_registers(inst) & kept_) != 0 || inst.rs1 != made.reg) return;
        append_pointer(made);
        append(inst, false);
    }
    /// A free register and where in the window it is to point for `row`.
    Pointer derived_pointer(InstId row) {
        const i32 bytes = static_cast<i32>(access_bytes(row));
        const i64 slots = window_bytes / 2 / bytes;
        const bool misaligned =
            random_.once_in(3) && (kind_of(row) == Kind::load || kind_of(row) == Kind::store);
        const i64 delta =
            random_.between(-slots, slots - 1) * bytes + (misaligned ? random_.between(0, bytes) : 0);
        u8 reg = free_register();
        if (riscv64::info(row).encoding().length == 2)
            reg = static_cast<u8>(random_.once_in(3) ? sp : static_cast<unsigned>(random_.between(8, 15)));
        if (is_kept(reg)) reg = free_register();
        return {reg, static_cast<i32>(delta)};
    }
    void append_pointer(const Pointer& pointer) {
        append_new(InstId::addi, pointer.reg, stream_.anchor(), pointer.delta);
    }

    /// LR, and SC to the same bytes: what lies between is free of memory accesses and transfers. Other
    /// pairings may succeed or fail as an implementation likes. LR alone and SC alone are in different
    /// streams.
    void append_reservation(InstId row) {
        const InstId partner = row == InstId::lr_w ? InstId::sc_w : InstId::sc_d;
        const Pointer made = derived_pointer(row);
        const u32 kept_before = kept_;
        kept_ |= u32{1} << made.reg;
        const Decoded reserve = access_through(row, made.reg, made.delta);
        Decoded conditional = access_through(partner, made.reg, made.delta);
        const bool alone = random_.once_in(5);
        if (reserve.id != InstId::illegal && conditional.id != InstId::illegal) {
            append_pointer(made);
            if (!alone || !lone_conditionals_) append(reserve, false);
            for (u64 n = random_.below(3); n > 0; n--)
                append_plain(random_.pick(rows_[random_.pick({Kind::compute, Kind::compressed, Kind::fp})]),
                             false);
            if (random_.once_in(4)) conditional.rd = made.reg;
            if (!alone || lone_conditionals_) append(again(conditional), false);
        }
        kept_ = kept_before;
    }

    int some_target() { return static_cast<int>(stream_.items.size() + 1 + random_.below(7)); }

    void append_branch(InstId row) {
        const Decoded inst = random_instruction(row);
        if (inst.id == InstId::illegal) return;
        const int self = static_cast<int>(stream_.items.size());
        append({.inst = inst, .target = some_target(), .origin = self});
    }

    /// Counts down, and back if that leaves something.
    void append_way_back() {
        const int begin = static_cast<int>(stream_.items.size());
        int target = static_cast<int>(random_.below(stream_.items.size() + 1));
        while (target < begin && !may_go_to(stream_.items[static_cast<size_t>(target)], function_)) target++;
        append_new(InstId::addi, stream_.counter, stream_.counter, -1);
        const Decoded branch = {.id = InstId::blt, .length = 4, .rs2 = stream_.counter};
        append({.inst = branch, .target = target, .origin = begin + 1, .may_be_target = false});
    }

    /// A function, which control goes around, and a call of it.
    void append_function() {
        std::vector<u8> links;
        for (unsigned reg : {ra, t0})
            if (!is_kept(reg)) links.push_back(static_cast<u8>(reg));
        if (links.empty() || depth_ == max_depth) return append_something();
        const int around = static_cast<int>(stream_.items.size());
        append({.inst = {.id = InstId::jal, .length = 4}, .target = around, .origin = around});

        Function made{.begin = around + 1, .link = random_.pick(links)};
        const int outer = std::exchange(function_, ++function_count_);
        const u32 kept_before = std::exchange(kept_, kept_ | u32{1} << made.link);
        const u32 written_before = std::exchange(written_, 0);
        ++depth_;
        for (const i64 end = made.begin + random_.between(1, 8); std::ssize(stream_.items) < end;)
            append_next();
        append_new(InstId::jalr, 0, made.link, 0);
        --depth_;
        made.written = written_;
        written_ |= written_before;
        kept_ = kept_before;
        function_ = outer;

        functions_.push_back(made);
        stream_.items[static_cast<size_t>(around)].target = static_cast<int>(stream_.items.size());
        append_call(made);
    }

    struct Function {
        int begin;  ///< its first item
        u8 link;    ///< the register of its return address
        u32 written = 0;
    };
    /// Nothing where the function would write what is to be kept.
    void append_call(const Function& callee) {
        const u32 writes = callee.written | u32{1} << callee.link;
        if ((writes & kept_ & ~(u32{1} << stream_.counter)) != 0) return append_something();
        const int self = static_cast<int>(stream_.items.size());
        written_ |= callee.written;
        append({.inst = {.id = InstId::jal, .length = 4, .rd = callee.link},
                .target = callee.begin,
                .origin = self});
    }

    /// The address in a register first, whole or but for the jump's offset.
    void append_jump(InstId row) {
        Decoded jump = random_instruction(row);
        const u8 via = free_register();
        jump.rs1 = via;
        jump = again(jump);
        if (jump.id != row || jump.rs1 != via || (written_registers(jump) & kept_) != 0) return;
        const int origin = static_cast<int>(stream_.items.size());
        const int target = some_target() + 2;
        append_new(InstId::auipc, via, 0, 0);
        if (row == InstId::jalr && random_.once_in(2)) {
            append({.inst = jump, .target = target, .origin = origin, .may_be_target = false});
            return;
        }
        const Decoded add = {.id = InstId::addi, .length = 4, .rd = via, .rs1 = via};
        append({.inst = add, .target = target, .origin = origin, .may_be_target = false});
        jump.imm = 0;
        append(again(jump), false);
    }

    /// A CSR instruction after which the rounding mode is a valid one.
    void append_csr(InstId row) {
        enum { fflags = 1, frm = 2, fcsr = 3 };
        Decoded inst = random_instruction(row);
        if (inst.id == InstId::illegal) return;
        inst.imm = random_.pick({fflags, frm, fcsr});
        const u64 mode = random_.below(5), flags = random_.below(32);
        u64 operand =
            inst.imm == frm ? mode | random_.below(256) << 3 : mode << 5 | flags | random_.below(8) << 8;
        bool made = false;
        if (inst.imm != fflags) {
            if (row == InstId::csrrwi) inst.rs1 = static_cast<u8>(inst.imm == frm ? mode : flags);
            if (row == InstId::csrrsi) inst.rs1 = static_cast<u8>(inst.imm == frm ? 0 : flags);
            made = row == InstId::csrrw || row == InstId::csrrs;
            if (row == InstId::csrrs) operand = inst.imm == frm ? 0 : flags;
        }
        if (made) {
            inst.rs1 = free_register();
            append_new(InstId::addi, inst.rs1, 0, static_cast<i32>(operand << 20) >> 20);
        }
        append(again(inst), !made);
    }

    void append_what_may_fault() {
        switch (random_.below(8)) {
            case 0: return append_illegal();
            case 1: return append(random_instruction(random_.pick(rows_[Kind::breakpoint])));
            case 2: return append_unknown_csr();
            case 3: return append_reserved_rounding();
            case 4: return append_misaligned_atomic();
            case 5:
                return append_bad_access(
                    random_.pick(rows_[random_.pick({Kind::atomic, Kind::reserve, Kind::jump})]));
            default: return append_bad_access(random_.pick(rows_[random_.pick({Kind::load, Kind::store})]));
        }
    }

    void append_illegal() {
        for (;;) {
            u32 word = static_cast<u32>(random_.next());
            if (random_.once_in(2)) {
                // All but a few bits of an instruction.
                const riscv64::Encoding& encoding = random_.pick(riscv64::all_instructions()).encoding();
                word = encoding.value | (word & ~encoding.mask);
                word ^= u32{1} << random_.below(8u * encoding.length);
            }
            const Decoded inst = riscv64::decode(word);
            if (inst.id == InstId::illegal && !is_excluded_word(word)) return append(inst);
        }
    }

    void append_unknown_csr() {
        Decoded inst = random_instruction(random_.pick(rows_[Kind::csr]));
        inst.imm = static_cast<i32>(random_.below(4096));
        if (!is_excluded_csr(inst.imm)) append(again(inst));
    }

    void append_reserved_rounding() {
        constexpr i32 frm = 2;
        append_new(InstId::csrrwi, 0, static_cast<u8>(random_.between(5, 7)), frm);
        Decoded inst = random_instruction(random_.pick(rows_[Kind::fp]));
        inst.rm = 7;
        append(again(inst));
    }

    void append_misaligned_atomic() {
        Decoded inst = random_instruction(
            random_.pick(rows_[random_.pick({Kind::atomic, Kind::reserve, Kind::conditional})]));
        if (inst.id == InstId::illegal) return;
        inst.rs1 = free_register();
        const i64 quarter = window_bytes / 4;
        append_pointer({inst.rs1, static_cast<i32>(random_.between(-quarter, quarter))});
        append(again(inst), false);
    }

    /// Stores stay at the very end of what is mapped: only there are bytes put back for the next run.
    void append_bad_access(InstId row) {
        if (stream_.bad_pointers.empty()) return;
        Decoded inst = random_instruction(row);
        inst.rs1 = random_.pick(stream_.bad_pointers);
        if (kind_of(row) != Kind::load) inst.imm = static_cast<i32>(random_.below(16));
        inst = again(inst);
        if (inst.id == row && std::ranges::find(stream_.bad_pointers, inst.rs1) != stream_.bad_pointers.end())
            append(inst);
    }

    static bool may_go_to(const Item& target, int function) {
        return target.may_be_target && target.function == function;
    }
    /// From where a target was wished to the next item of the function that may be one, or the end.
    void settle_targets() {
        const int end = static_cast<int>(stream_.items.size());
        for (Item& item : stream_.items) {
            if (item.target < 0 || item.target < item.origin) continue;
            const auto fits = [&](int target) {
                return target == end || may_go_to(stream_.items[static_cast<size_t>(target)], item.function);
            };
            const int wished = std::min(item.target, end);
            item.target = wished;
            while (!fits(item.target)) item.target++;
            // No further than the function goes, at most to its return; nor than a branch reaches, where another function
            // lies between: what leads around that is before it.
            constexpr int reach = 60;
            const bool leaves = item.target == end && item.function != 0;
            if (leaves || (item.inst.length == 2 && item.target - item.origin > reach))
                for (item.target = wished; !fits(item.target) || item.target == end;) item.target--;
        }
    }

    Random& random_;
    const RowsByKind& rows_;
    Stream stream_;
    u32 kept_ = 0;     ///< registers that must not be written, as bits
    u32 written_ = 0;  ///< those written so far in the function under way, or by what it calls
    std::vector<Function> functions_;
    int function_count_ = 0;
    int function_ = 0;  ///< the one under way
    unsigned depth_ = 0;
    bool has_functions_ = false;
    std::array<u8, 6> hot_{};
    bool may_fault_ = false;
    size_t fault_at_ = ~size_t{0};
    bool lone_conditionals_ = false;
};

}  // namespace

std::vector<InstId> rows_in_scope(Scope scope) {
    std::vector<InstId> rows;
    for (const riscv64::InstInfo& row : riscv64::all_instructions())
        if (is_in_scope(row, scope)) rows.push_back(row.id);
    return rows;
}

Stream random_stream(Random& random, const StreamShape& shape) { return StreamBuilder(random, shape).take(); }

}  // namespace kiln::fuzz

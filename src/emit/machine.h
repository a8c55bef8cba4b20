// Machine code before registers are given out: what selection (select.h) makes of IR and the allocator
// (allocate.h) and encoder (encode.h) work on. Blocks stand in one line, in an order in which control only goes
// forward.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "abi/unit_code.h"
#include "emit/convention.h"
#include "ir/function.h"

namespace kiln::emit {

enum class MachineOp : u8 {
#define MACHINE_OP(name, roles, operands, meaning) name,
#include "emit/machine_ops.def"
#undef MACHINE_OP
};

struct MachineOpInfo {
    std::string_view name, roles;
};
inline constexpr MachineOpInfo machine_op_table[] = {
#define MACHINE_OP(name, roles, operands, meaning) {#name, roles},
#include "emit/machine_ops.def"
#undef MACHINE_OP
};
constexpr const MachineOpInfo& info(MachineOp op) { return machine_op_table[static_cast<u8>(op)]; }

/// The form of add, sub, and_, or_ or xor_ with an immediate, or a memory word, as second operand.
constexpr MachineOp immediate_form(MachineOp op) {
    return MachineOp(static_cast<u8>(op) +
                     (static_cast<u8>(MachineOp::add_imm) - static_cast<u8>(MachineOp::add)));
}
constexpr MachineOp memory_form(MachineOp op) {
    return MachineOp(static_cast<u8>(op) +
                     (static_cast<u8>(MachineOp::add_mem) - static_cast<u8>(MachineOp::add)));
}
static_assert(immediate_form(MachineOp::xor_) == MachineOp::xor_imm &&
              memory_form(MachineOp::xor_) == MachineOp::xor_mem);

/// The operation that does the same with its second operand in memory, if there is one.
constexpr std::optional<MachineOp> with_second_in_memory(MachineOp op) {
    switch (op) {
        case MachineOp::add:
        case MachineOp::sub:
        case MachineOp::and_:
        case MachineOp::or_:
        case MachineOp::xor_: return memory_form(op);
        case MachineOp::cmp: return MachineOp::cmp_mem;
        case MachineOp::mov:
        case MachineOp::extend_u: return MachineOp::load;
        case MachineOp::extend_s: return MachineOp::load_signed;
        case MachineOp::fmov: return MachineOp::fload;
        default: return std::nullopt;
    }
}

/// Conditions of the flags, as x86-64 encodes them.
enum class Condition : u8 {
    overflow,
    no_overflow,
    below,
    above_equal,
    equal,
    not_equal,
    below_equal,
    above,
    sign,
    no_sign,
    parity,
    no_parity,
    less,
    greater_equal,
    less_equal,
    greater,
};
constexpr Condition opposite(Condition c) { return Condition(static_cast<u8>(c) ^ 1); }

/// What MachineOp::aes does; the last rounds lack the mixing of columns.
enum class AesStep : u8 { round, last_round, inverse_round, inverse_last_round, inverse_mix };

/// Guest memory, reached through the base of guest memory, or the engine's own.
enum class Memory : u8 { engine, guest };

/// base + index * 2^scale + disp.
struct Address {
    Reg base = Reg::none, index = Reg::none;
    u8 scale = 0;
    Memory memory = Memory::engine;
    i32 disp = 0;
};

inline constexpr u32 no_site = ~u32{0};

struct MachineInst {
    MachineOp op;
    u8 width = 8;  ///< bytes
    Condition cond = Condition::equal;
    Reg r[4] = {Reg::none, Reg::none, Reg::none, Reg::none};
    Address mem;
    i64 imm = 0;
    u32 target = 0;      ///< a block's number (label, jump, jump_if), or an exit's
    u32 site = no_site;  ///< which fault site the access belongs to
};

/// What a word of the context must hold where somebody looks at the guest's state: in regions, which keep state
/// elsewhere meanwhile.
struct StateValue {
    u32 offset;             ///< of the word, in bytes from the start of the context
    Reg value = Reg::none;  ///< none: a constant
    u64 constant = 0;
};

/// Some of MachineFunction::state, or of its edge_values.
struct ValueRange {
    u32 begin = 0, count = 0;
    bool operator==(const ValueRange&) const = default;
};

/// Where a fault is: what the run loop must be told, everything else being in its place.
struct FaultSite {
    GuestAddr pc;
    u32 retired = 0;  ///< guest instructions completed before it, in this unit
    /// In MachineFunction::frame_values: slots that are not up to date there.
    u32 first_value = 0, value_count = 0;
    ValueRange state;  ///< of regions: what is not in its place
    bool operator==(const FaultSite&) const = default;
};

/// The context's words, as offsets: what the slot's newest value is in.
struct SlotCopy {
    u32 slot = 0, word = 0;
};

/// A way out of the unit.
struct Exit {
    enum class Kind : u8 { direct, indirect, leave };
    Kind kind = Kind::direct;
    abi::ExitReason reason{};  ///< leave
    u32 retired = 0;           ///< guest instructions completed on this way
    u64 pc = 0;                ///< where the guest goes on (direct, leave)
    ValueRange state;          ///< of regions: what must be put in its place
};

/// A block's parameter and what it gets on some way, of a region.
struct EdgeValue {
    Reg param, value = Reg::none;  ///< value: none for a constant
    u64 constant = 0;
};

/// What a state slot holds where a region begins.
struct EntryValue {
    Reg value;
    Reg pinned = Reg::none;  ///< where it is; none: in its slot
    u32 offset = 0;          ///< the slot's, in bytes from the start of the context
};

/// A value that selection numbered: registers from physical_registers up are indices into `values`.
struct VirtualRegister {
    bool fp = false;
    /// If not 0: the disp of a state slot's memory that holds the same until `detach`.
    i32 slot_home = 0;
    /// Of regions: where it would be in its place at ways out, and the slot that it is for (its offset in the context; 0:
    /// none).
    Reg wanted = Reg::none;
    u32 slot = 0;
};

struct MachineFunction {
    std::vector<MachineInst> code;
    std::vector<VirtualRegister> values;
    std::vector<FaultSite> sites;
    std::vector<SlotCopy> frame_values;
    std::vector<Exit> exits;
    /// By block: how many ways lead to it, and whether control can fall into it.
    std::vector<u32> predecessors;
    GuestAddr entry;

    // Of regions, whose blocks may be entered from behind:
    bool region = false;
    std::vector<StateValue> state;
    std::vector<abi::StatePlace> places;  ///< after allocation: what FaultSite::state ranges over
    std::vector<EdgeValue> edge_values;   ///< of `jump`, in the range that jump_values() gives: see given()
    std::vector<EntryValue>
        entry_values;              ///< those of all pinned slots, and of others that are read or written
    std::vector<u32> loop_depths;  ///< by block

    void clear() {
        code.clear();
        values.clear();
        sites.clear();
        frame_values.clear();
        exits.clear();
        predecessors.clear();
        region = false;
        state.clear();
        places.clear();
        edge_values.clear();
        entry_values.clear();
        loop_depths.clear();
    }
    Reg new_value(bool fp) {
        values.push_back({fp, 0, Reg::none, 0});
        return Reg(physical_registers + values.size() - 1);
    }
    /// What a region's `jump` gives its target's parameters; nothing for other operations.
    std::span<const EdgeValue> given(const MachineInst& inst) const;
    VirtualRegister& operator[](Reg r) { return values[number(r) - physical_registers]; }
    const VirtualRegister& operator[](Reg r) const { return values[number(r) - physical_registers]; }
};

/// The values that a region's `jump` gives its target's parameters, packed into its immediate.
constexpr i64 pack(ValueRange range) { return static_cast<i64>(u64{range.count} << 32 | range.begin); }
constexpr ValueRange jump_values(const MachineInst& jump) {
    return {static_cast<u32>(jump.imm), static_cast<u32>(static_cast<u64>(jump.imm) >> 32)};
}
inline std::span<const EdgeValue> MachineFunction::given(const MachineInst& inst) const {
    if (inst.op != MachineOp::jump) return {};
    const ValueRange range = jump_values(inst);
    return std::span(edge_values).subspan(range.begin, range.count);
}

}  // namespace kiln::emit

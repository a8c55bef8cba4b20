// The interface between a guest's lifter and whoever wants units: neither knows the other.
#pragma once

#include <algorithm>
#include <bitset>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/context.h"
#include "abi/extent.h"
#include "ir/function.h"

namespace kiln::abi {

/// Where a lifter reads guest code.
class CodeSource {
  public:
    virtual ~CodeSource() = default;
    /// The executable bytes at `pc`, as many as are contiguous there up to some bound of the source's
    /// choosing; empty when `pc` cannot be executed. Stays readable until the source is told otherwise.
    virtual std::span<const u8> fetch(GuestAddr pc) = 0;
    /// Why fetch(pc) is empty.
    virtual FaultKind fetch_fault(GuestAddr pc) = 0;
};

/// No guest's instructions are longer, in bytes.
inline constexpr std::size_t longest_instruction = 4;

/// What is known of the guest code that begins at some address.
struct CodeHistory {
    u32 entries = 0;  ///< how often control came there, as far as it was counted
    /// How long the unit is that was made there to stay; 0: there is none.
    u32 unit_instructions = 0;
};

/// What is known of guest code.
class Profile {
  public:
    virtual ~Profile() = default;
    virtual CodeHistory at(GuestAddr pc) const = 0;
};

struct LiftOptions {
    /// A unit ends after this many guest instructions. 1 gives single-instruction units.
    u32 max_instructions = 64;
    /// Whether lifting goes on past a conditional branch (at its fall-through) and through direct jumps.
    bool extend = true;
    /// A register that the unit has read or written in the same block is not read from its slot again: for tiers that
    /// keep values in registers, where what a value is computed from matters more than where it is.
    bool read_once = false;
    /// Addresses, ascending, that no unit runs across: one may only begin there (a debugger's breakpoints).
    /// Null: none.
    const std::vector<GuestAddr>* stops = nullptr;
    /// A unit goes on where control mostly went, and ends where it never did or where it can go on in another, unless
    /// that is short. Null: nothing is known, and the unit goes on at fall-throughs.
    const Profile* profile = nullptr;

    bool stops_at(GuestAddr pc) const {
        return stops != nullptr && std::binary_search(stops->begin(), stops->end(), pc);
    }
};

struct Lifted {
    u32 instructions = 0;
    std::vector<CodeRange> ranges;  ///< every byte the unit depends on
    /// When the very first instruction cannot be fetched: the first byte that cannot, and why. Then there is
    /// no function.
    bool fetch_failed = false;
    Fault fault;
};

/// One guest instruction taken apart into what is common to many, its shape, and operands. Lifting instructions
/// of one shape makes IR that differs only where it names operands; a shape says, among the rest, which of the
/// registers are 0 or equal and whether the immediate is negative, 0 or positive. An immediate that chooses what
/// is done rather than being a number is part of the shape.
struct ShapedInstruction {
    u64 shape = 0;         ///< not 0
    u8 length = 0;         ///< in bytes
    u8 registers[4] = {};  ///< numbers; of any kind, and 0 where there is none
    i64 immediate = 0;
};

/// Words of guest state (in 8-byte words of the context) that hold a constant at some point of a unit.
class KnownWords {
  public:
    static constexpr u32 count = 128;  ///< of words that can be known: the first ones

    void clear() { known_.reset(); }
    void set(u16 word, u64 value) {
        if (word >= count) return;
        known_.set(word);
        values_[word] = value;
    }
    void forget(u16 word) {
        if (word < count) known_.reset(word);
    }
    std::optional<u64> find(u16 word) const {
        if (word >= count || !known_.test(word)) return std::nullopt;
        return values_[word];
    }

  private:
    std::bitset<count> known_;
    u64 values_[count];
};

/// Where a unit goes on after an instruction.
struct LiftedOne {
    bool ends = false;  ///< it does not
    GuestAddr next;
};

/// One guest architecture's lifter. Stateless: any thread may call it.
class Frontend {
  public:
    virtual ~Frontend() = default;
    virtual const ir::Env& env() const = 0;
    /// Lifts the unit at `pc` into `f` (emptied first) and says in `result` (emptied first) what it covers. A
    /// unit is a tree: control leaves it or goes forward, and origins are numbered in execution order along
    /// each path. Illegal instructions become `trap.illegal`; a unit ends before an instruction that cannot
    /// be fetched.
    virtual void lift(ir::Function& f, GuestAddr pc, CodeSource& code, const LiftOptions& options,
                      Lifted& result) const = 0;
    /// Takes the instruction at the start of `code` apart; false when `code` is too short for it.
    virtual bool take_apart(std::span<const u8> code, ShapedInstruction& result) const = 0;
    /// An indirect jump whose target follows from what is known: what take_apart() gave, as an instruction with
    /// that target for its immediate. False for all else.
    virtual bool resolve_jump(ShapedInstruction& instruction, const KnownWords& known) const = 0;
    /// Lifts one instruction into `f` (emptied first) as lift() does, where it stands at `pc` behind `position`
    /// others of its unit. If it does not end its unit, the function ends by going on at LiftedOne::next.
    virtual LiftedOne lift_one(ir::Function& f, const ShapedInstruction& instruction, GuestAddr pc,
                               u32 position, const LiftOptions& options) const = 0;
    /// The instruction at the start of `code` as text, and its length in bytes (0: `code` is too short).
    virtual std::string disassemble(std::span<const u8> code, GuestAddr pc, u32& length) const = 0;
};

}  // namespace kiln::abi

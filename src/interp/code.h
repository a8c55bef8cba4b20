// Flattened code: what the interpreter runs. A unit is an array of cells; each cell names the function that
// executes it (direct threading) and its operands as words of the guest context, so that reading a guest
// register costs as much as reading a temporary.
//
// A word of the context holds a value so:
//   i1 ... i64   the bits, those above the type zero ("clean") or unspecified; readers of a width read that width
//   f64          the bits; ptr and boxed too
//   f16, f32     NaN-boxed in 64 bits; an operand that is not boxed reads as the canonical NaN
//   i128, v128   two words, low first
// State slots narrower than a word are as ir/env.h says: a float stands there without its box.
#pragma once

#include <memory>
#include <span>

#include "abi/context.h"
#include "interp/unit_memory.h"

namespace kiln::interp {

struct Code;

// Arguments in registers that no callee saves: a handler spills nothing around its tail call.
#define KILN_HANDLER_CALL __attribute__((preserve_none))

/// Executes `*ip` and what follows until the unit is left. `state` is the context, `memory` is
/// Context::memory.
using Handler = KILN_HANDLER_CALL abi::ExitReason (*)(const Code* ip, u8* state, u8* memory);

/// One step. Word operands count in 8-byte words from the start of the context. Which fields mean what is
/// said at the handlers.
struct Code {
    Handler run;
    u16 dst, a, b, c;
    u64 imm;
    u64 imm2;
};

/// A slot to set when the guest is observed at a fault.
struct FrameMove {
    u16 slot;  ///< word to set
    u16 from;  ///< word to copy, when `constant` is not used
    bool is_constant;
    u64 constant;
};

/// What a fault needs to know of a cell: Code::imm2 of every faulting cell points to one.
struct FaultSite {
    u64 pc;  ///< the guest instruction
    const FrameMove* moves;
    u64 side_exit;  ///< guards: the exit's number
    u16 move_count;
    u16 pc_slot;  ///< word of the pc slot
    u16 retired;  ///< guest instructions of the unit completed before this one
};

/// A unit in flattened form, in one piece of memory. Cells hold pointers into the unit: it does not move. The
/// first cell is not executed; it says where the unit stands in the guest: imm is its pc, b the word of the
/// pc slot. The handlers of the entry cell's other lives keep there what they need (handlers.h).
class Unit {
  public:
    /// A unit whose cells, sites and moves have no value yet.
    static std::unique_ptr<Unit> make(std::size_t cells, std::size_t sites, std::size_t moves);
    /// A unit with copies of these.
    static std::unique_ptr<Unit> make(std::span<const Code> cells, std::span<const FaultSite> sites,
                                      std::span<const FrameMove> moves);
    static void operator delete(void* memory) { give_unit_memory(memory); }

    std::span<Code> cells() { return {reinterpret_cast<Code*>(this + 1), cell_count_}; }
    std::span<FaultSite> sites() {
        return {reinterpret_cast<FaultSite*>(cells().data() + cell_count_), site_count_};
    }
    std::span<FrameMove> moves() {
        return {reinterpret_cast<FrameMove*>(sites().data() + site_count_), move_count_};
    }

    const Code* entry() const { return reinterpret_cast<const Code*>(this + 1) + 1; }
    /// Memory taken, in bytes.
    std::size_t bytes() const {
        return sizeof(Unit) + cell_count_ * sizeof(Code) + site_count_ * sizeof(FaultSite) +
               move_count_ * sizeof(FrameMove);
    }

  private:
    Unit(std::size_t cells, std::size_t sites, std::size_t moves)
        : cell_count_(cells), site_count_(sites), move_count_(moves) {}

    std::size_t cell_count_, site_count_, move_count_;
};
static_assert(sizeof(Unit) % alignof(Code) == 0 && alignof(Code) >= alignof(FaultSite) &&
              alignof(Code) >= alignof(FrameMove));

}  // namespace kiln::interp

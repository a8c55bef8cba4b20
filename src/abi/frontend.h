// The interface between a guest's lifter and whoever wants units: neither knows the other.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "abi/context.h"
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

/// A run of guest code bytes that a unit was made from.
struct CodeRange {
    GuestAddr begin;
    u32 bytes = 0;
};

struct LiftOptions {
    /// A unit ends after this many guest instructions. 1 gives single-instruction units.
    u32 max_instructions = 64;
    /// Whether lifting goes on past a conditional branch (at its fall-through) and through direct jumps.
    bool extend = true;
};

struct Lifted {
    u32 instructions = 0;
    std::vector<CodeRange> ranges;  ///< every byte the unit depends on
    /// When the very first instruction cannot be fetched: the first byte that cannot, and why. Then there is
    /// no function.
    bool fetch_failed = false;
    Fault fault;
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
    /// The instruction at the start of `code` as text, and its length in bytes (0: `code` is too short).
    virtual std::string disassemble(std::span<const u8> code, GuestAddr pc, u32& length) const = 0;
};

}  // namespace kiln::abi

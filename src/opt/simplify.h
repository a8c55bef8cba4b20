// Simplifying one pure value: constants and algebraic identities.
//
// Constants stand on the right where operands commute; `lt_u x, 1` becomes `eq x, 0`, multiplication and
// unsigned division by powers of two become shifts and masks: so equal values come to look equal.
// A rule that reaches through an operand to that operand's operands applies only when the instruction is the
// operand's single use: otherwise both would stay alive, and what the guest had in one register takes two.
// Conversions and tests of truth values are reached through all the same, for there the step itself goes
// away.
#pragma once

#include <vector>

#include "ir/function.h"

namespace kiln::opt {

class Simplifier {
  public:
    /// Counts uses. Works on one function at a time.
    void start(ir::Function& f);

    /// Simplifies the pure instruction `id`, whose operands are final. Gives the value that is to be used
    /// instead of it: another one, defined before, or `id` itself, possibly as another operation. May insert
    /// constants before it.
    ir::ValueId simplify(ir::ValueId id);

    /// Whether simplify() rewrote any instruction since start().
    bool changed() const { return changed_; }

    /// The constant that `v` is, if it is one.
    const u64* constant(ir::ValueId v) const {
        const ir::Inst& inst = (*f_)[v];
        return inst.op == ir::Op::iconst ? &inst.imm : nullptr;
    }
    bool is_constant(ir::ValueId v, u64 value) const {
        const u64* c = constant(v);
        return c && *c == value;
    }
    /// How many uses `v` had at start() or was given since; an upper bound.
    u32 uses(ir::ValueId v) const { return uses_[index(v)]; }
    /// Notes one more use of `v`.
    void add_use(ir::ValueId v) { ++uses_[index(v)]; }
    /// Notes that uses of `old` become uses of `replacement`.
    void transfer_uses(ir::ValueId old, ir::ValueId replacement) {
        uses_[index(replacement)] += uses_[index(old)];
    }

  private:
    ir::ValueId binary(ir::ValueId id);
    ir::ValueId binary_with_constant(ir::ValueId id, u64 c);
    ir::ValueId same_operands(ir::ValueId id);
    ir::ValueId shift(ir::ValueId id, u64 c);
    ir::ValueId compare(ir::ValueId id);
    ir::ValueId compare_with_constant(ir::ValueId id, u64 c);
    ir::ValueId select(ir::ValueId id);
    ir::ValueId convert(ir::ValueId id);

    bool single_use(ir::ValueId v) const { return uses(v) == 1; }
    /// Rewrites `id` to a constant of its result type.
    ir::ValueId to_constant(ir::ValueId id, u64 value);
    /// Rewrites `id` to another pure operation.
    ir::ValueId to(ir::ValueId id, ir::Op op, ir::Type type, ir::ValueId a, ir::ValueId b = ir::ValueId::none,
                   u8 attr0 = 0);
    /// A new constant before `before`.
    ir::ValueId new_constant(ir::ValueId before, ir::Type type, u64 value);
    /// `x` cut to `type`, simplified; a new value before `before` when it takes one.
    ir::ValueId new_trunc(ir::ValueId before, ir::Type type, ir::ValueId x);

    ir::Function* f_ = nullptr;
    std::vector<u32> uses_;
    bool changed_ = false;
};

}  // namespace kiln::opt

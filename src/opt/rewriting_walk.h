// The walk of the passes that replace values: over all instructions, each before those it dominates. A pass
// notes "use that instead of this", and an instruction's operands are rewritten when the walk gets there; so
// a replacement is final when it is noted, and one look-up resolves a use.
#pragma once

#include <vector>

#include "ir/function.h"
#include "opt/block_order.h"

namespace kiln::opt {

class RewritingWalk {
  public:
    /// Forgets all; for the blocks and values `f` has now, after dropping its unreachable blocks.
    void start(ir::Function& f) {
        f_ = &f;
        order_.compute(f);
        instead_.resize(f.value_count());
        for (u32 i = 0; i < instead_.size(); ++i) instead_[i] = ir::ValueId(i);
    }
    const BlockOrder& order() const { return order_; }

    /// Uses of `old` that the walk has yet to meet become uses of `replacement`; the instruction goes.
    void replace(ir::ValueId old, ir::ValueId replacement) {
        instead_[index(old)] = replacement;
        f_->remove(old);
    }

    /// Calls visit(ValueId, Inst&) for each instruction of one block, its operands rewritten. Blocks are to be
    /// taken in order().blocks()' order.
    template <class Visit>
    void block(ir::BlockId block, Visit&& visit) {
        f_->for_each(block, [&](ir::ValueId id, ir::Inst& inst) {
            // Values made after start() stand for themselves.
            f_->for_each_use(
                inst, [&](ir::ValueId& v) { v = index(v) < instead_.size() ? instead_[index(v)] : v; });
            visit(id, inst);
        });
    }
    /// block() for every block.
    template <class Visit>
    void run(Visit&& visit) {
        for (ir::BlockId b : order_.blocks()) block(b, visit);
    }

  private:
    ir::Function* f_ = nullptr;
    BlockOrder order_;
    std::vector<ir::ValueId> instead_;  // value → what stands for it
};

}  // namespace kiln::opt

// The dominator tree of a function's blocks, by the iterative algorithm of Cooper, Harvey and Kennedy
// ("A Simple, Fast Dominance Algorithm", 2001).
#pragma once

#include <vector>

#include "ir/function.h"

namespace kiln::ir {

class Dominators {
  public:
    /// Computed once; valid while no block or edge changes.
    explicit Dominators(const Function& f);

    /// Whether a path from the entry leads to `block`.
    bool reachable(BlockId block) const { return order_[index(block)] != unreached; }
    /// The closest other block on every path to `block`; none for the entry and unreachable blocks.
    BlockId immediate(BlockId block) const { return immediate_[index(block)]; }
    /// Whether every path from the entry to `b` passes `a`; a block dominates itself. Both must be reachable.
    bool dominates(BlockId a, BlockId b) const;
    /// The reachable blocks, each before the blocks it dominates.
    const std::vector<BlockId>& reverse_postorder() const { return blocks_; }

  private:
    static constexpr u32 unreached = ~u32{0};

    std::vector<u32> order_;          // block → its place in blocks_
    std::vector<BlockId> blocks_;     // in reverse postorder
    std::vector<BlockId> immediate_;  // block → immediate dominator
};

}  // namespace kiln::ir

// The order in which passes walk blocks, and dominance, without allocating for the shape that lifters make: a
// tree whose edges go forward, so that the numbering itself is the order. Any other shape goes through
// ir::Dominators.
#pragma once

#include <vector>

#include "ir/dominators.h"

namespace kiln::opt {

class BlockOrder {
  public:
    /// For `f` as it is now, after dropping its unreachable blocks; valid while no block or edge is added.
    void compute(ir::Function& f);

    /// All blocks, each before those it dominates.
    std::span<const ir::BlockId> blocks() const { return blocks_; }
    /// Whether each block comes before its successors.
    bool forward() const { return forward_; }
    /// The only predecessor; none for the entry and for blocks with several edges into them. It comes earlier
    /// in blocks().
    ir::BlockId sole_predecessor(ir::BlockId block) const { return sole_predecessor_[index(block)]; }
    /// Whether every path from the entry to `b` passes `a`.
    bool dominates(ir::BlockId a, ir::BlockId b) const {
        while (place_[index(b)] > place_[index(a)]) b = immediate_[index(b)];
        return a == b;
    }

  private:
    bool is_tree(const ir::Function& f);
    void general(const ir::Function& f);

    std::vector<ir::BlockId> blocks_, sole_predecessor_, immediate_;
    std::vector<u32> place_;  // block → its index in blocks_
    bool forward_ = false;
};

}  // namespace kiln::opt

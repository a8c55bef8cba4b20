#include "ir/dominators.h"

#include <algorithm>

namespace kiln::ir {
namespace {

std::vector<BlockId> postorder(const Function& f) {
    std::vector<BlockId> result;
    std::vector<bool> seen(f.block_count());
    struct Visit {
        BlockId block;
        unsigned next_edge;
    };
    std::vector<Visit> stack{{BlockId(0), 0}};
    seen[0] = true;
    while (!stack.empty()) {
        Visit& top = stack.back();
        const auto edges = f.edges_of(f[f[top.block].last]);
        if (top.next_edge == edges.size()) {
            result.push_back(top.block);
            stack.pop_back();
            continue;
        }
        const BlockId target = f[edges[top.next_edge++]].target;
        if (!seen[index(target)]) {
            seen[index(target)] = true;
            stack.push_back({target, 0});
        }
    }
    return result;
}

}  // namespace

Dominators::Dominators(const Function& f)
    : order_(f.block_count(), unreached), blocks_(postorder(f)), immediate_(f.block_count(), BlockId::none) {
    std::reverse(blocks_.begin(), blocks_.end());
    for (u32 i = 0; i < blocks_.size(); ++i) order_[index(blocks_[i])] = i;

    std::vector<std::vector<BlockId>> predecessors(f.block_count());
    for (BlockId b : blocks_)
        for (EdgeId e : f.edges_of(f[f[b].last])) predecessors[index(f[e].target)].push_back(b);

    const BlockId entry = blocks_.front();
    immediate_[index(entry)] = entry;
    for (bool changed = true; changed;) {
        changed = false;
        for (BlockId b : blocks_) {
            if (b == entry) continue;
            BlockId best = BlockId::none;
            for (BlockId p : predecessors[index(b)]) {
                if (immediate_[index(p)] == BlockId::none) continue;
                if (best == BlockId::none) {
                    best = p;
                    continue;
                }
                BlockId a = p;  // walk both up to where they meet
                while (a != best) {
                    while (order_[index(a)] > order_[index(best)]) a = immediate_[index(a)];
                    while (order_[index(best)] > order_[index(a)]) best = immediate_[index(best)];
                }
            }
            changed |= immediate_[index(b)] != best;
            immediate_[index(b)] = best;
        }
    }
    immediate_[index(entry)] = BlockId::none;
}

bool Dominators::dominates(BlockId a, BlockId b) const {
    while (order_[index(b)] > order_[index(a)]) b = immediate_[index(b)];
    return a == b;
}

}  // namespace kiln::ir

#include "opt/block_order.h"

#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

void BlockOrder::compute(Function& f) {
    if (is_tree(f)) return;
    unreachable_blocks(f);
    if (!is_tree(f)) general(f);
}

bool BlockOrder::is_tree(const Function& f) {
    const u32 count = f.block_count();
    blocks_.resize(count);
    place_.resize(count);
    sole_predecessor_.assign(count, BlockId::none);
    for (u32 b = 0; b < count; ++b) {
        // Predecessors come earlier, so a reachable block has met its own by now.
        if (b != 0 && sole_predecessor_[b] == BlockId::none) return false;
        blocks_[b] = BlockId(b);
        place_[b] = b;
        for (EdgeId e : f.edges_of(f[f[BlockId(b)].last])) {
            const u32 target = index(f[e].target);
            if (target <= b || sole_predecessor_[target] != BlockId::none) return false;
            sole_predecessor_[target] = BlockId(b);
        }
    }
    immediate_ = sole_predecessor_;
    forward_ = true;
    return true;
}

void BlockOrder::general(const Function& f) {
    const Dominators dominators(f);
    blocks_ = dominators.reverse_postorder();
    const u32 count = f.block_count();
    place_.resize(count);
    immediate_.resize(count);
    for (u32 i = 0; i < count; ++i) {
        place_[index(blocks_[i])] = i;
        immediate_[i] = dominators.immediate(BlockId(i));
    }
    std::vector<u32> edges_into(count);
    forward_ = true;
    sole_predecessor_.assign(count, BlockId::none);
    for (BlockId b : blocks_) {
        for (EdgeId e : f.edges_of(f[f[b].last])) {
            const u32 target = index(f[e].target);
            sole_predecessor_[target] = ++edges_into[target] == 1 ? b : BlockId::none;
            if (place_[target] <= place_[index(b)]) forward_ = false;
        }
    }
}

}  // namespace kiln::opt

// Drops the blocks that no path from the entry reaches; folding a branch on a constant leaves such blocks.
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

bool unreachable_blocks(Function& f) {
    thread_local std::vector<u8> keep;
    thread_local std::vector<BlockId> work;
    keep.assign(f.block_count(), 0);
    keep[0] = 1;
    work.assign(1, BlockId(0));
    u32 kept = 1;
    while (!work.empty()) {
        const BlockId b = work.back();
        work.pop_back();
        for (EdgeId e : f.edges_of(f[f[b].last])) {
            const BlockId target = f[e].target;
            if (keep[index(target)]) continue;
            keep[index(target)] = 1;
            ++kept;
            work.push_back(target);
        }
    }
    if (kept == f.block_count()) return false;
    f.keep_blocks(keep);
    return true;
}

}  // namespace kiln::opt

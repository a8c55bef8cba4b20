#include "ir/loops.h"

#include <algorithm>

namespace kiln::ir {
namespace {

/// Finds them, header by header.
class LoopFinder {
  public:
    LoopFinder(const Function& f, const Dominators& dominators)
        : dominators_(dominators), predecessors_(f.block_count()) {
        for (BlockId b : dominators.reverse_postorder())
            for (EdgeId e : f.edges_of(f[f[b].last])) predecessors_[index(f[e].target)].push_back(b);
    }

    std::vector<Loop> find() {
        for (BlockId header : dominators_.reverse_postorder()) add_loops_of(header);
        return std::move(found_);
    }

  private:
    void add_loops_of(BlockId header) {
        std::vector<Loop> loops;
        for (BlockId from : predecessors_[index(header)])
            if (dominators_.dominates(header, from)) loops.push_back(loop_of(header, from));
        std::ranges::sort(loops, {}, &Loop::size);
        for (std::size_t i = 0; i < loops.size(); ++i) {
            const bool is_last = i + 1 == loops.size();
            if (is_last || (loops[i].size < loops[i + 1].size && is_part(loops[i], loops[i + 1]))) {
                found_.push_back(std::move(loops[i]));
                continue;
            }
            Loop& next = loops[i + 1];
            next.latches.insert(next.latches.end(), loops[i].latches.begin(), loops[i].latches.end());
            for (u32 b = 0; b < predecessors_.size(); ++b)
                if (loops[i].blocks[b]) add(next, b);
        }
    }

    /// The blocks from which control can come to a way back without passing its header, and that.
    Loop loop_of(BlockId header, BlockId latch) {
        Loop loop{header, {latch}, std::vector<bool>(predecessors_.size())};
        add(loop, index(header));
        std::vector<BlockId> work{latch};
        while (!work.empty()) {
            const u32 b = index(work.back());
            work.pop_back();
            if (!add(loop, b)) continue;
            work.insert(work.end(), predecessors_[b].begin(), predecessors_[b].end());
        }
        return loop;
    }

    static bool add(Loop& loop, u32 block) {
        if (loop.blocks[block]) return false;
        loop.blocks[block] = true;
        ++loop.size;
        return true;
    }
    static bool is_part(const Loop& inner, const Loop& outer) {
        for (u32 b = 0; b < inner.blocks.size(); ++b)
            if (inner.blocks[b] && !outer.blocks[b]) return false;
        return true;
    }

    const Dominators& dominators_;
    std::vector<std::vector<BlockId>> predecessors_;
    std::vector<Loop> found_;
};

}  // namespace

std::vector<Loop> natural_loops(const Function& f, const Dominators& dominators) {
    return LoopFinder(f, dominators).find();
}

std::vector<u32> loop_depths(const Function& f, const Dominators& dominators) {
    std::vector<u32> depths(f.block_count(), 0);
    for (const Loop& loop : natural_loops(f, dominators))
        for (u32 b = 0; b < depths.size(); ++b) depths[b] += loop.blocks[b];
    return depths;
}

}  // namespace kiln::ir

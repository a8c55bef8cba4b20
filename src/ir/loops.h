// Natural loops: what a function repeats.
#pragma once

#include <vector>

#include "ir/dominators.h"

namespace kiln::ir {

/// All that can come to a way back to a header without passing that, and the header. Several ways back to one header are loops of
/// their own if what one goes through is part of what the next one does (the header of an inner loop that begins an outer one,
/// too), else one loop. What repeats without a header that dominates it is none.
struct Loop {
    BlockId header;
    std::vector<BlockId> latches;  ///< that end with a way back; twice if with two
    std::vector<bool> blocks;      ///< by index: whether it is one of them
    u32 size = 0;                  ///< how many of them are
};

/// A function's loops, those with one header in a row, from the innermost outwards.
std::vector<Loop> natural_loops(const Function& f, const Dominators& dominators);

/// By block: in how many loops it is; 0 if it is unreachable.
std::vector<u32> loop_depths(const Function& f, const Dominators& dominators);

}  // namespace kiln::ir

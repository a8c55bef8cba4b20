// Natural loops: what a function repeats.
#pragma once

#include <vector>

#include "ir/dominators.h"

namespace kiln::ir {

/// By block: in how many loops it is; 0 if it is unreachable. A loop is all that can come to a way back to a header without
/// passing that, and the header. Several ways back to one header are loops of their own if what one goes through is part
/// of what the next one does (the header of an inner loop that begins an outer one, too), else one loop. What repeats
/// without a header that dominates it is none.
std::vector<u32> loop_depths(const Function& f, const Dominators& dominators);

}  // namespace kiln::ir

// Makes a unit take from an access log what it reads (abi/replay.h).
#pragma once

#include "ir/function.h"

namespace kiln::run {

/// Sends each access of guest memory through the soft MMU, with a call of replay_access before it, and makes each call of
/// a helper whose result is logged such an access. The function stays well-formed.
void replay_accesses(ir::Function& f);

}  // namespace kiln::run

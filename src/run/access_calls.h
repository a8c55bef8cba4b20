// Calls before the accesses of a unit that is made to be looked at (run/watch.h, run/replay_accesses.h).
#pragma once

#include "ir/function.h"

namespace kiln::run {

/// An i64 constant, before `before`.
ir::ValueId constant_before(ir::Function& f, ir::ValueId before, u64 value);

/// Calls helper(address, what) before `access`, a load, a store or an atomic, of the address that it accesses.
void call_before_access(ir::Function& f, ir::ValueId access, ir::HelperId helper, u64 what);
/// The same with `address` for the address.
void call_before(ir::Function& f, ir::ValueId before, ir::HelperId helper, ir::ValueId address, u64 what);

}  // namespace kiln::run

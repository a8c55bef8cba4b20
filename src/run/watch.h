// Makes a unit report its accesses to watched data (abi/watch.h).
#pragma once

#include "ir/function.h"

namespace kiln::run {

/// Puts a call of watch_access before every access of guest memory. The function stays well-formed.
void watch_accesses(ir::Function& f);

}  // namespace kiln::run

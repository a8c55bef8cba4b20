// Processes of the host with a copy of this one's memory.
#pragma once

#include <linux/sched.h>

#include "base/types.h"

namespace kiln::user {

/// Whether only clone3(2) does what `args` say; sandboxes may lack it.
bool needs_clone3(const clone_args& args);

/// fork(2) with what `args` say of flags (none that share memory), the exit signal, a control group and chosen process
/// numbers (clone3(2)). The child can use the C library whatever this process's other threads were doing. The caller has
/// blocked all signals. The child's number, in the child 0; minus an errno.
i64 host_fork(clone_args args);

}  // namespace kiln::user

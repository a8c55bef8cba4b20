// The limits on memory of other guests: those that bind a guest and not its kiln (limits.h) are known to that kiln only.
// Each keeps a copy at a place that every process of the same kiln has, and reads the others' there.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>

#include "linux/limits.h"

namespace kiln::user {

/// Makes `limits` those that others see of this process. One thread at a time.
void show_limits(const MemoryLimits& limits);

/// A limit that MemoryLimits covers, of the guest `pid`. None if that is no guest of this kiln, or if this process may not
/// read its memory (ptrace(2), "access mode checking"): the host's answer is then as good as any.
std::optional<rlimit> limit_of_other(pid_t pid, int resource);

}  // namespace kiln::user

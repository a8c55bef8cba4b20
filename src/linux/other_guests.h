// What only another guest's kiln knows of it: its limits on memory, which bind the guest and not that kiln (limits.h), and
// which descriptors are that kiln's. Each keeps a copy at a place that every process of the same kiln has, and reads the
// others' there.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <optional>
#include <vector>

#include "linux/limits.h"

namespace kiln::user {

/// What others see of this process from now on. One thread at a time.
void show_limits(const MemoryLimits& limits);
void show_descriptors(const std::array<int, 3>& descriptors);

/// A limit that MemoryLimits covers, of the guest `pid`. None if that is no guest of this kiln, or if this process may not
/// read its memory (ptrace(2), "access mode checking"): the host's answer is then as good as any.
std::optional<rlimit> limit_of_other(pid_t pid, int resource);
/// The descriptors of the guest `pid` that are its kiln's; empty in the same cases.
std::vector<int> descriptors_of_other(pid_t pid);

}  // namespace kiln::user

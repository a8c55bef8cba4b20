// Lists of buffers in guest memory, as readv(2), sendmsg(2) and their kin take them.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "linux/thread.h"

namespace kiln::user {

/// The `count` buffers described at `guest` with host addresses; 0, or minus an errno: EINVAL for more than
/// the kernel takes, EFAULT for a list that cannot be read.
i64 load_buffers(const Thread& thread, u64 guest, u64 count, std::vector<iovec>& buffers);

}  // namespace kiln::user

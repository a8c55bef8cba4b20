// Lists of buffers in guest memory, as readv(2), sendmsg(2) and their kin take them.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "linux/thread.h"

namespace kiln::user {

/// A list of buffers for the kernel.
class Buffers {
  public:
    /// The `count` buffers described at `guest`.
    Buffers(const Thread& thread, u64 guest, u64 count);
    /// The list with host addresses; of a list that is too long or cannot be read, an address that the kernel refuses:
    /// what it says then, and after what, is its affair. The count goes to the kernel as the guest gave it.
    iovec* host() { return list_; }

  private:
    std::vector<iovec> buffers_;
    iovec* list_;
};

}  // namespace kiln::user

// Structures of the generic ABI that x86-64 lays out differently; struct stat is in guest_stat.h.
#pragma once

#include <sys/ipc.h>

#include "base/types.h"

namespace kiln::user {

/// struct semid64_ds (include/uapi/asm-generic/sembuf.h): x86-64's has words between the times.
struct GuestSemaphoreFacts {
    ipc_perm perm;
    i64 operation_time;
    i64 change_time;
    u64 semaphores;
    u64 unused[2];
};
static_assert(sizeof(ipc_perm) == 48 && sizeof(GuestSemaphoreFacts) == 88);

/// struct epoll_event: x86-64's is packed to 12 bytes.
struct GuestEpollEvent {
    u32 events;
    u32 padding;
    u64 data;
};
static_assert(sizeof(GuestEpollEvent) == 16);

}  // namespace kiln::user

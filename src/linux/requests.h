// What the requests of ioctl(2), fcntl(2), prctl(2), keyctl(2) and semctl(2) take: tables of requests, with the kinds of
// their arguments.
#pragma once

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>

#include <optional>

#include "linux/syscalls.h"

// What the C library's headers lack.
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

namespace kiln::user {

/// The kinds of the arguments behind a request: the first one's is at index 0. None: the tables do not have it.
std::optional<ArgList> ioctl_args(u32 request);
std::optional<ArgList> fcntl_args(int command);
std::optional<ArgList> prctl_args(int operation);
std::optional<ArgList> keyctl_args(int operation);
std::optional<ArgList> semctl_args(int command);

/// An argument of the kind for the host: its own value, or the host's address for a pointer.
u64 host_argument(const Thread& thread, ArgKind kind, u64 value);

}  // namespace kiln::user

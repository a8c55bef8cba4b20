// The alternate signal stack of a thread, as sigaltstack(2) and the kernel's choice of a frame's place see it.
// The thread keeps the flags that the guest gave; what the guest is told follows from its stack pointer.
#pragma once

#include <optional>

#include "linux/thread.h"

namespace kiln::user {

/// What sigaltstack(2) tells: with SS_ONSTACK while the thread is on it, with SS_DISABLE if there is none.
AltStack altstack_now(const Thread& thread);

/// Takes `wanted` as the thread's alternate stack: 0, or minus an errno as in sigaltstack(2).
i64 change_altstack(Thread& thread, const AltStack& wanted);

/// Below which address the frame for a handler with these SA_* flags belongs; none when the thread is on its
/// alternate stack and the frame would not fit there.
std::optional<GuestAddr> frame_top(const Thread& thread, u64 action_flags);

}  // namespace kiln::user

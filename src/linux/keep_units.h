// What was compiled for a guest program goes to the store when it ends, and from time to time before: in a process of its
// own, so that nobody waits.
#pragma once

#include "linux/thread.h"

namespace kiln::user {

/// What becomes of the process next.
enum class Next : u8 { it_ends, another_program, it_goes_on };

/// Starts a process that gives the store what it does not have, if there is enough of that. It shares nothing with the guest
/// that somebody could notice: no descriptor, no terminal, no mount, no child of the guest's. If this is process 1 of its
/// namespace, which takes all others with it when it ends, waits for that a moment.
void keep_units(Thread& thread, Next next);

/// Between two system calls: the same every RunRequest::save_every seconds, as long as units are made.
void keep_units_now_and_then(Thread& thread);

}  // namespace kiln::user

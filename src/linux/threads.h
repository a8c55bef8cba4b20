// The life of a guest thread: its run loop and its end.
#pragma once

#include "linux/thread.h"

namespace kiln::user {

/// Runs `thread` on the calling host thread until it calls exit(2).
void run_thread(Thread& thread);

/// exit_group(2): does not return.
[[noreturn]] void end_process(Thread& thread, int status);

}  // namespace kiln::user

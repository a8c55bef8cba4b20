// -strace: one line for each system call, as strace(1) writes it: name(arguments) = result.
#pragma once

#include <string>

#include "linux/syscalls.h"

namespace kiln::user {

/// Shows the call before it is made, when its arguments are still what the guest handed over. A call that waits
/// or ends the process has been announced then.
void trace_call_begin(Thread& thread, const Call& call);
/// Shows the result and what the kernel wrote.
void trace_call_end(Thread& thread, const Call& call, i64 result);
/// Shows that a signal is delivered to the guest: "--- SIGCHLD {...} ---".
void trace_signal(Thread& thread, int signal, const siginfo_t& info);

/// "EXIT_SUCCESS"-free pieces, for tests: one argument as text...
std::string format_argument(Thread& thread, const Call& call, unsigned index, i64 result);
/// ...and a result with the name and text of an error.
std::string format_result(const CallRow& row, i64 result);
/// "SIGCHLD", "SIGRT_1", or the number.
std::string signal_name(int signal);
/// The name of an errno ("ENOENT"), or its number.
std::string errno_name(int code);

}  // namespace kiln::user

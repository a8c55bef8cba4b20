// -strace: one line for each system call, as strace(1) writes it: name(arguments) = result.
#pragma once

#include <csignal>
#include <string>

#include "linux/syscalls.h"

namespace kiln::user {

/// The call with what its arguments are before it is made; what the kernel will write is left open. For
/// format_call() once there is a result.
std::string format_before(const Thread& thread, const Call& call);
/// The whole line, without its end.
std::string format_call(const Thread& thread, const Call& call, const std::string& before, i64 result);
/// One argument; `result` is the call's (it says how much of a buffer was filled).
std::string format_argument(const Thread& thread, const Call& call, unsigned index, i64 result);
/// A result, with the name and text of an error.
std::string format_result(const CallRow& row, i64 result);

/// Writes a line to the log, with the thread's id when there are several.
void trace_call(const Thread& thread, std::string_view line);
/// Says that a signal is delivered to the guest: "--- SIGCHLD {...} ---".
void trace_signal(const Thread& thread, int signal, const siginfo_t& info);

/// "SIGCHLD", "SIGRT_1", or the number.
std::string signal_name(int signal);
/// The name of an errno ("ENOENT"), or its number.
std::string errno_name(int code);

}  // namespace kiln::user

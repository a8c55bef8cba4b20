// Host system calls that never miss a signal: between looking for a captured signal and entering the kernel
// there is no gap. The stub checks the thread's flag and enters the kernel in a known range of instructions;
// a signal handler that finds its thread inside that range moves it to the stub's way out
// (leave_safe_syscall).
#pragma once

#include "linux/syscalls.h"
#include "linux/thread.h"

namespace kiln::user {

extern "C" i64 kiln_safe_syscall(const volatile int* captured, long number, u64 a, u64 b, u64 c, u64 d, u64 e,
                                 u64 f);

/// Makes a host system call for a guest's one. The result is the kernel's (minus an errno on failure), or
/// restart_always if a captured signal must be delivered first; then the call had no effect. EINTR is left to
/// the caller.
template <class... A>
i64 safe_syscall(Thread& thread, long number, A... args) {
    static_assert(sizeof...(A) <= 6);
    u64 words[6] = {(u64)args...};
    return kiln_safe_syscall(&thread.captured.signal, number, words[0], words[1], words[2], words[3],
                             words[4], words[5]);
}

/// The same for a call that may wait: if a signal that kiln has taken ended it, EINTR becomes
/// restart_without_handler. What the guest's SA_RESTART covers never gets that far, because the host's handler
/// has the flag when the guest's has it: then the kernel goes back to the stub's system call instruction, and
/// the result is restart_always. So which call restarts after which signal is the host kernel's decision.
template <class... A>
i64 waiting_syscall(Thread& thread, long number, A... args) {
    i64 result = safe_syscall(thread, number, args...);
    bool taken = thread.captured.signal != 0 || thread.held.set.bits != 0;
    return result == -4 /* EINTR */ && taken ? restart_without_handler : result;
}

/// For a signal handler: if the interrupted code at `host_pc` is in the stub and has not entered the kernel,
/// where it must continue instead; else `host_pc`.
u64 leave_safe_syscall(u64 host_pc);

/// A plain host system call with the kernel's own result convention, for calls that cannot wait.
i64 host_syscall(long number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0);

}  // namespace kiln::user

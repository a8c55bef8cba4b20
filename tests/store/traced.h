// Runs a function in a child process, and disturbs it at one of its system calls (ptrace(2)).
#pragma once

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "base/check.h"

namespace kiln::test {

enum class Disturbance {
    none,
    kill_before,  ///< SIGKILL instead of the call
    kill_behind,  ///< SIGKILL when it has been made
    fail,         ///< it is not made, and gives an errno
};

/// How many system calls the child made, up to the disturbance at call number `at` (from 0 on). The child ends by
/// _exit(act() ? 0 : 1); `succeeded` is whether it came to that with 0.
inline int run_disturbed(const std::function<bool()>& act, Disturbance what, int at, int error,
                         bool& succeeded) {
    const pid_t child = fork();
    KILN_CHECK(child >= 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        raise(SIGSTOP);
        _exit(act() ? 0 : 1);
    }
    int status = 0, calls = 0;
    bool entered = false, failing = false;
    KILN_CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    int signal = 0;
    for (;;) {
        ptrace(PTRACE_SYSCALL, child, nullptr, signal);
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) break;
        signal = 0;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
            signal = WSTOPSIG(status);
            continue;
        }
        entered = !entered;
        user_regs_struct registers;
        if (entered) {
            const bool now = calls++ == at;
            if (now && what == Disturbance::kill_before) kill(child, SIGKILL);
            if (now && what == Disturbance::fail) {
                ptrace(PTRACE_GETREGS, child, nullptr, &registers);
                registers.orig_rax = ~0ull;
                ptrace(PTRACE_SETREGS, child, nullptr, &registers);
                failing = true;
            }
        } else if (std::exchange(failing, false)) {
            ptrace(PTRACE_GETREGS, child, nullptr, &registers);
            registers.rax = static_cast<unsigned long long>(-error);
            ptrace(PTRACE_SETREGS, child, nullptr, &registers);
        } else if (what == Disturbance::kill_behind && calls - 1 == at) {
            kill(child, SIGKILL);
        }
    }
    succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return calls;
}

}  // namespace kiln::test

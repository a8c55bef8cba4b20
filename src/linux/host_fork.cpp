// Forks with flags. Among other threads only the C library's fork(3) leaves the child usable locks: it holds them all around
// its call of _Fork(3). The linker sends that call here (CMakeLists.txt), where it becomes the system call that is wanted.
//
// Sanitizers need a C library that is a shared object, whose inner calls cannot be sent elsewhere. There the system call is made
// without it: such a child may find a lock held that another thread held.
#include "linux/host_fork.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

/// What this thread's next _Fork() shall make; null: what it makes by itself.
thread_local clone_args* wanted = nullptr;

/// The system call. The word in the child's thread-local storage that holds its thread id is where the C library had
/// the kernel clear it.
i64 fork_by_call(clone_args& args) {
    u64 tid_word = 0;
    host_syscall(SYS_prctl, PR_GET_TID_ADDRESS, reinterpret_cast<u64>(&tid_word));
    if (tid_word != 0) args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    args.child_tid = tid_word;
    if (needs_clone3(args)) return host_syscall(SYS_clone3, reinterpret_cast<u64>(&args), sizeof args);
    return host_syscall(SYS_clone, args.flags | args.exit_signal, 0, 0, tid_word, 0);
}

}  // namespace

extern "C" {
pid_t __real__Fork();
pid_t __wrap__Fork() {
    clone_args* const args = std::exchange(wanted, nullptr);
    if (args == nullptr) return __real__Fork();
    const i64 result = fork_by_call(*args);
    if (result >= 0) return static_cast<pid_t>(result);
    errno = static_cast<int>(-result);
    return -1;
}
}

bool needs_clone3(const clone_args& args) {
    return (args.flags & (CLONE_NEWTIME | CLONE_INTO_CGROUP)) != 0 || args.set_tid_size != 0;
}

i64 host_fork(clone_args args) {
    const bool plain = args.flags == 0 && args.exit_signal == SIGCHLD && !needs_clone3(args);
#if defined(KILN_SHARED_C_LIBRARY)
    if (!plain) return fork_by_call(args);
#endif
    if (!plain) wanted = &args;
    const pid_t child = ::fork();
    return child < 0 ? -errno : child;
}

}  // namespace kiln::user

// Robust futexes (Documentation/locking/robust-futex-ABI.rst): the locks that a thread holds when it ends are marked
// and their waiters woken. The kernel does that for host threads, but only where guest pointers are host pointers, and
// only after it is known that the thread has ended; so kiln does it itself for threads that end by exit(2), and for all
// threads of a process whose guest addresses are not the host's.
#pragma once

#include <map>
#include <mutex>

#include "base/types.h"

#include <sys/types.h>

namespace kiln::user {

class Process;
class Thread;

/// The heads of the lists of a process whose guest addresses are not the host's, by thread id.
class RobustLists {
  public:
    /// No list: GuestAddr(0).
    void set(pid_t tid, GuestAddr head);
    /// Releases what every thread still holds: the process ends.
    void release_all(Process& process);
    /// In the child of a fork: a new thread has no list.
    void clear() { heads_.clear(); }
    /// Keeps every other thread out while held: held over fork, the child's copy is whole and usable.
    [[nodiscard]] std::unique_lock<std::mutex> freeze() { return std::unique_lock(mutex_); }

  private:
    std::mutex mutex_;
    std::map<pid_t, GuestAddr> heads_;
};

/// Releases what the thread, which ends, still holds.
void release_robust_locks(Thread& thread);

/// Releases what the thread's process still holds as far as the kernel can not do it: the process ends.
void release_robust_locks_of_process(Thread& thread);

}  // namespace kiln::user

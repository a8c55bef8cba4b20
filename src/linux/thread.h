// One guest thread: it lives on one host thread with the same thread id, the same signal mask and the same
// place in its process, so that the kernel itself does the scheduling, the waiting and the choosing of
// signals.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <memory>
#include <optional>

#include "linux/arch.h"
#include "linux/limits.h"
#include "linux/signal_types.h"
#include "run/engine.h"

namespace kiln::user {

class Process;
class SignalTable;
struct DebuggedThread;
struct ExecWork;

/// The signal that this thread's host handler has taken from the kernel and the guest has not seen yet. There
/// is at most one: from its capture to its delivery the host blocks all others, and the kernel keeps them in
/// order.
struct CapturedSignal {
    /// Not 0: `info` holds this signal, which may be a debugger's kick (debuggee.h). The safe system call stub reads it.
    volatile int signal = 0;
    siginfo_t info;
};

/// SIGSEGV and SIGBUS sent by somebody while the guest blocks them. The host may not block those two, because
/// faults of guest accesses arrive as them.
struct HeldSignals {
    SignalMask set;
    siginfo_t segv;
    siginfo_t bus;
};

class Thread {
  public:
    /// `context` comes from process.arch.new_state() and is owned from here on. To be called on the thread's
    /// own host thread.
    Thread(Process& process, SignalTable& signals, abi::Context* context);
    ~Thread();
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    /// The guest thread of the calling host thread; null on a host thread that runs none.
    static Thread* current();
    static void set_current(Thread* thread);

    Process& process;
    /// The process's table, but a child of vfork(2) has its own.
    SignalTable* signals;
    abi::Context& context;
    std::unique_ptr<run::Engine::Thread> engine_thread;
    pid_t tid;

    SignalMask mask;
    /// Set by the calls that swap the mask while they wait: what a signal frame, or the end of the call,
    /// restores.
    SignalMask mask_to_restore;
    bool restore_mask = false;
    AltStack altstack;
    CapturedSignal captured;
    HeldSignals held;

    /// Not 0 from a system call that a signal interrupted until deliver_signals() settles it: its restart
    /// code.
    i64 interrupted_call = 0;

    GuestAddr clear_child_tid;
    GuestAddr robust_list;

    /// A child of vfork(2), which runs in its parent's memory while the parent waits.
    bool shares_parent_memory = false;
    /// That child's own; all other threads have the process's.
    std::optional<MemoryLimits> own_limits;
    /// The limits on memory that hold for this thread.
    MemoryLimits memory_limits() const;

    /// What a debugger knows of the thread; null: nobody debugs it.
    DebuggedThread* debugged = nullptr;

    /// Of the latest execve(2).
    std::unique_ptr<ExecWork> exec_work;

    /// Set by exit(2): the run loop ends this thread.
    bool exiting = false;
    int exit_status = 0;
};

}  // namespace kiln::user

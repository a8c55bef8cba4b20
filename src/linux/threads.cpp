#include "linux/threads.h"

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "linux/debuggee.h"
#include "linux/exec.h"
#include "linux/guest_memory.h"
#include "linux/keep_units.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"

namespace kiln::user {
namespace {

// The initial-exec model: a signal handler reads it.
[[gnu::tls_model("initial-exec")]] thread_local Thread* current_thread = nullptr;

/// A failed guest access as the signal that the kernel would send for it.
void raise_fault(Thread& thread, const abi::Fault& fault) {
    switch (fault.kind) {
        case abi::FaultKind::unmapped: {
            const u64 most = thread.memory_limits().get(RLIMIT_STACK).rlim_cur;
            if (thread.process.memory.grow_down(fault.address, most)) return;
            return force_fault(thread, SIGSEGV, SEGV_MAPERR, fault.address);
        }
        case abi::FaultKind::protected_: return force_fault(thread, SIGSEGV, SEGV_ACCERR, fault.address);
        case abi::FaultKind::bus: return force_fault(thread, SIGBUS, BUS_ADRERR, fault.address);
        // An atomic access that the kernel can not do by parts: it gives the instruction's address.
        case abi::FaultKind::misaligned:
            return force_fault(thread, SIGBUS, BUS_ADRALN, thread.process.arch.pc(thread.context));
    }
}

/// What the kernel does for set_tid_address(2) when a thread ends.
void announce_end(Thread& thread) {
    if (thread.clear_child_tid.raw == 0) return;
    u32 zero = 0;
    if (!store(thread, thread.clear_child_tid.raw, zero)) return;
    host_syscall(SYS_futex, reinterpret_cast<u64>(host_pointer(thread, thread.clear_child_tid.raw)),
                 FUTEX_WAKE, 1);
}

}  // namespace

Thread::Thread(Process& in_process, SignalTable& table, abi::Context* state)
    : process(in_process),
      signals(&table),
      context(*state),
      engine_thread(in_process.engine.attach(*state)),
      tid(static_cast<pid_t>(host_syscall(SYS_gettid))) {}

Thread::~Thread() {
    engine_thread.reset();
    process.arch.delete_state(&context);
}

MemoryLimits Thread::memory_limits() const {
    if (own_limits) return *own_limits;
    std::scoped_lock lock(process.limits_mutex);
    return process.limits;
}

Thread* Thread::current() { return current_thread; }
void Thread::set_current(Thread* thread) { current_thread = thread; }

void run_thread(Thread& thread) {
    Process& process = thread.process;
    while (!thread.exiting) {
        DebuggedProcess* const debugged = process.debugged;
        switch (debugged != nullptr ? debugged->run(thread) : process.engine.run(*thread.engine_thread)) {
            case abi::ExitReason::syscall:
                debugged != nullptr ? debugged->make_call(thread) : make_call(thread);
                break;
            case abi::ExitReason::fault:
            case abi::ExitReason::fetch_fault: raise_fault(thread, thread.context.fault); break;
            case abi::ExitReason::illegal:
            case abi::ExitReason::side_exit:
            case abi::ExitReason::tier_down:
                force_fault(thread, SIGILL, ILL_ILLOPC, process.arch.pc(thread.context));
                break;
            case abi::ExitReason::breakpoint:
                force_fault(thread, SIGTRAP, TRAP_BRKPT, process.arch.pc(thread.context));
                break;
            case abi::ExitReason::poll:
            case abi::ExitReason::lookup:
            case abi::ExitReason::sync_code: break;
        }
        if (thread.captured.signal != 0 || thread.interrupted_call != 0) deliver_signals(thread);
    }
    release_robust_locks(thread);
    announce_end(thread);
}

void end_process(Thread& thread, int status) {
    const RunRequest& request = thread.process.request;
    if (thread.debugged != nullptr) thread.process.debugged->report_end(thread, status);
    release_robust_locks_of_process(thread);
    if (request.at_exit != nullptr && !thread.shares_parent_memory) request.at_exit(thread.process);
    keep_units(thread, Next::it_ends);
    for (;;) host_syscall(SYS_exit_group, static_cast<u64>(status));
}

i64 calls::exit(Thread& thread, const Call& call) {
    // A signal for the whole process that this thread has captured is delivered first; from here on the
    // kernel gives them to other threads.
    SignalMask all{~u64{0}};
    if (i64 result = safe_syscall(thread, SYS_rt_sigprocmask, SIG_BLOCK, &all, nullptr, sizeof all);
        result != 0)
        return result;
    thread.exiting = true;
    thread.exit_status = call.word(0) & 0xff;
    return registers_set;
}

i64 calls::exit_group(Thread& thread, const Call& call) { end_process(thread, call.word(0) & 0xff); }

}  // namespace kiln::user

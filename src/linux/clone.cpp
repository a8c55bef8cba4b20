// New threads and processes: clone(2) and clone3(2).
//
//   CLONE_THREAD          a host thread with a copy of the guest's registers
//   neither               fork: the child has this one thread and a copy of everything
//   CLONE_VM|CLONE_VFORK  vfork: a host process in the same memory, on a stack of its own, with its own table
//   of
//                         signal actions; this thread sleeps in the kernel until the child runs a program or
//                         ends, so the two can share thread-local storage
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"
#include "linux/debuggee.h"
#include "linux/guest_memory.h"
#include "linux/host_fork.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"
#include "linux/threads.h"

namespace kiln::user {
namespace {

constexpr u64 thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
/// Flags that change nothing here, or that the rest of this file looks at.
constexpr u64 thread_options = CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |
                               CLONE_CHILD_SETTID | CLONE_DETACHED | CLONE_IO | CLONE_PTRACE | CLONE_UNTRACED;
constexpr u64 process_options = CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_PTRACE | CLONE_UNTRACED |
                                CLONE_PIDFD | CLONE_CLEAR_SIGHAND;

/// What the host does for a new process.
constexpr u64 host_options = CLONE_FS | CLONE_FILES | CLONE_IO | CLONE_SYSVSEM | CLONE_PARENT | CLONE_NEWNS |
                             CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                             CLONE_NEWNET | CLONE_NEWTIME | CLONE_INTO_CGROUP;

constexpr std::size_t host_stack_bytes = 512 << 10;

struct Request {
    u64 flags = 0;  ///< without the exit signal
    int exit_signal = 0;
    GuestAddr stack_top;  ///< 0: the caller's
    GuestAddr parent_tid, child_tid, tls, pidfd;
    u64 cgroup = 0;                  ///< with CLONE_INTO_CGROUP: a descriptor
    std::vector<pid_t> wanted_tids;  ///< the child's, in its innermost process namespace first

    /// What the host is asked for, with `more` flags.
    clone_args host_args(u64 more) const {
        clone_args args{};
        args.flags = (flags & host_options) | more;
        args.exit_signal = static_cast<u64>(exit_signal);
        args.cgroup = cgroup;
        args.set_tid = wanted_tids.empty() ? 0 : reinterpret_cast<u64>(wanted_tids.data());
        args.set_tid_size = wanted_tids.size();
        return args;
    }
};

/// The new thread's registers: a copy of its creator's, behind the system call, with result 0.
abi::Context* child_state(const Thread& parent, const Request& request) {
    const Arch& arch = parent.process.arch;
    abi::Context* state = arch.new_state();
    arch.copy_state(*state, parent.context);
    arch.set_call_result(*state, 0);
    if (request.stack_top.raw != 0) arch.set_stack_pointer(*state, request.stack_top);
    if (request.flags & CLONE_SETTLS) arch.set_tls(*state, request.tls);
    return state;
}

/// The part of the new thread's start that it does itself.
void begin_life(Thread& thread, const Request& request) {
    if (request.flags & CLONE_CHILD_SETTID)
        store(thread, request.child_tid.raw, static_cast<u32>(thread.tid));
    if (request.flags & CLONE_CHILD_CLEARTID) thread.clear_child_tid = request.child_tid;
}

// ---- Threads ----

struct ThreadStart {
    const Request& request;
    Thread& parent;
    abi::Context* state;
    sem_t started;
    pid_t tid = 0;
};

void* thread_main(void* argument) {
    auto& start = *static_cast<ThreadStart*>(argument);
    Process& process = start.parent.process;
    // Nothing is captured before there is a Thread, and nothing of what the guest blocks may come. The C library has
    // unblocked a signal that it keeps for itself: nobody knows yet where to send that.
    SignalMask all{~u64{0}};
    host_syscall(SYS_rt_sigprocmask, SIG_BLOCK, reinterpret_cast<u64>(&all), 0, sizeof all);
    HostSignalStack signal_stack;
    {
        Thread thread(process, *start.parent.signals, start.state);
        Thread::set_current(&thread);
        thread.mask = start.parent.mask;
        begin_life(thread, start.request);
        if (start.parent.debugged != nullptr) process.debugged->enter(thread);
        if (start.request.flags & CLONE_PARENT_SETTID)
            store(thread, start.request.parent_tid.raw, static_cast<u32>(thread.tid));
        start.tid = thread.tid;
        sem_post(&start.started);
        // From here on `start` is gone.
        apply_mask(thread);
        run_thread(thread);
        if (thread.debugged != nullptr) process.debugged->leave(thread);
        host_syscall(SYS_rt_sigprocmask, SIG_BLOCK, reinterpret_cast<u64>(&all), 0, sizeof all);
        Thread::set_current(nullptr);
    }
    if (process.threads.fetch_sub(1) == 1 && process.request.at_exit != nullptr)
        process.request.at_exit(process);
    return nullptr;
}

i64 new_thread(Thread& parent, const Request& request) {
    if ((request.flags & thread_flags) != thread_flags || request.flags & ~(thread_flags | thread_options) ||
        !request.wanted_tids.empty())
        return -EINVAL;
    ThreadStart start{request, parent, child_state(parent, request), {}};
    sem_init(&start.started, 0, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, host_stack_bytes);
    parent.process.threads.fetch_add(1);
    count(Counter::guest_threads);
    pthread_t handle;
    int error;
    {
        SignalsBlocked blocked;
        error = pthread_create(&handle, &attributes, thread_main, &start);
        parent.signals->take_back();
    }
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        parent.process.threads.fetch_sub(1);
        parent.process.arch.delete_state(start.state);
        return -EAGAIN;
    }
    while (sem_wait(&start.started) != 0) {
    }
    return start.tid;
}

// ---- Processes ----

/// Opens a descriptor for the child where CLONE_PIDFD asks for it.
void announce_child(Thread& parent, const Request& request, pid_t child) {
    if (request.flags & CLONE_PARENT_SETTID) store(parent, request.parent_tid.raw, static_cast<u32>(child));
    if (request.flags & CLONE_PIDFD) {
        i64 fd = host_syscall(SYS_pidfd_open, static_cast<u64>(child));
        if (fd >= 0) host_syscall(SYS_fcntl, static_cast<u64>(fd), F_SETFD, FD_CLOEXEC);
        store(parent, request.pidfd.raw, static_cast<u32>(fd));
    }
}

void clear_handlers(SignalTable& signals) {
    for (int signal = 1; signal <= signal_count; ++signal)
        if (signals.get(signal).handler > 1) signals.set(signal, SignalAction{});
}

/// `told_as`: to a debugger.
i64 fork_process(Thread& parent, const Request& request, run::StopKind told_as) {
    Process& process = parent.process;
    i64 child;
    {
        // No other thread is in the middle of a change that the child would see half of. The limits first: whoever
        // changes them goes on to the address space with their lock held.
        std::scoped_lock limits(process.limits_mutex);
        auto engine = process.engine.freeze();
        auto memory = process.memory.freeze();
        auto signals = parent.signals->freeze();
        auto robust = process.robust_lists.freeze();
        std::unique_lock<std::mutex> debugged;
        if (process.debugged != nullptr) debugged = process.debugged->freeze();
        SignalsBlocked blocked;
        if (!process.engine.before_fork()) return -ENOMEM;
        child = host_fork(request.host_args(0));
        process.engine.after_fork(child == 0);
    }
    if (child < 0) return child;
    if (child > 0) {
        announce_child(parent, request, static_cast<pid_t>(child));
        if (parent.debugged != nullptr)
            process.debugged->after_fork_in_parent(parent, static_cast<pid_t>(child), told_as);
        return child;
    }
    Thread& thread = parent;
    thread.tid = static_cast<pid_t>(host_syscall(SYS_gettid));
    process.threads = 1;
    process.engine.after_fork_in_child(*thread.engine_thread);
    process.memory.after_fork_in_child();
    thread.robust_list = thread.clear_child_tid = GuestAddr(0);
    process.robust_lists.clear();
    if (request.stack_top.raw != 0) process.arch.set_stack_pointer(thread.context, request.stack_top);
    if (request.flags & CLONE_SETTLS) process.arch.set_tls(thread.context, request.tls);
    if (request.flags & CLONE_CLEAR_SIGHAND) clear_handlers(*thread.signals);
    begin_life(thread, request);
    if (process.debugged != nullptr) process.debugged->after_fork_in_child(thread, told_as);
    return 0;
}

struct VforkStart {
    const Request& request;
    Thread& parent;
    SignalTable signals;
    MemoryLimits limits;
    std::unique_ptr<Thread> thread;
};

int vfork_main(void* argument) {
    auto& start = *static_cast<VforkStart*>(argument);
    Thread& parent = start.parent;
    start.thread =
        std::make_unique<Thread>(parent.process, start.signals, child_state(parent, start.request));
    Thread& thread = *start.thread;
    thread.shares_parent_memory = true;
    thread.own_limits = start.limits;
    thread.mask = parent.mask;
    thread.altstack = parent.altstack;
    Thread::set_current(&thread);
    if (start.request.flags & CLONE_CLEAR_SIGHAND) clear_handlers(start.signals);
    begin_life(thread, start.request);
    apply_mask(thread);
    run_thread(thread);
    end_process(thread, thread.exit_status);
}

#if !defined(__x86_64__)
#error "how does a new process begin on a stack of its own here?"
#endif
/// clone3(2) of a process in this one's memory, which calls `main` on the stack that `args` say; 0: never here.
i64 clone3_on_stack(const clone_args& args, int (*main)(void*), void* argument) {
    i64 result;
    asm volatile(
        "syscall\n"
        "test %%rax, %%rax\n"
        "jnz 1f\n"
        "xor %%ebp, %%ebp\n"
        "mov %[argument], %%rdi\n"
        "call *%[main]\n"
        "hlt\n"
        "1:"
        : "=a"(result)
        : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), [main] "r"(main), [argument] "r"(argument)
        : "rcx", "r11", "memory");
    return result;
}

i64 vfork_process(Thread& parent, const Request& request) {
    void* stack = ::mmap(nullptr, host_stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return -ENOMEM;
    VforkStart start{request, parent, SignalTable(*parent.signals), parent.memory_limits(), nullptr};
    i64 child;
    {
        SignalsBlocked blocked;
        clone_args args = request.host_args(CLONE_VM | CLONE_VFORK);
        if (needs_clone3(args)) {
            args.stack = reinterpret_cast<u64>(stack);
            args.stack_size = host_stack_bytes;
            child = clone3_on_stack(args, vfork_main, &start);
        } else {
            child = ::clone(vfork_main, static_cast<u8*>(stack) + host_stack_bytes,
                            static_cast<int>(args.flags | args.exit_signal), &start);
            if (child < 0) child = -errno;
        }
        Thread::set_current(&parent);
    }
    start.thread.reset();
    ::munmap(stack, host_stack_bytes);
    if (child > 0) announce_child(parent, request, static_cast<pid_t>(child));
    return child;
}

/// vfork(2) before a debugger that is told of it. It can go on with either of two processes only if each has a memory of
/// its own, so it is shown a copy. If it stays with the parent, the copy ends, and a child in the same memory is made after
/// all: posix_spawn(3) learns from that whether there was a program to run. The caller may see one SIGCHLD more.
i64 vfork_shown(Thread& parent, const Request& request, run::StopKind told_as) {
    Process& process = parent.process;
    DebuggedProcess& debugged = *process.debugged;
    Request copy = request;
    copy.flags &= ~u64{CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_PIDFD};
    const i64 child = fork_process(parent, copy, told_as);
    if (child < 0) return child;
    if (child == 0) {
        if (process.debugged == nullptr) ::_exit(0);  // nobody followed the copy
        return 0;
    }
    if (debugged.has_followed(child)) {
        announce_child(parent, request, static_cast<pid_t>(child));
        return child;
    }
    ::kill(static_cast<pid_t>(child), SIGKILL);  // if the debugger went on without saying anything of it
    while (::waitpid(static_cast<pid_t>(child), nullptr, __WALL) < 0 && errno == EINTR) continue;
    const i64 result = vfork_process(parent, request);
    if (told_as == run::StopKind::vfork) debugged.report_vfork_done(parent);
    return result;
}

i64 clone_by(Thread& thread, const Request& request) {
    if (request.flags & CLONE_THREAD) return new_thread(thread, request);
    // A child's end as SIGSEGV or SIGBUS has the si_code of a fault, which kiln could not tell from its own.
    if (request.exit_signal > signal_count || is_fault_signal(request.exit_signal)) return -EINVAL;
    if (request.flags & ~(process_options | host_options)) return -EINVAL;
    if (request.flags & CLONE_VM) {
        if (!(request.flags & CLONE_VFORK)) return -EINVAL;
        if (thread.debugged != nullptr)
            if (const auto told_as = thread.process.debugged->vfork_is_told_as())
                return vfork_shown(thread, request, *told_as);
        return vfork_process(thread, request);
    }
    return fork_process(thread, request, run::StopKind::fork);
}

}  // namespace

i64 calls::clone(Thread& thread, const Call& call) {
    // The generic order: flags, stack, parent's tid, tls, child's tid.
    Request request;
    request.flags = call[0] & 0xffffffff & ~u64{CSIGNAL};
    request.exit_signal = static_cast<int>(call[0] & CSIGNAL);
    request.stack_top = call.address(1);
    request.parent_tid = request.pidfd = call.address(2);
    request.tls = call.address(3);
    request.child_tid = call.address(4);
    if (request.flags & CLONE_PIDFD && request.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)) return -EINVAL;
    return clone_by(thread, request);
}

i64 calls::clone3(Thread& thread, const Call& call) {
    clone_args args;
    constexpr u64 first_version = 64;
    if (i64 error = load_extensible(thread, call[0], call[1], first_version, args); error < 0) return error;
    if ((args.stack == 0) != (args.stack_size == 0) || args.exit_signal > CSIGNAL) return -EINVAL;
    constexpr u64 most_namespaces = 32;  // a process's, each in the one before (pid_namespaces(7))
    if (args.set_tid_size > most_namespaces || (args.set_tid == 0) != (args.set_tid_size == 0))
        return -EINVAL;
    if (args.flags & ((CSIGNAL & ~CLONE_NEWTIME) | CLONE_DETACHED)) return -EINVAL;
    if (args.flags & (CLONE_THREAD | CLONE_PARENT) && args.exit_signal != 0) return -EINVAL;
    Request request;
    request.cgroup = args.flags & CLONE_INTO_CGROUP ? args.cgroup : 0;
    request.wanted_tids.resize(args.set_tid_size);
    if (!request.wanted_tids.empty() &&
        !thread.process.memory.read(GuestAddr(args.set_tid), request.wanted_tids.data(),
                                    request.wanted_tids.size() * sizeof(pid_t)))
        return -EFAULT;
    request.flags = args.flags;
    request.exit_signal = static_cast<int>(args.exit_signal);
    request.stack_top = GuestAddr(args.stack + args.stack_size);
    request.parent_tid = GuestAddr(args.parent_tid);
    request.child_tid = GuestAddr(args.child_tid);
    request.tls = GuestAddr(args.tls);
    request.pidfd = GuestAddr(args.pidfd);
    return clone_by(thread, request);
}

}  // namespace kiln::user

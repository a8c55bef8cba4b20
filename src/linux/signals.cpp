// Capture, delivery and death by signal. The law: between capture and delivery the host blocks everything but
// SIGSEGV and SIGBUS, so `captured` is written by one handler run and read by the thread itself.
#include "linux/signals.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstring>

#include "base/counters.h"
#include "linux/altstack.h"
#include "linux/debuggee.h"
#include "linux/guest_memory.h"
#include "linux/keep_units.h"
#include "linux/safe_syscall.h"
#include "linux/strace.h"
#include "mem/fault.h"
#include "run/compiled_units.h"

namespace kiln::user {
namespace {

constexpr SignalMask fault_signals{SignalMask::of(SIGSEGV).bits | SignalMask::of(SIGBUS).bits};
constexpr SignalMask unblockable{SignalMask::of(SIGKILL).bits | SignalMask::of(SIGSTOP).bits};

/// The codes of signals that were sent are small negative numbers; a disguised one is far below them.
bool is_disguised(i32 si_code) { return si_code < -(1 << 30); }

/// `ucontext`: the signal handler's; null outside one.
void capture(Thread& thread, int signal, const siginfo_t& info, void* ucontext) {
    thread.captured.info = info;
    thread.captured.signal = signal;
    if (ucontext != nullptr)
        run::CompiledUnits::request_attention(thread.context, ucontext);
    else
        abi::request_attention(thread.context);
}

void hold(Thread& thread, int signal, const siginfo_t& info) {
    if (thread.held.set.has(signal)) return;
    (signal == SIGSEGV ? thread.held.segv : thread.held.bus) = info;
    thread.held.set = thread.held.set | SignalMask::of(signal);
}

/// What a signal handler returns to has everything blocked that may be.
void block_all(ucontext_t& machine) {
    SignalMask all = ~fault_signals;
    std::memcpy(&machine.uc_sigmask, &all, sizeof all);
}

/// With the host's signals blocked or the mask in flux nothing may be captured meanwhile: at borders only.
void release_held(Thread& thread) {
    if (thread.held.set.bits == 0) return;
    SignalsBlocked blocked;
    siginfo_t info;
    if (thread.captured.signal == 0 && take_held(thread, ~thread.mask, info))
        capture(thread, info.si_signo, info, nullptr);
}

/// Builds the frame and enters the handler; false when there is no stack for it.
bool enter_handler(Thread& thread, int signal, const siginfo_t& info, const SignalAction& action) {
    Process& process = thread.process;
    const std::optional<GuestAddr> top = frame_top(thread, action.flags);
    SignalMask before = thread.restore_mask ? thread.mask_to_restore : thread.mask;
    if (!top || !process.arch.push_signal_frame(thread.context, process.memory, *top, signal, info, action,
                                                process.program.signal_return, before, thread.altstack))
        return false;
    count(Counter::signals_delivered);
    thread.restore_mask = false;
    if (thread.altstack.flags & ss_autodisarm) thread.altstack = AltStack{};
    if (action.flags & SA_RESETHAND) thread.signals->set(signal, SignalAction{0, action.flags, action.mask});
    SignalMask mask = thread.mask | action.mask;
    if (!(action.flags & SA_NODEFER)) mask = mask | SignalMask::of(signal);
    set_mask(thread, mask);
    return true;
}

enum class HandlerRuns : bool { no, yes };

/// Decides what becomes of an interrupted call.
void settle_call(Thread& thread, HandlerRuns handler) {
    i64 code = std::exchange(thread.interrupted_call, 0);
    if (code == 0) return;
    const Arch& arch = thread.process.arch;
    if (handler == HandlerRuns::yes && code == restart_without_handler)
        arch.set_call_result(thread.context, -EINTR);
    else
        arch.rewind_call(thread.context);
}

/// What a signal is that a debugger sends, or has put in another's place.
siginfo_t plain_info(int signal) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = SI_USER;
    info.si_pid = getpid();
    info.si_uid = getuid();
    return info;
}

/// Asks the debugger, if there is one, what to deliver instead of what was captured; false: nothing.
bool choose_signal(Thread& thread, siginfo_t& info) {
    const bool kicked = is_kick(info);
    if (thread.debugged == nullptr) return !kicked;
    DebuggedProcess& debugged = *thread.process.debugged;
    const int chosen =
        kicked ? debugged.come_by(thread) : debugged.filter_signal(thread, info.si_signo, info);
    if (chosen != 0 && (kicked || chosen != info.si_signo)) info = plain_info(chosen);
    return chosen != 0;
}

void deliver(Thread& thread, const siginfo_t& info) {
    const int signal = info.si_signo;
    SignalAction action = thread.signals->get(signal);
    if (log_on(LogItem::strace)) trace_signal(thread, signal, info);
    if (action.handler == 1) return;
    if (action.handler == 0) {
        // The action changed after the host had chosen kiln's handler.
        switch (default_action(signal)) {
            case DefaultAction::terminate:
            case DefaultAction::core: die_by_signal(thread, signal);
            case DefaultAction::stop: ::kill(getpid(), SIGSTOP); return;
            case DefaultAction::ignore:
            case DefaultAction::resume: return;
        }
    }
    settle_call(thread, HandlerRuns::yes);
    if (!enter_handler(thread, signal, info, action)) {
        if (signal == SIGSEGV) die_by_signal(thread, SIGSEGV);
        force_fault(thread, SIGSEGV, SI_KERNEL, GuestAddr(0));
    }
}

}  // namespace

i32 disguised_code(i32 si_code) { return static_cast<i32>(static_cast<u32>(si_code) ^ u32{1} << 31); }

bool take_held(Thread& thread, SignalMask wanted, siginfo_t& info) {
    const SignalMask ready = thread.held.set & wanted;
    if (ready.bits == 0) return false;
    const int signal = ready.has(SIGSEGV) ? SIGSEGV : SIGBUS;
    info = signal == SIGSEGV ? thread.held.segv : thread.held.bus;
    thread.held.set = thread.held.set & ~SignalMask::of(signal);
    return true;
}

SignalMask host_mask(SignalMask mask) { return mask & ~fault_signals; }

void apply_mask(const Thread& thread) {
    SignalMask mask = host_mask(thread.mask);
    kiln_safe_syscall(&thread.captured.signal, SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&mask),
                      0, sizeof mask, 0, 0);
}

void set_mask(Thread& thread, SignalMask mask) {
    thread.mask = mask & ~unblockable;
    apply_mask(thread);
    release_held(thread);
}

void capture_signal(int signal, siginfo_t* info, void* ucontext) {
    int saved_errno = errno;
    auto* machine = static_cast<ucontext_t*>(ucontext);
    greg_t& pc = machine->uc_mcontext.gregs[REG_RIP];
    bool fault = fault_signals.has(signal);
    if (fault && info->si_code > 0) {
        if (!mem::recover_fault(signal, info, ucontext)) {
            // Kiln's own fault: the access is made again and ends the process where it happened.
            constexpr char text[] = "kiln: internal error: the engine itself made a bad memory access\n";
            (void)!::write(2, text, sizeof text - 1);
            ::signal(signal, SIG_DFL);
        }
    } else if (Thread* thread = Thread::current(); thread != nullptr) {
        if (is_kick(*info)) {
            // If something is captured already, the thread is on its way to its border.
            if (thread->captured.signal == 0) {
                capture(*thread, signal, *info, ucontext);
                block_all(*machine);
            }
        } else {
            siginfo_t sent = *info;
            if (is_disguised(sent.si_code)) sent.si_code = disguised_code(sent.si_code);
            if (fault && (thread->mask.has(signal) || thread->captured.signal != 0)) {
                hold(*thread, signal, sent);
            } else {
                capture(*thread, signal, sent, ucontext);
                block_all(*machine);
            }
        }
        pc = static_cast<greg_t>(leave_safe_syscall(static_cast<u64>(pc)));
    }
    errno = saved_errno;
}

void deliver_signals(Thread& thread) {
    while (thread.captured.signal != 0) {
        siginfo_t info = thread.captured.info;
        thread.captured.signal = 0;
        thread.context.attention = false;
        if (choose_signal(thread, info)) deliver(thread, info);
        // What was ignored has left the host's mask full.
        apply_mask(thread);
        release_held(thread);
    }
    settle_call(thread, HandlerRuns::no);
    if (thread.restore_mask) {
        thread.restore_mask = false;
        set_mask(thread, thread.mask_to_restore);
    }
}

void send_signal(Thread& thread, int signal) { deliver(thread, plain_info(signal)); }

void force_signal(Thread& thread, const siginfo_t& fault) {
    siginfo_t info = fault;
    if (!choose_signal(thread, info)) return;
    int signal = info.si_signo;
    SignalAction action = thread.signals->get(signal);
    if (log_on(LogItem::strace)) trace_signal(thread, signal, info);
    if (action.handler <= 1 || thread.mask.has(signal)) die_by_signal(thread, signal);
    if (enter_handler(thread, signal, info, action)) return;
    if (signal == SIGSEGV) die_by_signal(thread, SIGSEGV);
    force_fault(thread, SIGSEGV, SI_KERNEL, GuestAddr(0));
}

void force_fault(Thread& thread, int signal, int code, GuestAddr address) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = code;
    info.si_addr = reinterpret_cast<void*>(address.raw);
    force_signal(thread, info);
}

void die_by_signal(Thread& thread, int signal) {
    const RunRequest& request = thread.process.request;
    if (thread.debugged != nullptr) thread.process.debugged->report_death(thread, signal);
    rlimit core{};
    getrlimit(RLIMIT_CORE, &core);
    // Whoever allows no core expects a silent death: test programs that die on purpose look at their stderr. Linux
    // writes none that is shorter than a page.
    if (default_action(signal) == DefaultAction::core && core.rlim_cur >= mem::page_bytes) {
        std::string line = "kiln: uncaught target signal " + std::to_string(signal) + " (" +
                           strsignal(signal) + ") - core dumped\n";
        (void)!::write(2, line.data(), line.size());
        // A core of kiln itself would be of no use to the guest's owner.
        rlimit none{0, 0};
        setrlimit(RLIMIT_CORE, &none);
    }
    release_robust_locks_of_process(thread);
    if (request.at_exit != nullptr && !thread.shares_parent_memory) request.at_exit(thread.process);
    keep_units(thread, Next::it_ends);
    ::signal(signal, SIG_DFL);
    SignalMask others = ~SignalMask::of(signal);
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&others), 0, sizeof others);
    host_syscall(SYS_kill, static_cast<u64>(getpid()), static_cast<u64>(signal));
    _exit(128 + signal);
}

HostSignalStack::HostSignalStack() {
    constexpr std::size_t bytes = 64 << 10;
    memory_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    stack_t stack{memory_, 0, bytes};
    ::sigaltstack(&stack, nullptr);
}

HostSignalStack::~HostSignalStack() {
    stack_t stack{nullptr, SS_DISABLE, 0};
    ::sigaltstack(&stack, nullptr);
    ::munmap(memory_, 64 << 10);
}

SignalsBlocked::SignalsBlocked() {
    SignalMask all = ~fault_signals;
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&all),
                 reinterpret_cast<u64>(&before_), sizeof all);
}

SignalsBlocked::~SignalsBlocked() {
    Thread* thread = Thread::current();
    if (thread != nullptr && thread->captured.signal != 0) return;
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&before_), 0, sizeof before_);
}

WaitMask::WaitMask(Thread& thread, u64 guest, u64 bytes) : thread_(thread) {
    if (guest == 0) return;
    if (bytes != sizeof(SignalMask))
        error_ = -EINVAL;
    else if (!load(thread, guest, guest_))
        error_ = -EFAULT;
    else
        set_ = true;
    guest_ = guest_ & ~unblockable;
    host_ = host_mask(guest_);
}

i64 WaitMask::finish(i64 result) {
    if (!set_ || result != restart_without_handler) return result;
    thread_.mask_to_restore = std::exchange(thread_.mask, guest_);
    thread_.restore_mask = true;
    return result;
}

}  // namespace kiln::user

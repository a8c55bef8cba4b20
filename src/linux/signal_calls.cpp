// The system calls about signals that are not simply the host's: those on actions, masks and stacks.
#include <sys/syscall.h>

#include "linux/altstack.h"
#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"

namespace kiln::user {
namespace {

/// The flags of sigaction(2) that riscv64's kernel keeps, the unnamed SA_EXPOSE_TAGBITS among them.
constexpr u64 known_flags =
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | 0x800;

bool ignores(const SignalAction& action, int signal) {
    return action.handler == 1 || (action.handler == 0 && default_action(signal) == DefaultAction::ignore);
}

/// rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2): who gets the signal, which, and the siginfo are arguments
/// `target` and those behind it.
i64 queue_signal(Thread& thread, const Call& call, long number, unsigned target) {
    siginfo_t info;
    if (!load(thread, call[target + 2], info)) return -EFAULT;
    const int signal = call.word(target + 1);
    // The kernel lets nobody but the thread itself pass for the kernel.
    if (is_fault_signal(signal) && info.si_code > 0 && call.word(target) == thread.tid)
        info.si_code = disguised_code(info.si_code);
    if (target == 0) return safe_syscall(thread, number, call.word(0), signal, &info);
    return safe_syscall(thread, number, call.word(0), call.word(1), signal, &info);
}

}  // namespace

i64 calls::rt_sigaction(Thread& thread, const Call& call) {
    int signal = call.word(0);
    if (call[3] != sizeof(SignalMask) || signal < 1 || signal > signal_count) return -EINVAL;
    SignalAction action, old = thread.signals->get(signal);
    if (call[1] != 0) {
        if (!load(thread, call[1], action)) return -EFAULT;
        if (signal == SIGKILL || signal == SIGSTOP) return -EINVAL;
    }
    if (call[1] != 0) {
        action.mask = action.mask & ~(SignalMask::of(SIGKILL) | SignalMask::of(SIGSTOP));
        action.flags &= known_flags;
        thread.signals->set(signal, action);
        siginfo_t discarded;
        if (ignores(action, signal)) take_held(thread, SignalMask::of(signal), discarded);
    }
    return call[2] == 0 || store(thread, call[2], old) ? 0 : -EFAULT;
}

i64 calls::rt_sigprocmask(Thread& thread, const Call& call) {
    if (call[3] != sizeof(SignalMask)) return -EINVAL;
    SignalMask old = thread.mask, set;
    if (call[1] != 0) {
        if (!load(thread, call[1], set)) return -EFAULT;
        switch (call.word(0)) {
            case SIG_BLOCK: set = old | set; break;
            case SIG_UNBLOCK: set = old & ~set; break;
            case SIG_SETMASK: break;
            default: return -EINVAL;
        }
        // A signal that came before the call is delivered before the call.
        if (thread.captured.signal != 0) return restart_always;
        SignalMask host = host_mask(set);
        i64 result = safe_syscall(thread, SYS_rt_sigprocmask, SIG_SETMASK, &host, nullptr, sizeof host);
        if (result != 0) return result;
        thread.mask = set & ~(SignalMask::of(SIGKILL) | SignalMask::of(SIGSTOP));
        if (thread.held.set.bits != 0) set_mask(thread, thread.mask);
    }
    return call[2] == 0 || store(thread, call[2], old) ? 0 : -EFAULT;
}

i64 calls::rt_sigpending(Thread& thread, const Call& call) {
    if (call[1] > sizeof(SignalMask)) return -EINVAL;
    SignalMask pending;
    i64 result = host_syscall(SYS_rt_sigpending, reinterpret_cast<u64>(&pending), sizeof pending);
    if (result < 0) return result;
    pending = (pending & thread.mask) | thread.held.set;
    return thread.process.memory.write(call.address(0), &pending, call[1]) ? 0 : -EFAULT;
}

i64 calls::rt_sigsuspend(Thread& thread, const Call& call) {
    if (call[1] != sizeof(SignalMask)) return -EINVAL;
    WaitMask mask(thread, call[0], call[1]);
    if (mask.error() != 0) return mask.error();
    if (mask.host() == nullptr) return -EFAULT;
    return mask.finish(waiting_syscall(thread, SYS_rt_sigsuspend, mask.host(), sizeof(SignalMask)));
}

i64 calls::rt_sigtimedwait(Thread& thread, const Call& call) {
    SignalMask wanted;
    siginfo_t info;
    if (call[3] == sizeof wanted && load(thread, call[0], wanted) && take_held(thread, wanted, info))
        return call[1] == 0 || store(thread, call[1], info) ? info.si_signo : -EFAULT;
    // sigtimedwait(2) is not made again: EINTR stays.
    return safe_syscall(thread, SYS_rt_sigtimedwait, host_pointer(thread, call[0]),
                        host_pointer(thread, call[1]), host_pointer(thread, call[2]), call[3]);
}

i64 calls::rt_sigreturn(Thread& thread, const Call&) {
    Process& process = thread.process;
    SignalMask mask;
    AltStack altstack = thread.altstack;
    if (!process.arch.pop_signal_frame(thread.context, process.memory, mask, altstack)) {
        force_fault(thread, SIGSEGV, SI_KERNEL, GuestAddr(0));
        return registers_set;
    }
    // A handler may have put any stack there; what sigaltstack(2) refuses changes nothing.
    change_altstack(thread, altstack);
    set_mask(thread, mask);
    return registers_set;
}

i64 calls::rt_sigqueueinfo(Thread& thread, const Call& call) {
    return queue_signal(thread, call, SYS_rt_sigqueueinfo, 0);
}

i64 calls::rt_tgsigqueueinfo(Thread& thread, const Call& call) {
    return queue_signal(thread, call, SYS_rt_tgsigqueueinfo, 1);
}

i64 calls::pidfd_send_signal(Thread& thread, const Call& call) {
    if (call[2] == 0)
        return safe_syscall(thread, SYS_pidfd_send_signal, call.word(0), call.word(1), 0, call[3]);
    siginfo_t info;
    if (!load(thread, call[2], info))
        return safe_syscall(thread, SYS_pidfd_send_signal, call.word(0), call.word(1), refused_pointer(),
                            call[3]);
    // As in queue_signal(); whose descriptor it is, only the kernel knows.
    if (is_fault_signal(call.word(1)) && info.si_code > 0) info.si_code = disguised_code(info.si_code);
    return safe_syscall(thread, SYS_pidfd_send_signal, call.word(0), call.word(1), &info, call[3]);
}

i64 calls::sigaltstack(Thread& thread, const Call& call) {
    AltStack old = altstack_now(thread);
    if (call[0] != 0) {
        AltStack wanted;
        if (!load(thread, call[0], wanted)) return -EFAULT;
        if (i64 error = change_altstack(thread, wanted); error < 0) return error;
    }
    return call[1] == 0 || store(thread, call[1], old) ? 0 : -EFAULT;
}

i64 calls::restart_syscall(Thread&, const Call&) { return -EINTR; }

}  // namespace kiln::user

// The system calls about signals that are not simply the host's: those on actions, masks and stacks.
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"

namespace kiln::user {
namespace {

/// The generic MINSIGSTKSZ.
constexpr u64 smallest_altstack = 2048;

}  // namespace

i64 calls::rt_sigaction(Thread& thread, const Call& call) {
    int signal = call.word(0);
    if (call[3] != sizeof(SignalMask) || signal < 1 || signal > signal_count) return -EINVAL;
    SignalAction action, old = thread.signals->get(signal);
    if (call[1] != 0) {
        if (!load(thread, call[1], action)) return -EFAULT;
        if (signal == SIGKILL || signal == SIGSTOP) return -EINVAL;
    }
    if (call[2] != 0 && !store(thread, call[2], old)) return -EFAULT;
    if (call[1] != 0) {
        action.mask = action.mask & ~(SignalMask::of(SIGKILL) | SignalMask::of(SIGSTOP));
        thread.signals->set(signal, action);
    }
    return 0;
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
    return mask.finish(
        safe_syscall_or(restart_without_handler, thread, SYS_rt_sigsuspend, mask.host(), sizeof(SignalMask)));
}

i64 calls::rt_sigtimedwait(Thread& thread, const Call& call) {
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
    altstack.flags &= ~ss_onstack;
    thread.altstack = altstack;
    set_mask(thread, mask);
    return registers_set;
}

i64 calls::sigaltstack(Thread& thread, const Call& call) {
    AltStack old = altstack_now(thread);
    if (call[0] != 0) {
        AltStack wanted;
        if (!load(thread, call[0], wanted)) return -EFAULT;
        if (old.flags & ss_onstack) return -EPERM;
        i32 mode = wanted.flags & ~ss_autodisarm;
        if (mode != 0 && mode != ss_onstack && mode != ss_disable) return -EINVAL;
        if (mode == ss_disable)
            wanted.sp = wanted.size = 0;
        else if (wanted.size < smallest_altstack)
            return -ENOMEM;
        wanted.flags &= ~ss_onstack;
        thread.altstack = wanted;
    }
    return call[1] == 0 || store(thread, call[1], old) ? 0 : -EFAULT;
}

i64 calls::restart_syscall(Thread&, const Call&) { return -EINTR; }

}  // namespace kiln::user

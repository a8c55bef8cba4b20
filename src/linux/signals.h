// Signals on their way from the host to the guest.
//
// The host blocks what the guest blocks (SIGSEGV and SIGBUS excepted), so the kernel keeps, orders and merges
// pending signals, chooses threads, and serves signalfd, sigtimedwait and sigpending. When it delivers one
// for which the guest has a handler, or whose default is to dump core, kiln's handler captures it: it notes
// the siginfo, blocks every other signal and makes translated code leave at the next border. There
// deliver_signals() builds the guest's frame and installs the handler's mask.
#pragma once

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// Makes the host's mask of this thread the guest's, in effect when nothing is captured.
void apply_mask(const Thread& thread);
/// Changes the guest's mask: SIGKILL and SIGSTOP stay unblocked. Held signals that are no longer blocked
/// become captured.
void set_mask(Thread& thread, SignalMask mask);
/// The mask for the host that stands for the guest's `mask`.
SignalMask host_mask(SignalMask mask);
/// Takes a held signal of `wanted` for sigtimedwait(2); false if there is none.
bool take_held(Thread& thread, SignalMask wanted, siginfo_t& info);

/// Delivers what is captured and decides what becomes of the call it interrupted. At a border only.
void deliver_signals(Thread& thread);

/// A fault of the guest's own doing: delivered at once, or fatal if the guest blocks or ignores it.
void force_signal(Thread& thread, const siginfo_t& info);
void force_fault(Thread& thread, int signal, int code, GuestAddr address);

/// Delivers a signal of a debugger's, at a border.
void send_signal(Thread& thread, int signal);

/// Ends the process as the kernel ends it for an uncaught `signal`: a line on standard error if that dumps
/// core, then death by the same signal.
[[noreturn]] void die_by_signal(Thread& thread, int signal);

/// The handler that the host calls (signal_table.cpp installs it).
void capture_signal(int signal, siginfo_t* info, void* ucontext);
/// A SIGSEGV or SIGBUS that the guest sends itself in the guise of a fault (a si_code above 0) must not look
/// like a fault to capture_signal: what to send instead. Undone at the capture.
i32 disguised_code(i32 si_code);
/// Gives this host thread the stack that capture_signal runs on, until it ends.
class HostSignalStack {
  public:
    HostSignalStack();
    ~HostSignalStack();
    HostSignalStack(const HostSignalStack&) = delete;
    HostSignalStack& operator=(const HostSignalStack&) = delete;

  private:
    void* memory_;
};

/// Blocks every signal that can be blocked while it lives: no signal is captured meanwhile.
class SignalsBlocked {
  public:
    SignalsBlocked();
    ~SignalsBlocked();
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    SignalMask before_;
};

/// A guest mask that replaces the thread's own while a call waits (ppoll(2), sigsuspend(2)): the host call
/// gets host(), and finish() its result. If a signal ended the wait, the mask stays until the signal is
/// delivered.
class WaitMask {
  public:
    /// `guest`: the address of the set, or 0 for none.
    WaitMask(Thread& thread, u64 guest, u64 bytes);
    /// 0, or why the set is no good.
    i64 error() const { return error_; }
    const SignalMask* host() const { return set_ ? &host_ : nullptr; }
    i64 finish(i64 result);

  private:
    Thread& thread_;
    bool set_ = false;
    i64 error_ = 0;
    SignalMask guest_;
    SignalMask host_;
};

}  // namespace kiln::user

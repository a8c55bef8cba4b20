#include "linux/signal_table.h"

#include <sys/syscall.h>

#include <csignal>

#include "linux/safe_syscall.h"
#include "linux/signals.h"

namespace kiln::user {
namespace {

// The kernel's struct sigaction. glibc's own call would refuse the two signals that it keeps for itself, and
// the guest's C library wants the same two.
struct KernelAction {
    u64 handler;
    u64 flags;
    u64 restorer;
    u64 mask;
};
constexpr u64 sa_restorer = 0x04000000;

asm(R"(
    .pushsection .text
    .globl kiln_signal_return
    .hidden kiln_signal_return
    .type kiln_signal_return, @function
kiln_signal_return:
    mov $15, %eax
    syscall
    .size kiln_signal_return, . - kiln_signal_return
    .popsection
)");
extern "C" void kiln_signal_return();
static_assert(SYS_rt_sigreturn == 15);

void set_host_action(int signal, u64 handler, u64 guest_flags) {
    KernelAction action{};
    action.handler = handler;
    // SA_RESTART: whether an interrupted call restarts is for the host to decide (waiting_syscall()).
    action.flags = guest_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART);
    if (handler > 1) {
        action.flags |= SA_SIGINFO | SA_ONSTACK | sa_restorer;
        action.restorer = reinterpret_cast<u64>(kiln_signal_return);
        action.mask = ~u64{0};
    }
    host_syscall(SYS_rt_sigaction, static_cast<u64>(signal), reinterpret_cast<u64>(&action), 0,
                 sizeof(SignalMask));
}

}  // namespace

DefaultAction default_action(int signal) {
    switch (signal) {
        case SIGQUIT:
        case SIGILL:
        case SIGTRAP:
        case SIGABRT:
        case SIGBUS:
        case SIGFPE:
        case SIGSEGV:
        case SIGXCPU:
        case SIGXFSZ:
        case SIGSYS: return DefaultAction::core;
        case SIGCHLD:
        case SIGURG:
        case SIGWINCH: return DefaultAction::ignore;
        case SIGCONT: return DefaultAction::resume;
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU: return DefaultAction::stop;
        default: return DefaultAction::terminate;
    }
}

void SignalTable::set(int signal, const SignalAction& action) {
    std::scoped_lock lock(mutex_);
    actions_[signal - 1] = action;
    install(signal);
}

void SignalTable::take_back() {
    constexpr int set_ids_signal = 33;  // the C library's SIGSETXID
    std::scoped_lock lock(mutex_);
    install(set_ids_signal);
}

bool SignalTable::concerns_kiln(int signal) const {
    if (signal == SIGSEGV || signal == SIGBUS) return true;
    u64 handler = actions_[signal - 1].handler;
    if (handler != 0) return handler > 1;
    if (capture_all_) return true;
    const DefaultAction action = default_action(signal);
    return action == DefaultAction::core || (sees_ends_ && action == DefaultAction::terminate);
}

void SignalTable::install(int signal) const {
    if (signal == SIGKILL || signal == SIGSTOP) return;
    const SignalAction& action = actions_[signal - 1];
    u64 host = concerns_kiln(signal) ? reinterpret_cast<u64>(capture_signal) : action.handler;
    set_host_action(signal, host, action.flags);
}

void SignalTable::inherit(bool sees_ends) {
    std::scoped_lock lock(mutex_);
    sees_ends_ = sees_ends;
    for (int signal = 1; signal <= signal_count; ++signal) {
        KernelAction inherited{};
        host_syscall(SYS_rt_sigaction, static_cast<u64>(signal), 0, reinterpret_cast<u64>(&inherited),
                     sizeof(SignalMask));
        actions_[signal - 1] = SignalAction{};
        if (inherited.handler == 1) actions_[signal - 1].handler = 1;
        // What remains is as the guest wants it already.
        if (concerns_kiln(signal)) install(signal);
    }
}

SignalTable::SignalTable(const SignalTable& other) {
    std::scoped_lock lock(other.mutex_);
    actions_ = other.actions_;
    sees_ends_ = other.sees_ends_;
}

}  // namespace kiln::user

// Signals as the generic system call table lays them out: sets, actions, alternate stacks.
#pragma once

#include "base/types.h"

namespace kiln::user {

/// Signals are numbered 1 to signal_count.
inline constexpr int signal_count = 64;

/// Whether the signal is how faults of guest accesses arrive: the host may not block those.
constexpr bool is_fault_signal(int signal) { return signal == 7 /* SIGBUS */ || signal == 11 /* SIGSEGV */; }

/// A set of signals; bit n - 1 stands for signal n, as in the kernel's sigset_t.
struct SignalMask {
    u64 bits = 0;

    static constexpr SignalMask of(int signal) { return {u64{1} << (signal - 1)}; }
    constexpr bool has(int signal) const { return bits >> (signal - 1) & 1; }
    constexpr SignalMask operator|(SignalMask other) const { return {bits | other.bits}; }
    constexpr SignalMask operator&(SignalMask other) const { return {bits & other.bits}; }
    constexpr SignalMask operator~() const { return {~bits}; }
    constexpr bool operator==(const SignalMask&) const = default;
};

/// The guest's struct sigaction without sa_restorer, which architectures younger than the generic table lack.
struct SignalAction {
    u64 handler = 0;  ///< SIG_DFL, SIG_IGN or the address of a function
    u64 flags = 0;    ///< SA_*: the numbers are the host's
    SignalMask mask;
};
static_assert(sizeof(SignalAction) == 24);

/// stack_t's flags.
inline constexpr i32 ss_onstack = 1, ss_disable = 2, ss_autodisarm = static_cast<i32>(u32{1} << 31);

/// The guest's stack_t.
struct AltStack {
    u64 sp = 0;
    i32 flags = ss_disable;
    i32 padding = 0;
    u64 size = 0;
};
static_assert(sizeof(AltStack) == 24);

}  // namespace kiln::user

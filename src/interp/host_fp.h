// binary32 and binary64 arithmetic on the host's SSE unit, for the interpreter's fast path: the same results
// and flags as base/softfp.h gives with Rounding::rne and NanRule::canonical, at the speed of the hardware.
//
// The law: the environment is the one reset_environment() sets (round to nearest even, every exception
// masked, subnormals honoured), and exceptions gather in MXCSR's sticky bits until read_flags(). MXCSR is
// per host thread. Every instruction that can raise a flag is an `asm volatile`, which the compiler neither
// folds, drops nor reorders among its kind; everything around them is integer code, or compares of numbers
// that are already quiet, which raise nothing. The engine's own C++ floating point (timing, statistics,
// printing) raises flags in the same register: whoever runs it while a guest is live saves them first.
//
// Other rounding directions go through with_rounding(). binary16 has no host instruction: softfp.
#pragma once

#include <bit>
#include <limits>

#include "base/softfp.h"
#include "base/types.h"

namespace kiln::host_fp {

/// MXCSR with the environment the law above asks for, and no flag raised.
inline constexpr u32 default_mxcsr = 0x1f80;

inline u32 read_mxcsr() {
    u32 value;
    asm volatile("stmxcsr %0" : "=m"(value));
    return value;
}
inline void write_mxcsr(u32 value) { asm volatile("ldmxcsr %0" : : "m"(value)); }

/// MXCSR's sticky bits are IE, DE, ZE, OE, UE, PE from bit 0 up; fflags has NX, UF, OF, DZ, NV. DE ("an
/// operand was subnormal") has no counterpart.
constexpr u8 flags_of_mxcsr(u32 mxcsr) {
    return static_cast<u8>((mxcsr >> 5 & 1) * softfp::inexact | (mxcsr >> 4 & 1) * softfp::underflow |
                           (mxcsr >> 3 & 1) * softfp::overflow | (mxcsr >> 2 & 1) * softfp::divide_by_zero |
                           (mxcsr & 1) * softfp::invalid);
}
constexpr u32 mxcsr_of_flags(u8 flags) {
    return (flags & softfp::inexact ? 1u << 5 : 0) | (flags & softfp::underflow ? 1u << 4 : 0) |
           (flags & softfp::overflow ? 1u << 3 : 0) | (flags & softfp::divide_by_zero ? 1u << 2 : 0) |
           (flags & softfp::invalid ? 1u : 0);
}

/// The exceptions raised on this thread since the flags were last written: softfp::Flag bits.
inline u8 read_flags() { return flags_of_mxcsr(read_mxcsr()); }

/// Replaces the raised exceptions by `flags`, a set of softfp::Flag bits.
inline void write_flags(u8 flags) { write_mxcsr(default_mxcsr | mxcsr_of_flags(flags)); }

/// Adds `flags`, a set of softfp::Flag bits, to the raised exceptions.
inline void raise_flags(u8 flags) {
    u32 old = read_mxcsr(), merged = old | mxcsr_of_flags(flags);
    if (merged != old) write_mxcsr(merged);
}

/// Sets this thread's rounding to nearest even, masks all exceptions, honours subnormals, clears the flags.
inline void reset_environment() { write_mxcsr(default_mxcsr); }

/// Runs `operation(softfp::Context&)` under `rounding` and adds what it raised to MXCSR: the way for every
/// rounding direction other than nearest even, and for binary16.
template <class Operation>
inline auto with_rounding(softfp::Rounding rounding, Operation&& operation) {
    softfp::Context context{rounding};
    auto result = operation(context);
    raise_flags(context.flags);
    return result;
}

/// Whether the host has FMA3 and the kernel lets it be used.
inline bool host_has_fma() {
    static const bool has_fma = [] {
        __builtin_cpu_init();
        return __builtin_cpu_supports("fma") != 0;
    }();
    return has_fma;
}

}  // namespace kiln::host_fp

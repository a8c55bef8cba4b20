// binary32 and binary64 arithmetic on the host's SSE unit, for the interpreter's fast path: the same results
// and flags as base/softfp.h gives with Rounding::rne and NanRule::canonical, at the speed of the hardware.
//
// The law: the environment is the one reset_environment() sets (round to nearest even, every exception
// masked, subnormals honoured), and exceptions gather in MXCSR's sticky bits until read_flags(). MXCSR is
// per host thread. Every instruction that can raise a flag is an `asm volatile`, which the compiler neither
// folds, drops nor reorders among its kind; everything around them is integer code, exact sums, or compares
// of results (whose NaNs are quiet), which raise nothing. The engine's own C++ floating point (timing,
// statistics, printing) raises flags in the same register: whoever runs it while a guest is live saves them
// first.
//
// Other rounding directions go through with_rounding(). binary16 has no host instruction: softfp.
#pragma once

#include <sys/platform/x86.h>

#include <bit>
#include <cmath>
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

/// Replaces the raised exceptions by `flags`, a set of softfp::Flag bits. Sets the rest of the environment as
/// reset_environment() does, which is cheaper than to keep it.
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

/// Whether the host has FMA3 and the kernel lets it be used: a load and a test of what the C library knows. The
/// compiler's own __builtin_cpu_supports would ask the processor once more before main(), which in a virtual
/// machine takes 60 us.
inline bool host_has_fma() { return CPU_FEATURE_ACTIVE(FMA); }

/// The raw bits of a value, zero-extended, and the softfp format of its type.
inline u64 bits_of(float value) { return std::bit_cast<u32>(value); }
inline u64 bits_of(double value) { return std::bit_cast<u64>(value); }
template <class T>
inline constexpr softfp::Format format_of = sizeof(T) == 4 ? softfp::Format::f32 : softfp::Format::f64;
template <class T>
inline T from_bits(u64 bits) {
    if constexpr (sizeof(T) == 4)
        return std::bit_cast<float>(static_cast<u32>(bits));
    else
        return std::bit_cast<double>(bits);
}

/// Whether `value` is a NaN, asked in integers: no flag, even for a signaling one.
template <class T>
inline bool is_nan(T value) {
    constexpr u64 infinity = sizeof(T) == 4 ? 0x7f800000 : 0x7ff0'0000'0000'0000;
    constexpr u64 magnitude = sizeof(T) == 4 ? 0x7fffffff : 0x7fff'ffff'ffff'ffff;
    return (bits_of(value) & magnitude) > infinity;
}

/// A result of the SSE unit under NanRule::canonical. Its NaNs are quiet, so this compare raises nothing.
template <class T>
inline T canonical(T result) {
    if (result != result) [[unlikely]]
        return std::numeric_limits<T>::quiet_NaN();
    return result;
}

/// The same operation in software, rounding to nearest even, where the hardware's answer is not ours.
template <class T, class Operation>
[[gnu::noinline, gnu::cold]] T soften(Operation operation) {
    return from_bits<T>(with_rounding(softfp::Rounding::rne, operation));
}

// IEEE 754-2019, 5.4.1. Each takes and gives values of one type; see the functions of the same name in
// softfp.
#define KILN_HOST_FP_BINARY(name, instruction)                    \
    inline float name(float a, float b) {                         \
        asm volatile(instruction "ss %1, %0" : "+x"(a) : "x"(b)); \
        return canonical(a);                                      \
    }                                                             \
    inline double name(double a, double b) {                      \
        asm volatile(instruction "sd %1, %0" : "+x"(a) : "x"(b)); \
        return canonical(a);                                      \
    }
KILN_HOST_FP_BINARY(add, "add")
KILN_HOST_FP_BINARY(sub, "sub")
KILN_HOST_FP_BINARY(mul, "mul")
KILN_HOST_FP_BINARY(div, "div")
#undef KILN_HOST_FP_BINARY

inline float sqrt(float a) {
    asm volatile("sqrtss %0, %0" : "+x"(a));
    return canonical(a);
}
inline double sqrt(double a) {
    asm volatile("sqrtsd %0, %0" : "+x"(a));
    return canonical(a);
}

/// softfp::fma of values of one type.
template <class T>
inline T soft_fma(T a, T b, T c) {
    return soften<T>([=](softfp::Context& context) {
        return softfp::fma(format_of<T>, bits_of(a), bits_of(b), bits_of(c), context);
    });
}
inline float fma(float a, float b, float c) {
    if (!host_has_fma()) [[unlikely]]
        return soft_fma(a, b, c);
    float result = a;
    asm volatile("vfmadd213ss %2, %1, %0" : "+x"(result) : "x"(b), "x"(c));
    // x86 raises nothing for infinity * zero + quiet NaN.
    if (result != result) [[unlikely]]
        return soft_fma(a, b, c);
    return result;
}
inline double fma(double a, double b, double c) {
    if (!host_has_fma()) [[unlikely]]
        return soft_fma(a, b, c);
    double result = a;
    asm volatile("vfmadd213sd %2, %1, %0" : "+x"(result) : "x"(b), "x"(c));
    if (result != result) [[unlikely]]
        return soft_fma(a, b, c);
    return result;
}

// IEEE 754-2019, 5.11. ucomis is the quiet compare, comis the signaling one; unordered sets ZF, PF and CF, so
// "above" conditions of the swapped operands are false for NaNs.
inline bool eq(float a, float b) {
    bool equal, ordered;
    asm volatile("ucomiss %3, %2" : "=@ccz"(equal), "=@ccnp"(ordered) : "x"(a), "x"(b));
    return equal & ordered;
}
inline bool eq(double a, double b) {
    bool equal, ordered;
    asm volatile("ucomisd %3, %2" : "=@ccz"(equal), "=@ccnp"(ordered) : "x"(a), "x"(b));
    return equal & ordered;
}
#define KILN_HOST_FP_COMPARE(name, instruction, condition)                                \
    inline bool name(float a, float b) {                                                  \
        bool result;                                                                      \
        asm volatile(instruction "s %2, %1" : "=@cc" condition(result) : "x"(b), "x"(a)); \
        return result;                                                                    \
    }                                                                                     \
    inline bool name(double a, double b) {                                                \
        bool result;                                                                      \
        asm volatile(instruction "d %2, %1" : "=@cc" condition(result) : "x"(b), "x"(a)); \
        return result;                                                                    \
    }
KILN_HOST_FP_COMPARE(lt, "comis", "a")
KILN_HOST_FP_COMPARE(le, "comis", "ae")
KILN_HOST_FP_COMPARE(lt_quiet, "ucomis", "a")
KILN_HOST_FP_COMPARE(le_quiet, "ucomis", "ae")
#undef KILN_HOST_FP_COMPARE

/// Orders the values of a type by their bits, -0 just below +0. NaNs have no place in it.
inline i32 order_key(float value) {
    const i32 bits = std::bit_cast<i32>(value);
    return bits < 0 ? bits ^ 0x7fffffff : bits;
}
inline i64 order_key(double value) {
    const i64 bits = std::bit_cast<i64>(value);
    return bits < 0 ? bits ^ 0x7fff'ffff'ffff'ffff : bits;
}

// IEEE 754-2019, 9.6, with -0 below +0; minsd and maxsd have other rules for zeros and NaNs, hence integers.
#define KILN_HOST_FP_EXTREME(name, order)                                           \
    template <class T>                                                              \
    inline T name(T a, T b) {                                                       \
        if (is_nan(a) || is_nan(b)) [[unlikely]]                                    \
            return soften<T>([=](softfp::Context& context) {                        \
                return softfp::name(format_of<T>, bits_of(a), bits_of(b), context); \
            });                                                                     \
        return order_key(a) order order_key(b) ? a : b;                             \
    }
KILN_HOST_FP_EXTREME(min_number, <)
KILN_HOST_FP_EXTREME(max_number, >)
KILN_HOST_FP_EXTREME(minimum, <)
KILN_HOST_FP_EXTREME(maximum, >)
#undef KILN_HOST_FP_EXTREME

// IEEE 754-2019, 5.4.1: integers to the nearest value, named after the integer's type.
inline float f32_from_i32(i32 value) {
    float result = 0;
    asm volatile("cvtsi2ssl %1, %0" : "+x"(result) : "r"(value));
    return result;
}
inline float f32_from_i64(i64 value) {
    float result = 0;
    asm volatile("cvtsi2ssq %1, %0" : "+x"(result) : "r"(value));
    return result;
}
inline double f64_from_i32(i32 value) {
    double result = 0;
    asm volatile("cvtsi2sdl %1, %0" : "+x"(result) : "r"(value));
    return result;
}
inline double f64_from_i64(i64 value) {
    double result = 0;
    asm volatile("cvtsi2sdq %1, %0" : "+x"(result) : "r"(value));
    return result;
}
inline float f32_from_u32(u32 value) { return f32_from_i64(i64{value}); }
inline double f64_from_u32(u32 value) { return f64_from_i64(i64{value}); }

/// Half of a u64 of 2^63 or more, the bit shifted out kept as a sticky bit: it rounds as the whole does, and
/// doubling the rounded half is exact.
inline i64 sticky_half(u64 value) { return static_cast<i64>(value >> 1 | (value & 1)); }
inline float f32_from_u64(u64 value) {
    if (static_cast<i64>(value) >= 0) return f32_from_i64(static_cast<i64>(value));
    const float half = f32_from_i64(sticky_half(value));
    return half + half;
}
inline double f64_from_u64(u64 value) {
    if (static_cast<i64>(value) >= 0) return f64_from_i64(static_cast<i64>(value));
    const double half = f64_from_i64(sticky_half(value));
    return half + half;
}

/// Between formats.
inline float f32_from_f64(double value) {
    float result = 0;
    asm volatile("cvtsd2ss %1, %0" : "+x"(result) : "x"(value));
    return canonical(result);
}
inline double f64_from_f32(float value) {
    double result = 0;
    asm volatile("cvtss2sd %1, %0" : "+x"(result) : "x"(value));
    return canonical(result);
}

/// The end of Int's range that is nearer to `value`, which does not fit: RISC-V's fcvt, where a NaN counts as
/// +infinity. Raises nothing.
template <class Int, class T>
[[gnu::noinline, gnu::cold]] Int clip(T value) {
    const bool negative = std::signbit(value) && !is_nan(value);
    return negative ? std::numeric_limits<Int>::min() : std::numeric_limits<Int>::max();
}

/// cvtt with a 32-bit or 64-bit destination: truncates; what does not fit raises IE alone and gives the
/// least integer.
inline i32 truncate_to_i32(float value) {
    i32 result;
    asm volatile("cvttss2sil %1, %0" : "=r"(result) : "x"(value));
    return result;
}
inline i32 truncate_to_i32(double value) {
    i32 result;
    asm volatile("cvttsd2sil %1, %0" : "=r"(result) : "x"(value));
    return result;
}
inline i64 truncate_to_i64(float value) {
    i64 result;
    asm volatile("cvttss2siq %1, %0" : "=r"(result) : "x"(value));
    return result;
}
inline i64 truncate_to_i64(double value) {
    i64 result;
    asm volatile("cvttsd2siq %1, %0" : "=r"(result) : "x"(value));
    return result;
}

// softfp::to_int with Rounding::rtz. Signed: the hardware's flags are right, and its mark of failure differs
// from the clipped result for what lies above the range alone. Unsigned: what is out of range is sorted out
// before the conversion to a wider type, which would raise PE there.
template <class T>
inline i32 to_i32(T value) {
    const i32 result = truncate_to_i32(value);
    return result == std::numeric_limits<i32>::min() ? clip<i32>(value) : result;
}
template <class T>
inline i64 to_i64(T value) {
    const i64 result = truncate_to_i64(value);
    return result == std::numeric_limits<i64>::min() ? clip<i64>(value) : result;
}
template <class T>
inline u32 to_u32(T value) {
    if (!lt_quiet(T{-1}, value) || !lt_quiet(value, T{0x1p32})) [[unlikely]] {
        raise_flags(softfp::invalid);
        return clip<u32>(value);
    }
    return static_cast<u32>(truncate_to_i64(value));
}
template <class T>
inline u64 to_u64(T value) {
    if (!lt_quiet(T{-1}, value) || !lt_quiet(value, T{0x1p64})) [[unlikely]] {
        raise_flags(softfp::invalid);
        return clip<u64>(value);
    }
    if (lt_quiet(value, T{0x1p63})) return static_cast<u64>(truncate_to_i64(value));
    // An integer in [2^63, 2^64): its fraction bits moved up to the hidden bit, which is bit 63.
    constexpr unsigned exponent_bits = sizeof(T) == 4 ? 8 : 11;
    constexpr unsigned above = (64 - 8 * sizeof(T)) + exponent_bits;
    return bits_of(value) << above | u64{1} << 63;
}

}  // namespace kiln::host_fp

// IEEE 754-2019 binary16/32/64 arithmetic in integers: exact results and exact exception flags, in every
// rounding mode, whatever the host's floating-point state. It is the meaning of guest floating point:
// the host's SSE unit may stand in for it only where it gives the same bits and flags (base/host_fp.h).
//
// Values are raw bit patterns in the low bits of a u64. Bits above the format's width are ignored in
// operands and zero in results; NaN boxing is the caller's business. The same holds for 32-bit integers.
//
// Pure functions of their arguments; any thread. Tininess is detected after rounding (RISC-V unprivileged
// manual, "Subnormal Arithmetic"). Invalid conversions to integer saturate as RISC-V's fcvt does.
#pragma once

#include "base/types.h"

namespace kiln::softfp {

enum class Format : u8 { f16, f32, f64 };

/// Rounding directions, numbered as in RISC-V's frm field.
enum class Rounding : u8 {
    rne = 0,  // to nearest, ties to even
    rtz = 1,  // towards zero
    rdn = 2,  // towards -infinity
    rup = 3,  // towards +infinity
    rmm = 4,  // to nearest, ties away from zero
};

/// Exception flags: a set of bits in the order of RISC-V's fflags.
enum Flag : u8 {
    inexact = 1,
    underflow = 2,
    overflow = 4,
    divide_by_zero = 8,
    invalid = 16,
};

/// Which NaN an operation gives when its result is a NaN.
enum class NanRule : u8 {
    canonical,  // always the positive quiet NaN with an otherwise zero payload
};

/// How an operation rounds, and what it raised. Operations only ever add to `flags`.
struct Context {
    Rounding rounding = Rounding::rne;
    NanRule nan_rule = NanRule::canonical;
    u8 flags = 0;
};

/// An integer type a conversion reads or gives.
enum class IntType : u8 { i32, u32, i64, u64 };

/// Whether rounding to an integral value raises `inexact` when the value changes.
enum class Inexact : u8 { silent, raised };

/// The quiet NaN that RISC-V calls canonical.
u64 canonical_nan(Format format);

// softfp_arith.cpp: IEEE 754-2019, 5.4.1.
u64 add(Format format, u64 a, u64 b, Context& context);
u64 sub(Format format, u64 a, u64 b, Context& context);
u64 mul(Format format, u64 a, u64 b, Context& context);
u64 div(Format format, u64 a, u64 b, Context& context);
u64 sqrt(Format format, u64 a, Context& context);

/// a × b + c, rounded once. Infinity × zero is invalid even when `c` is a quiet NaN. The negated forms
/// are this one with the sign bit of `a` or `c` flipped beforehand.
u64 fma(Format format, u64 a, u64 b, u64 c, Context& context);

// softfp_compare.cpp. -0 is below +0 in all four; a signaling NaN is invalid in all four.

/// 9.6 minimumNumber and maximumNumber, RISC-V fmin and fmax: a number beats a NaN.
u64 min_number(Format format, u64 a, u64 b, Context& context);
u64 max_number(Format format, u64 a, u64 b, Context& context);

/// 9.6 minimum and maximum, RISC-V Zfa fminm and fmaxm: a NaN operand gives a NaN.
u64 minimum(Format format, u64 a, u64 b, Context& context);
u64 maximum(Format format, u64 a, u64 b, Context& context);

/// 5.11 comparisons; false when unordered. `eq` and the quiet ones raise `invalid` for signaling NaNs
/// alone, `lt` and `le` for every NaN.
bool eq(Format format, u64 a, u64 b, Context& context);
bool lt(Format format, u64 a, u64 b, Context& context);
bool le(Format format, u64 a, u64 b, Context& context);
bool lt_quiet(Format format, u64 a, u64 b, Context& context);
bool le_quiet(Format format, u64 a, u64 b, Context& context);

/// RISC-V fclass: exactly one of ten bits. 0: -inf, 1: negative normal, 2: negative subnormal, 3: -0,
/// 4: +0, 5: positive subnormal, 6: positive normal, 7: +inf, 8: signaling NaN, 9: quiet NaN.
u64 classify(Format format, u64 a);

// softfp_convert.cpp: IEEE 754-2019, 5.4.1, 5.4.2, 5.8 and 5.9.

/// `a` of format `from` as a value of format `to`.
u64 convert(Format from, Format to, u64 a, Context& context);

/// `a` rounded to an integer in the context's direction. What does not fit raises `invalid` alone and
/// gives the nearest representable integer; a NaN raises `invalid` and gives the greatest.
u64 to_int(Format format, u64 a, IntType type, Context& context);

/// The integer `value` of type `type` as a floating-point value.
u64 from_int(Format format, IntType type, u64 value, Context& context);

/// `a` rounded to an integral value of the same format, the sign of a zero result being that of `a`.
u64 round_to_integral(Format format, u64 a, Inexact inexact_rule, Context& context);

/// RISC-V Zfa fcvtmod.w.d: the binary64 `a` truncated, modulo 2^32, in the low 32 bits; NaN and infinity
/// give 0. Flags as from a truncating to_int to i32. The context's rounding is not used.
u64 to_int32_modular(u64 a, Context& context);

}  // namespace kiln::softfp

// base/softfp against three references: an exact one in wide integers (every format, operation and rounding
// direction), the host's SSE unit in its four rounding directions (every bit and flag, NaNs included), and
// for binary16 binary64 arithmetic, over all or nearly all operands. Plus rows from the manuals.
#include "base/softfp.h"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fp_cases.h"
#include "fp_exact.h"

namespace kiln {
namespace {

using namespace softfp;
using namespace fp_test;

constexpr Format all_formats[] = {Format::f16, Format::f32, Format::f64};
constexpr Rounding all_roundings[] = {Rounding::rne, Rounding::rtz, Rounding::rdn, Rounding::rup,
                                      Rounding::rmm};
constexpr IntType all_int_types[] = {IntType::i32, IntType::u32, IntType::i64, IntType::u64};

// ---- against exact integers ----

void check_exact(Format format, Rounding rounding, u64 seed, int rounds) {
    const Shape shape = shape_of(format);
    Cases cases(format, seed);
    for (int i = 0; i < rounds; ++i) {
        u64 operands[2] = {cases.operand(), 0};
        operands[1] = cases.partner(operands[0]);
        const u64 a = operands[0], b = operands[1], c = cases.addend(format, a, b);
        if (!shape.is_finite(a) || !shape.is_finite(b)) continue;
        const u64 minus_b = b ^ shape.sign_bit(), positive = a & shape.magnitude_mask();
        const Exact x = exact_of(shape, a);
        auto check = [&](const char* what, const Exact& value, auto operation) {
            const Outcome got = soft(rounding, operation), want = round_exact(shape, value, rounding);
            KILN_EXPECT_OUTCOME(what, format, rounding, got, want, a, b, c);
        };
        check("add", exact_sum(x, exact_of(shape, b), rounding),
              [&](Context& context) { return add(format, a, b, context); });
        check("sub", exact_sum(x, exact_of(shape, minus_b), rounding),
              [&](Context& context) { return sub(format, a, b, context); });
        check("mul", exact_product(shape, a, b),
              [&](Context& context) { return mul(format, a, b, context); });
        if ((b & shape.magnitude_mask()) != 0)
            check("div", exact_quotient(shape, a, b),
                  [&](Context& context) { return div(format, a, b, context); });
        check("sqrt", exact_sqrt(shape, positive),
              [&](Context& context) { return sqrt(format, positive, context); });
        if (shape.is_finite(c))
            check("fma", exact_sum(exact_product(shape, a, b), exact_of(shape, c), rounding),
                  [&](Context& context) { return fma(format, a, b, c, context); });
        if (testing::Test::HasFailure()) return;
    }
}

TEST(SoftfpExact, Arithmetic) {
    u64 seed = 1;
    for (Format format : all_formats)
        for (Rounding rounding : all_roundings) check_exact(format, rounding, seed++, 12'000);
}

TEST(SoftfpExact, SqrtOfSquaresAndTheirNeighbours) {
    for (Format format : all_formats) {
        const Shape shape = shape_of(format);
        Cases cases(format, 77);
        for (int i = 0; i < 10'000; ++i) {
            Context context;
            const u64 root = cases.operand() & shape.magnitude_mask();
            const u64 square = mul(format, root, root, context);
            const u64 a = square + static_cast<u64>(cases.below(3)) - 1;
            if (!shape.is_finite(a) || (a & shape.sign_bit()) != 0) continue;
            const Rounding rounding = all_roundings[cases.below(5)];
            const Outcome got = soft(rounding, [&](Context& c) { return sqrt(format, a, c); });
            const Outcome want = round_exact(shape, exact_sqrt(shape, a), rounding);
            KILN_EXPECT_OUTCOME("sqrt", format, rounding, got, want, a);
        }
    }
}

/// Conversions of one finite value under one rounding: to every format and integer type, and to integral.
void check_conversions(Format format, Rounding rounding, u64 a) {
    const Shape shape = shape_of(format);
    const Exact x = exact_of(shape, a);
    for (Format to : all_formats) {
        const Outcome got = soft(rounding, [&](Context& context) { return convert(format, to, a, context); });
        const Outcome want = round_exact(shape_of(to), x, rounding);
        KILN_EXPECT_OUTCOME("convert", format, rounding, got, want, a, static_cast<u64>(to));
    }
    constexpr u64 bound = u64{1} << 63;
    const std::pair<u64, u64> limits[] = {
        {1u << 31, (1u << 31) - 1}, {0, 0xffff'ffff}, {bound, bound - 1}, {0, ~u64{0}}};
    for (IntType type : all_int_types) {
        const auto [below_zero, limit] = limits[static_cast<size_t>(type)];
        Outcome want = round_exact_to_int(x, rounding, below_zero, limit);
        if (type == IntType::i32 || type == IntType::u32) want.bits &= 0xffff'ffff;
        const Outcome got =
            soft(rounding, [&](Context& context) { return to_int(format, a, type, context); });
        KILN_EXPECT_OUTCOME("to_int", format, rounding, got, want, a, static_cast<u64>(type));
    }
    const Exact integral{x.negative, round_units(x, -unit_exponent, rounding)};
    Outcome want = round_exact(shape, integral, rounding);
    ASSERT_EQ(want.flags, 0);
    for (Inexact rule : {Inexact::silent, Inexact::raised}) {
        want.flags = rule == Inexact::raised && integral.units != x.units ? inexact : 0;
        const Outcome got =
            soft(rounding, [&](Context& context) { return round_to_integral(format, a, rule, context); });
        KILN_EXPECT_OUTCOME("round_to_integral", format, rounding, got, want, a);
    }
    if (format == Format::f64) {
        const Wide truncated = x.units >> -unit_exponent;
        const u32 low = static_cast<u32>(truncated & 0xffff'ffff);
        const u8 flags = round_exact_to_int(x, Rounding::rtz, 1u << 31, (1u << 31) - 1).flags;
        const Outcome modular{x.negative ? -low : low, flags};
        const Outcome got = soft(rounding, [&](Context& context) { return to_int32_modular(a, context); });
        KILN_EXPECT_OUTCOME("to_int32_modular", format, rounding, got, modular, a);
    }
}

TEST(SoftfpExact, Conversions) {
    for (Format format : {Format::f32, Format::f64}) {
        Cases cases(format, 5);
        for (int i = 0; i < 30'000 && !HasFailure(); ++i) {
            const u64 a = cases.operand();
            if (shape_of(format).is_finite(a)) check_conversions(format, all_roundings[cases.below(5)], a);
        }
    }
}

TEST(SoftfpExact, ConversionsOfEveryHalf) {
    const Shape shape = shape_of(Format::f16);
    for (u32 a = 0; a < 0x10000 && !HasFailure(); ++a)
        if (shape.is_finite(a)) check_conversions(Format::f16, all_roundings[a * 7 / 5 % 5], a);
}

TEST(SoftfpExact, FromIntegers) {
    for (Format format : all_formats) {
        Cases cases(format, 6);
        for (int i = 0; i < 30'000; ++i) {
            const u64 value = cases.integer();
            const Rounding rounding = all_roundings[cases.below(5)];
            for (IntType type : all_int_types) {
                const bool is_signed = type == IntType::i32 || type == IntType::i64;
                u64 wide = value;
                if (type == IntType::i32) wide = static_cast<u64>(i64{static_cast<i32>(value)});
                if (type == IntType::u32) wide = static_cast<u32>(value);
                const bool negative = is_signed && static_cast<i64>(wide) < 0;
                const Outcome want =
                    round_exact(shape_of(format), exact(negative, negative ? -wide : wide, 0), rounding);
                const Outcome got =
                    soft(rounding, [&](Context& context) { return from_int(format, type, value, context); });
                KILN_EXPECT_OUTCOME("from_int", format, rounding, got, want, value, static_cast<u64>(type));
            }
        }
    }
}

// ---- against the host's SSE unit ----

/// Runs `operation(T& result)` on the SSE unit under a rounding direction it has; a NaN result becomes
/// canonical.
template <class T, class Operation>
Outcome host(Rounding rounding, Operation operation) {
    constexpr u32 control[] = {0, 3, 1, 2};  // MXCSR.RC of rne, rtz, rdn, rup
    u32 mxcsr = 0x1f80 | control[static_cast<size_t>(rounding)] << 13, after;
    T result{};
    asm volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
    operation(result);
    asm volatile("stmxcsr %0" : "=m"(after) : : "memory");
    mxcsr = 0x1f80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
    Outcome outcome;
    std::memcpy(&outcome.bits, &result, sizeof result);
    if constexpr (!std::is_integral_v<T>)
        if (std::isnan(result)) outcome.bits = canonical_nan(sizeof(T) == 4 ? Format::f32 : Format::f64);
    const std::pair<u32, u8> rows[] = {
        {1, invalid}, {4, divide_by_zero}, {8, overflow}, {16, underflow}, {32, inexact}};
    for (auto [bit, flag] : rows)
        if (after & bit) outcome.flags |= flag;
    return outcome;
}

/// One row an operation and type: r starts as x; y and z are the other operands.
template <class T>
void check_host(Rounding rounding, u64 seed, int rounds) {
    constexpr bool single = sizeof(T) == 4;
    constexpr Format format = single ? Format::f32 : Format::f64;
    constexpr Format other = single ? Format::f64 : Format::f32;
    using Other = std::conditional_t<single, double, float>;
    const Shape shape = shape_of(format);
    const bool has_fma = __builtin_cpu_supports("fma");
    Cases cases(format, seed);
    for (int i = 0; i < rounds; ++i) {
        const u64 a = cases.operand(), b = cases.partner(a), c = cases.addend(format, a, b);
        const T x = value_of<T>(a), y = value_of<T>(b), z = value_of<T>(c);
#define HOST_ROW(what, type, start, if_single, if_double, operation, ...)                \
    {                                                                                    \
        const Outcome want = host<type>(rounding, [&]([[maybe_unused]] type& r) {        \
            start;                                                                       \
            if constexpr (single)                                                        \
                asm volatile(if_single __VA_ARGS__);                                     \
            else                                                                         \
                asm volatile(if_double __VA_ARGS__);                                     \
        });                                                                              \
        const Outcome got = soft(rounding, [&](Context& context) { return operation; }); \
        KILN_EXPECT_OUTCOME(what, format, rounding, got, want, a, b, c);                 \
    }
#define HOST_ARITHMETIC(name)                                       \
    HOST_ROW(#name, T, r = x, #name "ss %1, %0", #name "sd %1, %0", \
             name(format, a, b, context), : "+x"(r) : "x"(y))
#define HOST_COMPARE(name, instruction, condition)                                                      \
    HOST_ROW(#name, bool, , instruction "s %1, %2; " condition " %0",                                   \
             instruction "d %1, %2; " condition " %0", name(format, a, b, context), : "=r"(r) : "x"(x), \
             "x"(y) : "cc")
        HOST_ARITHMETIC(add)
        HOST_ARITHMETIC(sub)
        HOST_ARITHMETIC(mul)
        HOST_ARITHMETIC(div)
        HOST_ROW("sqrt", T, , "sqrtss %1, %0", "sqrtsd %1, %0", sqrt(format, a, context), : "=x"(r) : "x"(x))
        HOST_ROW("convert", Other, , "cvtss2sd %1, %0", "cvtsd2ss %1, %0",
                 convert(format, other, a, context), : "=x"(r) : "x"(x))
        HOST_ROW("eq", bool, , "ucomiss %2, %1; setnp %%al; sete %0; andb %%al, %0",
                 "ucomisd %2, %1; setnp %%al; sete %0; andb %%al, %0",
                 eq(format, a, b, context), : "=&r"(r) : "x"(x), "x"(y) : "rax", "cc")
        HOST_COMPARE(lt, "comis", "seta")
        HOST_COMPARE(le, "comis", "setae")
        HOST_COMPARE(lt_quiet, "ucomis", "seta")
        HOST_COMPARE(le_quiet, "ucomis", "setae")
        const i64 integer = static_cast<i64>(cases.integer());
        HOST_ROW(
            "from i32", T, , "cvtsi2ssl %1, %0", "cvtsi2sdl %1, %0",
            from_int(format, IntType::i32, static_cast<u64>(integer), context), : "=x"(r) : "r"(static_cast<i32>(integer)))
        HOST_ROW("from i64", T, , "cvtsi2ssq %1, %0", "cvtsi2sdq %1, %0",
                 from_int(format, IntType::i64, static_cast<u64>(integer), context), : "=x"(r) : "r"(integer))
#undef HOST_COMPARE
#undef HOST_ARITHMETIC
#undef HOST_ROW
        if (has_fma) {
            Outcome want = host<T>(rounding, [&](T& r) {
                r = x;
                if constexpr (single)
                    asm volatile("vfmadd213ss %2, %1, %0" : "+x"(r) : "x"(y), "x"(z));
                else
                    asm volatile("vfmadd213sd %2, %1, %0" : "+x"(r) : "x"(y), "x"(z));
            });
            // x86 raises nothing for infinity * zero + quiet NaN; the manual asks for NV.
            const auto is = [&](u64 v, u64 magnitude) { return (v & shape.magnitude_mask()) == magnitude; };
            if ((is(a, shape.infinity()) && is(b, 0)) || (is(b, shape.infinity()) && is(a, 0)))
                want.flags |= invalid;
            const Outcome got =
                soft(rounding, [&](Context& context) { return fma(format, a, b, c, context); });
            KILN_EXPECT_OUTCOME("fma", format, rounding, got, want, a, b, c);
        }
    }
}

TEST(SoftfpHost, SingleMatchesSse) {
    for (Rounding rounding : {Rounding::rne, Rounding::rtz, Rounding::rdn, Rounding::rup})
        check_host<float>(rounding, 100 + static_cast<u64>(rounding), 150'000);
}
TEST(SoftfpHost, DoubleMatchesSse) {
    for (Rounding rounding : {Rounding::rne, Rounding::rtz, Rounding::rdn, Rounding::rup})
        check_host<double>(rounding, 200 + static_cast<u64>(rounding), 150'000);
}

// ---- binary16 against binary64 ----

/// Sums and products of binary16 values are exact in binary64: they are multiples of 2^-48 below 2^33 with at
/// most 42 significant bits. Quotients and roots are made exact enough by rounding to odd: truncated to 53
/// bits with the last one set when inexact, they round to 11 bits in any direction as the true value does.
Outcome half_reference(Rounding rounding, bool may_be_inexact, const Outcome& wide) {
    const u64 odd = may_be_inexact && wide.flags & inexact ? 1 : 0;
    Context context{rounding};
    context.flags = wide.flags & (invalid | divide_by_zero);
    const u64 bits = convert(Format::f64, Format::f16, wide.bits | odd, context);
    return {bits, context.flags};
}

double widen(u64 half) {
    Context context;
    return value_of<double>(convert(Format::f16, Format::f64, half, context));
}

TEST(SoftfpHalf, EveryOperandWithHardPartners) {
    const Shape shape = shape_of(Format::f16);
    Cases cases(Format::f16, 9);
    for (u64 a = 0; a < 0x10000; ++a) {
        const double x = widen(a);
        for (int i = 0; i < 24; ++i) {
            const u64 b = cases.partner(a);
            if (shape.is_nan(a) || shape.is_nan(b)) continue;  // the conversion would drop a signal
            const double y = widen(b);
            const Rounding rounding = all_roundings[cases.below(5)];
            // The direction matters to exact zero sums only, whose sign rmm gives as rne does.
            const Rounding direction = rounding == Rounding::rdn ? Rounding::rdn : Rounding::rtz;
            auto check = [&](const char* what, bool may_be_inexact, const Outcome& wide, auto operation) {
                const Outcome got = soft(rounding, operation);
                const Outcome want = half_reference(rounding, may_be_inexact, wide);
                KILN_EXPECT_OUTCOME(what, Format::f16, rounding, got, want, a, b);
            };
            check("add", false,
                  host<double>(direction,
                               [&](double& r) {
                                   r = x;
                                   asm volatile("addsd %1, %0" : "+x"(r) : "x"(y));
                               }),
                  [&](Context& context) { return add(Format::f16, a, b, context); });
            check("mul", false,
                  host<double>(direction,
                               [&](double& r) {
                                   r = x;
                                   asm volatile("mulsd %1, %0" : "+x"(r) : "x"(y));
                               }),
                  [&](Context& context) { return mul(Format::f16, a, b, context); });
            check("div", true,
                  host<double>(Rounding::rtz,
                               [&](double& r) {
                                   r = x;
                                   asm volatile("divsd %1, %0" : "+x"(r) : "x"(y));
                               }),
                  [&](Context& context) { return div(Format::f16, a, b, context); });
            if (HasFailure()) return;
        }
        for (Rounding rounding : all_roundings) {
            if (shape.is_nan(a)) continue;
            const Outcome wide = host<double>(Rounding::rtz, [&](double& r) {
                asm volatile("sqrtsd %1, %0" : "=x"(r) : "x"(x));
            });
            const Outcome got =
                soft(rounding, [&](Context& context) { return sqrt(Format::f16, a, context); });
            const Outcome want = half_reference(rounding, true, wide);
            KILN_EXPECT_OUTCOME("sqrt", Format::f16, rounding, got, want, a);
        }
    }
}

}  // namespace
}  // namespace kiln

// base/softfp against what the manuals say in words: tables of special operands, NaN rules, saturation,
// classification, minimum and maximum, Zfa. Rows, and rules stated once more in plain terms.
#include <bit>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/softfp.h"
#include "fp_cases.h"

namespace kiln {
namespace {

using namespace softfp;
using namespace fp_test;

constexpr Format all_formats[] = {Format::f16, Format::f32, Format::f64};
constexpr Rounding all_roundings[] = {Rounding::rne, Rounding::rtz, Rounding::rdn, Rounding::rup,
                                      Rounding::rmm};

constexpr u64 quiet_nan = 0x7ff8'0000'0000'0000, signaling_nan = 0x7ff0'0000'0000'0001;
constexpr u64 infinity = 0x7ff0'0000'0000'0000, minus = u64{1} << 63;

u64 f64(double value) { return std::bit_cast<u64>(value); }

// NaN and infinity rules do not depend on the format: a table of special operands (which binary32 is compared
// with the host on elsewhere) gives corresponding results in each of them, under every rounding.
TEST(SoftfpManual, SpecialOperandsActAlikeInEveryFormat) {
    auto specials = [](Format format) {
        const Shape shape = shape_of(format);
        const u64 one = static_cast<u64>(shape.bias()) << shape.fraction_bits;
        const u64 four = one + (u64{2} << shape.fraction_bits), quiet = u64{1} << (shape.fraction_bits - 1);
        std::vector<u64> values;
        for (u64 value :
             {u64{0}, one, four, shape.infinity(), shape.infinity() | quiet, shape.infinity() | quiet | 5,
              shape.infinity() | 1, shape.infinity() | (quiet - 1)}) {
            values.push_back(value);
            values.push_back(value | shape.sign_bit());
        }
        return values;
    };
    using Operation = u64 (*)(Format, u64, u64, u64, Context&);
#define KILN_OPERATION(...)                                             \
    [](Format f, u64 a, [[maybe_unused]] u64 b, [[maybe_unused]] u64 c, \
       [[maybe_unused]] Context& x) -> u64 { return __VA_ARGS__; }
    const Operation to_value[] = {KILN_OPERATION(add(f, a, b, x)),
                                  KILN_OPERATION(sub(f, a, b, x)),
                                  KILN_OPERATION(mul(f, a, b, x)),
                                  KILN_OPERATION(div(f, a, b, x)),
                                  KILN_OPERATION(sqrt(f, a, x)),
                                  KILN_OPERATION(fma(f, a, b, c, x)),
                                  KILN_OPERATION(min_number(f, a, b, x)),
                                  KILN_OPERATION(max_number(f, a, b, x)),
                                  KILN_OPERATION(minimum(f, a, b, x)),
                                  KILN_OPERATION(maximum(f, a, b, x)),
                                  KILN_OPERATION(round_to_integral(f, a, Inexact::raised, x))};
    const Operation to_number[] = {KILN_OPERATION(eq(f, a, b, x)),
                                   KILN_OPERATION(lt(f, a, b, x)),
                                   KILN_OPERATION(le(f, a, b, x)),
                                   KILN_OPERATION(lt_quiet(f, a, b, x)),
                                   KILN_OPERATION(le_quiet(f, a, b, x)),
                                   KILN_OPERATION(classify(f, a)),
                                   KILN_OPERATION(to_int(f, a, IntType::i64, x))};
#undef KILN_OPERATION
    const std::vector<u64> singles = specials(Format::f32);
    for (Format format : {Format::f16, Format::f64}) {
        const std::vector<u64> values = specials(format);
        for (Rounding rounding : all_roundings)
            for (size_t i = 0; i < values.size(); ++i)
                for (size_t j = 0; j < values.size(); ++j)
                    for (size_t k = 0; k < values.size(); ++k) {
                        auto check = [&](Operation operation, bool gives_value) {
                            Outcome want = soft(rounding, [&](Context& context) {
                                return operation(Format::f32, singles[i], singles[j], singles[k], context);
                            });
                            Context exact;
                            if (gives_value) want.bits = convert(Format::f32, format, want.bits, exact);
                            ASSERT_EQ(exact.flags, 0);
                            const Outcome got = soft(rounding, [&](Context& context) {
                                return operation(format, values[i], values[j], values[k], context);
                            });
                            KILN_EXPECT_OUTCOME("special", format, rounding, got, want, values[i], values[j],
                                                values[k]);
                        };
                        for (Operation operation : to_value) check(operation, true);
                        for (Operation operation : to_number) check(operation, false);
                        if (HasFailure()) return;
                    }
    }
}

// No host has ties away from zero; on exact results it is nearest-even.
TEST(SoftfpManual, TiesAwayDiffersOnTiesOnly) {
    EXPECT_EQ(soft(Rounding::rmm, [](Context& c) { return add(Format::f64, f64(1), f64(0x1p-53), c); }),
              (Outcome{f64(1 + 0x1p-52), inexact}));
    EXPECT_EQ(soft(Rounding::rne, [](Context& c) { return add(Format::f64, f64(1), f64(0x1p-53), c); }),
              (Outcome{f64(1), inexact}));
    EXPECT_EQ(soft(Rounding::rmm, [](Context& c) { return add(Format::f64, f64(-1), f64(1), c); }),
              (Outcome{0, 0}));
    EXPECT_EQ(soft(Rounding::rmm, [](Context& c) { return mul(Format::f64, f64(1e308), f64(-1e308), c); }),
              (Outcome{infinity | minus, overflow | inexact}));
}

TEST(SoftfpManual, NumbersCompareByValueAndExtremesOrderZeros) {
    for (Format format : all_formats) {
        const Shape shape = shape_of(format);
        Cases cases(format, 31);
        for (int i = 0; i < 50'000; ++i) {
            const u64 a = cases.operand(), b = cases.partner(a);
            if (shape.is_nan(a) || shape.is_nan(b)) continue;
            Context widening;
            const double x = value_of<double>(convert(format, Format::f64, a, widening));
            const double y = value_of<double>(convert(format, Format::f64, b, widening));
            const u64 least = x < y || (x == y && std::signbit(x)) ? a : b, greatest = least == a ? b : a;
            auto check = [&](const char* what, u64 want, auto operation) {
                const Outcome expected{want, 0};
                const Outcome got =
                    soft(Rounding::rne, [&](Context& c) { return operation(format, a, b, c); });
                KILN_EXPECT_OUTCOME(what, format, Rounding::rne, got, expected, a, b);
            };
            check("eq", x == y, eq);
            check("lt", x < y, lt);
            check("le", x <= y, le);
            check("lt_quiet", x < y, lt_quiet);
            check("le_quiet", x <= y, le_quiet);
            check("min_number", least, min_number);
            check("max_number", greatest, max_number);
            check("minimum", least, minimum);
            check("maximum", greatest, maximum);
            if (HasFailure()) return;
        }
    }
}

struct ExtremeRow {
    u64 a, b, number, propagated;
    u8 flags;
};

// F, "Single-Precision Floating-Point Computational Instructions", and Zfa, "Minimum and Maximum
// Instructions".
TEST(SoftfpManual, MinimumAndNaNs) {
    const ExtremeRow rows[] = {
        {f64(1), quiet_nan, f64(1), quiet_nan, 0},
        {quiet_nan | minus | 9, f64(-0.0), f64(-0.0), quiet_nan, 0},
        {signaling_nan, f64(2), f64(2), quiet_nan, invalid},
        {infinity, signaling_nan | minus, infinity, quiet_nan, invalid},
        {quiet_nan | 1, quiet_nan | 2, quiet_nan, quiet_nan, 0},
        {signaling_nan, quiet_nan, quiet_nan, quiet_nan, invalid},
    };
    for (const ExtremeRow& row : rows) {
        for (auto operation : {min_number, max_number})
            EXPECT_EQ(
                soft(Rounding::rne, [&](Context& c) { return operation(Format::f64, row.a, row.b, c); }),
                (Outcome{row.number, row.flags}));
        for (auto operation : {minimum, maximum})
            EXPECT_EQ(
                soft(Rounding::rne, [&](Context& c) { return operation(Format::f64, row.a, row.b, c); }),
                (Outcome{row.propagated, row.flags}));
    }
}

// F, table of fclass bits.
TEST(SoftfpManual, Classify) {
    const double values[] = {-INFINITY, -1.5,    -0x1p-1074, -0.0, 0.0, 0x0.fffffffffffffp-1022,
                             0x1p-1022, INFINITY};
    for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(classify(Format::f64, f64(values[i])), 1u << i) << values[i];
    EXPECT_EQ(classify(Format::f64, signaling_nan), 1u << 8);
    EXPECT_EQ(classify(Format::f64, minus | quiet_nan), 1u << 9);
    const u64 halves[] = {0xfc00, 0xfbff, 0x83ff, 0x8000, 0, 1, 0x0400, 0x7c00, 0x7dff, 0x7e00};
    for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(classify(Format::f16, halves[i]), 1u << i) << halves[i];
    const u64 singles[] = {0xff800000, 0x80800000, 0x80000001, 0x80000000, 0,
                           0x007fffff, 0x7f7fffff, 0x7f800000, 0x7fbfffff, 0xffc00000};
    for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(classify(Format::f32, singles[i]), 1u << i) << singles[i];
}

struct ToIntRow {
    u64 a;
    Rounding rounding;
    u64 i32, u32, i64, u64_;  // results
    u8 flags[4];              // in the same order
};

// F, table "Domains of float-to-integer conversions and behavior for invalid inputs".
TEST(SoftfpManual, ToIntegerSaturates) {
    constexpr u64 min32 = 0x8000'0000, max32 = 0x7fff'ffff, umax32 = 0xffff'ffff;
    constexpr u64 min64 = u64{1} << 63, max64 = min64 - 1, umax64 = ~u64{0};
    constexpr u8 nx = inexact, nv = invalid;
    using enum Rounding;
    const ToIntRow rows[] = {
        {quiet_nan, rne, max32, umax32, max64, umax64, {nv, nv, nv, nv}},
        {minus | signaling_nan, rne, max32, umax32, max64, umax64, {nv, nv, nv, nv}},
        {infinity, rne, max32, umax32, max64, umax64, {nv, nv, nv, nv}},
        {minus | infinity, rne, min32, 0, min64, 0, {nv, nv, nv, nv}},
        {f64(-0.0), rdn, 0, 0, 0, 0, {0, 0, 0, 0}},
        {f64(-0.5), rne, 0, 0, 0, 0, {nx, nx, nx, nx}},
        {f64(-0.5), rmm, umax32, 0, umax64, 0, {nx, nv, nx, nv}},
        {f64(-0.25), rdn, umax32, 0, umax64, 0, {nx, nv, nx, nv}},
        {f64(-1), rtz, umax32, 0, umax64, 0, {0, nv, 0, nv}},
        {f64(2.5), rne, 2, 2, 2, 2, {nx, nx, nx, nx}},
        {f64(2.5), rmm, 3, 3, 3, 3, {nx, nx, nx, nx}},
        {f64(0x1p31 - 0.5), rtz, max32, max32, max32, max32, {nx, nx, nx, nx}},
        {f64(0x1p31 - 0.5), rup, max32, min32, min32, min32, {nv, nx, nx, nx}},
        {f64(-0x1p31 - 0.5), rtz, min32, 0, 0xffff'ffff'8000'0000, 0, {nx, nv, nx, nv}},
        {f64(-0x1p31 - 0.5), rdn, min32, 0, 0xffff'ffff'7fff'ffff, 0, {nv, nv, nx, nv}},
        {f64(0x1p32 + 0.5), rtz, max32, umax32, 0x1'0000'0000, 0x1'0000'0000, {nv, nv, nx, nx}},
        {f64(-0x1p63), rne, min32, 0, min64, 0, {nv, nv, 0, nv}},
        {f64(0x1p63), rne, max32, umax32, max64, min64, {nv, nv, nv, 0}},
        {f64(0x1p64), rne, max32, umax32, max64, umax64, {nv, nv, nv, nv}},
    };
    for (const ToIntRow& row : rows) {
        const u64 want[] = {row.i32, row.u32, row.i64, row.u64_};
        for (int type = 0; type < 4; ++type)
            EXPECT_EQ(
                soft(row.rounding, [&](Context& c) { return to_int(Format::f64, row.a, IntType(type), c); }),
                (Outcome{want[type], row.flags[type]}))
                << std::hex << row.a << " to type " << type;
    }
}

TEST(SoftfpManual, ConvertBetweenFormats) {
    struct Row {
        Format from, to;
        u64 a, want;
        u8 flags;
    };
    const Row rows[] = {
        {Format::f32, Format::f64, 0xff800000, minus | infinity, 0},
        {Format::f32, Format::f64, 0xffc12345, quiet_nan, 0},
        {Format::f32, Format::f64, 0x7f800001, quiet_nan, invalid},
        {Format::f64, Format::f16, minus | quiet_nan | 77, 0x7e00, 0},
        {Format::f64, Format::f16, signaling_nan, 0x7e00, invalid},
        {Format::f16, Format::f32, 0x0001, 0x33800000, 0},
        {Format::f32, Format::f16, 0x477ff000, 0x7c00,
         overflow | inexact},  // 65520, the tie above the greatest
        {Format::f32, Format::f16, 0x33000000, 0x0000, underflow | inexact},  // half the least subnormal
        {Format::f32, Format::f16, 0x387ff000, 0x0400, inexact},  // rounds up to the least normal: not tiny
    };
    for (const Row& row : rows)
        EXPECT_EQ(soft(Rounding::rne, [&](Context& c) { return convert(row.from, row.to, row.a, c); }),
                  (Outcome{row.want, row.flags}))
            << std::hex << row.a;
    EXPECT_EQ(canonical_nan(Format::f16), 0x7e00u);
    EXPECT_EQ(canonical_nan(Format::f32), 0x7fc00000u);
    EXPECT_EQ(canonical_nan(Format::f64), quiet_nan);
}

// Zfa, "Round-to-Integer Instructions".
TEST(SoftfpManual, RoundToIntegral) {
    struct Row {
        double a;
        Rounding rounding;
        double want;
        u8 flags;
    };
    using enum Rounding;
    const Row rows[] = {
        {0.5, rne, 0.0, inexact},
        {1.5, rne, 2.0, inexact},
        {2.5, rne, 2.0, inexact},
        {2.5, rmm, 3.0, inexact},
        {-2.5, rmm, -3.0, inexact},
        {-0.25, rne, -0.0, inexact},
        {-0.25, rdn, -1.0, inexact},
        {-0.25, rup, -0.0, inexact},
        {0x1p-1074, rup, 1.0, inexact},
        {-7.9, rtz, -7.0, inexact},
        {-0.0, rup, -0.0, 0},
        {0x1p52 + 1, rne, 0x1p52 + 1, 0},
        {1e300, rdn, 1e300, 0},
        {-INFINITY, rne, -INFINITY, 0},
        {0x1.fffffffffffffp51, rne, 0x1p52, inexact},
    };
    for (const Row& row : rows)
        for (Inexact rule : {Inexact::silent, Inexact::raised})
            EXPECT_EQ(soft(row.rounding,
                           [&](Context& c) { return round_to_integral(Format::f64, f64(row.a), rule, c); }),
                      (Outcome{f64(row.want), rule == Inexact::raised ? row.flags : u8{0}}))
                << row.a;
    EXPECT_EQ(
        soft(rne,
             [](Context& c) { return round_to_integral(Format::f64, signaling_nan, Inexact::silent, c); }),
        (Outcome{quiet_nan, invalid}));
    EXPECT_EQ(soft(rne,
                   [](Context& c) {
                       return round_to_integral(Format::f64, minus | quiet_nan, Inexact::raised, c);
                   }),
              (Outcome{quiet_nan, 0}));
}

// Zfa, "Modular Convert-to-Integer Instruction": always truncates, flags of fcvt.w.d.
TEST(SoftfpManual, ConvertModular) {
    struct Row {
        u64 a;
        u64 want;
        u8 flags;
    };
    const Row rows[] = {
        {f64(1.9), 1, inexact},
        {f64(-1.9), 0xffff'ffff, inexact},
        {f64(-0x1p31), 0x8000'0000, 0},
        {f64(-0x1p31 - 0.5), 0x8000'0000, inexact},
        {f64(0x1p31), 0x8000'0000, invalid},
        {f64(0x1p32 + 3.5), 3, invalid},
        {f64(-0x1p32 - 3), 0xffff'fffd, invalid},
        {f64(0x1.0000000000001p83), 0x8000'0000, invalid},  // 2^83 + 2^31
        {f64(0x1.0000000000001p84), 0, invalid},            // 2^84 + 2^32
        {f64(1e300), 0, invalid},
        {infinity, 0, invalid},
        {minus | infinity, 0, invalid},
        {quiet_nan, 0, invalid},
        {signaling_nan, 0, invalid},
        {f64(0x1p-1074), 0, inexact},
    };
    for (const Row& row : rows)
        EXPECT_EQ(soft(Rounding::rup, [&](Context& c) { return to_int32_modular(row.a, c); }),
                  (Outcome{row.want, row.flags}))
            << std::hex << row.a;
}

// F: "must set the invalid operation exception flag when the multiplicands are infinity and zero, even when
// the addend is a quiet NaN". Flags gather.
TEST(SoftfpManual, FusedInvalidAndStickyFlags) {
    Context context;
    EXPECT_EQ(fma(Format::f64, infinity, minus, quiet_nan, context), quiet_nan);
    EXPECT_EQ(context.flags, invalid);
    EXPECT_EQ(div(Format::f64, f64(1), minus, context), minus | infinity);
    EXPECT_EQ(context.flags, invalid | divide_by_zero);
    EXPECT_EQ(add(Format::f64, f64(1), f64(1), context), f64(2));
    EXPECT_EQ(context.flags, invalid | divide_by_zero);
}

// The bits above the width belong to the caller: NaN boxes, sign extension.
TEST(SoftfpManual, BitsAboveTheWidthAreIgnored) {
    Context context;
    constexpr u64 box16 = ~u64{0xffff}, box32 = ~u64{0xffff'ffff};
    EXPECT_EQ(add(Format::f16, box16 | 0x3c00, box16 | 0x3c00, context), 0x4000u);
    EXPECT_EQ(add(Format::f16, box16 | 0x3c00, box16, context), 0x3c00u);
    EXPECT_EQ(sqrt(Format::f32, box32, context), 0u);
    EXPECT_EQ(add(Format::f32, box32 | 0xff800000, box32 | 0x3f800000, context), 0xff800000u);
    EXPECT_EQ(minimum(Format::f32, box32 | 0x3f800000, 0xbf800000, context), 0xbf800000u);
    EXPECT_EQ(round_to_integral(Format::f32, box32 | 0x4f800000, Inexact::raised, context), 0x4f800000u);
    EXPECT_EQ(from_int(Format::f32, IntType::u32, box32 | 1, context), 0x3f800000u);
    EXPECT_EQ(from_int(Format::f32, IntType::i32, 0xffff'ffff, context), 0xbf800000u);
    EXPECT_EQ(to_int(Format::f64, f64(-1), IntType::i32, context), 0xffff'ffffu);
    EXPECT_EQ(context.flags, 0);
}

}  // namespace
}  // namespace kiln

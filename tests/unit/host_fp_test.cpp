// interp/host_fp against base/softfp with rounding to nearest even: results and flags, on the same hard
// operands that softfp itself is tested with, and the environment functions.
#include "base/host_fp.h"

#include <gtest/gtest.h>

#include "fp_cases.h"

namespace kiln {
namespace {

using namespace softfp;
using namespace fp_test;

/// What `operation()` leaves in MXCSR besides its result.
template <class Operation>
Outcome host(Operation operation) {
    host_fp::write_flags(0);
    const auto result = operation();
    const u8 flags = host_fp::read_flags();
    Outcome outcome{0, flags};
    std::memcpy(&outcome.bits, &result, sizeof result);
    return outcome;
}

template <class T>
void check_type(u64 seed, int rounds) {
    constexpr Format format = host_fp::format_of<T>;
    Cases cases(format, seed);
    for (int i = 0; i < rounds; ++i) {
        const u64 a = cases.operand(), b = cases.partner(a), c = cases.addend(format, a, b);
        const T x = value_of<T>(a), y = value_of<T>(b), z = value_of<T>(c);
        auto check = [&](const char* what, auto on_host, auto in_software) {
            const Outcome got = host(on_host), want = soft(Rounding::rne, in_software);
            KILN_EXPECT_OUTCOME(what, format, Rounding::rne, got, want, a, b, c);
        };
#define CHECK_BINARY(name)                          \
    check(                                          \
        #name, [&] { return host_fp::name(x, y); }, \
        [&](Context& context) { return softfp::name(format, a, b, context); })
        CHECK_BINARY(add);
        CHECK_BINARY(sub);
        CHECK_BINARY(mul);
        CHECK_BINARY(div);
        CHECK_BINARY(eq);
        CHECK_BINARY(lt);
        CHECK_BINARY(le);
        CHECK_BINARY(lt_quiet);
        CHECK_BINARY(le_quiet);
        CHECK_BINARY(min_number);
        CHECK_BINARY(max_number);
        CHECK_BINARY(minimum);
        CHECK_BINARY(maximum);
#undef CHECK_BINARY
        check(
            "sqrt", [&] { return host_fp::sqrt(x); },
            [&](Context& context) { return softfp::sqrt(format, a, context); });
        const auto soft_fma = [&](Context& context) { return softfp::fma(format, a, b, c, context); };
        check("fma", [&] { return host_fp::fma(x, y, z); }, soft_fma);
        check("fma without FMA3", [&] { return host_fp::soft_fma(x, y, z); }, soft_fma);
        auto to_int = [&](IntType type) {
            return [=](Context& context) {
                context.rounding = Rounding::rtz;
                return softfp::to_int(format, a, type, context);
            };
        };
        check("to_i32", [&] { return host_fp::to_i32(x); }, to_int(IntType::i32));
        check("to_u32", [&] { return host_fp::to_u32(x); }, to_int(IntType::u32));
        check("to_i64", [&] { return host_fp::to_i64(x); }, to_int(IntType::i64));
        check("to_u64", [&] { return host_fp::to_u64(x); }, to_int(IntType::u64));
        if (testing::Test::HasFailure()) return;
    }
}

TEST(HostFp, SingleMatchesSoftfp) { check_type<float>(11, 300'000); }
TEST(HostFp, DoubleMatchesSoftfp) { check_type<double>(12, 300'000); }

// Every integer width's borders, one unit and one half to either side, where saturation and flags change.
TEST(HostFp, ConversionBordersMatchSoftfp) {
    for (int power : {0, 7, 23, 24, 31, 32, 52, 53, 62, 63, 64, 65})
        for (double sign : {1.0, -1.0})
            for (double offset : {-1.0, -0.75, -0.5, 0.0, 0.5, 0.75, 1.0})
                for (int ulps = -2; ulps <= 2; ++ulps) {
                    const double base = sign * __builtin_ldexp(1, power) + offset;
                    const u64 a = host_fp::bits_of(base) + static_cast<u64>(ulps);
                    const float single = static_cast<float>(base);
                    const u64 s = (host_fp::bits_of(single) + static_cast<u64>(ulps)) & 0xffff'ffff;
                    auto check = [&](IntType type, auto of_double, auto of_single) {
                        for (Format format : {Format::f32, Format::f64}) {
                            const bool is_single = format == Format::f32;
                            const Outcome got = is_single
                                                    ? host([&] { return of_single(value_of<float>(s)); })
                                                    : host([&] { return of_double(value_of<double>(a)); });
                            const Outcome want = soft(Rounding::rtz, [&](Context& context) {
                                return to_int(format, is_single ? s : a, type, context);
                            });
                            KILN_EXPECT_OUTCOME("to_int", format, Rounding::rtz, got, want,
                                                is_single ? s : a);
                        }
                    };
                    check(IntType::i32, host_fp::to_i32<double>, host_fp::to_i32<float>);
                    check(IntType::u32, host_fp::to_u32<double>, host_fp::to_u32<float>);
                    check(IntType::i64, host_fp::to_i64<double>, host_fp::to_i64<float>);
                    check(IntType::u64, host_fp::to_u64<double>, host_fp::to_u64<float>);
                    if (HasFailure()) return;
                }
}

TEST(HostFp, ConversionsMatchSoftfp) {
    Cases cases(Format::f64, 13);
    for (int i = 0; i < 300'000; ++i) {
        const u64 integer = cases.integer(), a = cases.operand(), s = Cases(Format::f32, a).operand();
        auto check = [&](const char* what, Format format, u64 operand, auto on_host, auto in_software) {
            const Outcome got = host(on_host), want = soft(Rounding::rne, in_software);
            KILN_EXPECT_OUTCOME(what, format, Rounding::rne, got, want, operand);
        };
#define CHECK_FROM(format, type)                                                   \
    check(                                                                         \
        #format " from " #type, Format::format, integer,                           \
        [&] { return host_fp::format##_from_##type(static_cast<type>(integer)); }, \
        [&](Context& context) { return from_int(Format::format, IntType::type, integer, context); })
        CHECK_FROM(f32, i32);
        CHECK_FROM(f32, u32);
        CHECK_FROM(f32, i64);
        CHECK_FROM(f32, u64);
        CHECK_FROM(f64, i32);
        CHECK_FROM(f64, u32);
        CHECK_FROM(f64, i64);
        CHECK_FROM(f64, u64);
#undef CHECK_FROM
        check(
            "f32 from f64", Format::f32, a, [&] { return host_fp::f32_from_f64(value_of<double>(a)); },
            [&](Context& context) { return convert(Format::f64, Format::f32, a, context); });
        check(
            "f64 from f32", Format::f64, s, [&] { return host_fp::f64_from_f32(value_of<float>(s)); },
            [&](Context& context) { return convert(Format::f32, Format::f64, s, context); });
        if (HasFailure()) return;
    }
}

TEST(HostFp, FlagsMapBothWays) {
    for (u8 flags = 0; flags < 32; ++flags) {
        host_fp::write_flags(flags);
        EXPECT_EQ(host_fp::read_flags(), flags);
        EXPECT_EQ(host_fp::read_mxcsr() & ~0x3fu, host_fp::default_mxcsr);
        host_fp::raise_flags(inexact);
        EXPECT_EQ(host_fp::read_flags(), flags | inexact);
    }
    host_fp::write_mxcsr(0xffff);  // DAZ, FTZ, truncation, everything raised
    host_fp::reset_environment();
    EXPECT_EQ(host_fp::read_mxcsr(), host_fp::default_mxcsr);
}

// Operations only add flags, however they are carried out; with constant operands nothing is folded away.
TEST(HostFp, FlagsGatherAcrossHardwareAndSoftware) {
    host_fp::reset_environment();
    EXPECT_EQ(host_fp::div(1.0, 3.0), 1.0 / 3.0);
    EXPECT_EQ(host_fp::read_flags(), inexact);
    host_fp::div(1.0f, 0.0f);
    EXPECT_EQ(host_fp::read_flags(), inexact | divide_by_zero);
    const u64 sum = host_fp::with_rounding(Rounding::rup, [](Context& context) {
        return add(Format::f64, host_fp::bits_of(0x1.fffffffffffffp1023), host_fp::bits_of(1.0), context);
    });
    EXPECT_EQ(sum, host_fp::bits_of(__builtin_inf()));
    EXPECT_EQ(host_fp::read_flags(), inexact | divide_by_zero | overflow);
    host_fp::reset_environment();
}

}  // namespace
}  // namespace kiln

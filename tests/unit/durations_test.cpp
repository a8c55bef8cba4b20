// Distributions of durations.
#include "base/durations.h"

#include <gmock/gmock.h>

namespace kiln {
namespace {

/// Within the eighth that a bucket is wide.
testing::Matcher<u64> about(u64 ns) {
    return testing::AllOf(testing::Ge(ns - ns / 8), testing::Le(ns + ns / 8));
}

TEST(Durations, Percentiles) {
    EXPECT_EQ(summary(Duration::unit_compiled).count, 0u);
    EXPECT_EQ(summary(Duration::unit_compiled).p99_ns, 0u);
    for (u64 i = 1; i <= 1000; ++i) record(Duration::unit_compiled, i * 1000);
    const DurationSummary s = summary(Duration::unit_compiled);
    EXPECT_EQ(s.count, 1000u);
    EXPECT_EQ(s.total_ns, 500500u * 1000);
    EXPECT_THAT(s.median_ns, about(500'000));
    EXPECT_THAT(s.p99_ns, about(990'000));
    EXPECT_EQ(s.longest_ns, 1'000'000u);
    EXPECT_EQ(summary(Duration::unit_interpreted).count, 0u);
}

TEST(Durations, NoneIsLongerThanTheLongest) {
    for (u64 ns : {u64{0}, u64{7}, u64{8}, u64{9}, u64{1} << 40, ~u64{0}}) {
        record(Duration::unit_interpreted, ns);
        EXPECT_EQ(summary(Duration::unit_interpreted).longest_ns, ns);
        EXPECT_LE(summary(Duration::unit_interpreted).p99_ns, ns);
    }
    EXPECT_THAT(summary(Duration::unit_interpreted).median_ns, testing::AnyOf(8, 9));
}

}  // namespace
}  // namespace kiln

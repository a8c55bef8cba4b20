// When units are compiled.
#include "run/policy.h"

#include <gtest/gtest.h>

namespace kiln::run {
namespace {

TEST(Policy, AFixedNumberStaysFixed) {
    Policy policy({.hot_after = 64});
    CachedUnit unit;
    for (int i = 0; i < 100'000; ++i) policy.count_entry(&unit);
    EXPECT_EQ(unit.entries, 100'000u);
    EXPECT_FALSE(policy.adapts());
    EXPECT_EQ(policy.hot_after(), 64u);
}

TEST(Policy, AdaptsToWhatThingsTake) {
    Policy policy({.hot_after = 64, .adaptive = true, .alpha = 0.2});
    policy.note_compiled(10, 4000);
    EXPECT_EQ(policy.hot_after(), 64u) << "nothing is known of interpreting yet";
    policy.note_interpreted(100, 1000);
    EXPECT_EQ(policy.hot_after(), 40u);
    // 400 + 0.2 * (900 - 400) nanoseconds for an instruction.
    policy.note_compiled(10, 9000);
    EXPECT_EQ(policy.hot_after(), 50u);
    policy.note_interpreted(0, 1'000'000);
    EXPECT_EQ(policy.hot_after(), 50u) << "nothing was interpreted";
    policy.note_interpreted(1, 1'000'000'000);
    EXPECT_EQ(policy.hot_after(), 16u) << "it stays within bounds";
    policy.note_compiled(1, 1'000'000'000'000'000);
    EXPECT_EQ(policy.hot_after(), 1024u);
}

TEST(Policy, EntriesFade) {
    constexpr int epoch = 4096;
    Policy policy({.hot_after = 64, .decay = 0.5});
    CachedUnit unit;
    for (int i = 0; i < 40; ++i) policy.count_entry(&unit);
    EXPECT_EQ(unit.entries, 40u);
    for (int i = 0; i < 2 * epoch; ++i) policy.count_entry(nullptr);
    EXPECT_EQ(unit.entries, 40u) << "when it is next entered";
    policy.count_entry(&unit);
    EXPECT_EQ(unit.entries, 10u + 1);
    for (int i = 0; i < 1000 * epoch; ++i) policy.count_entry(nullptr);
    policy.count_entry(&unit);
    EXPECT_EQ(unit.entries, 1u);
}

}  // namespace
}  // namespace kiln::run

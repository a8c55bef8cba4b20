// When units are compiled.
#include "run/policy.h"

#include <gtest/gtest.h>

namespace kiln::run {
namespace {

TEST(Policy, AFixedNumberStaysFixed) {
    Policy policy({.hot_after = 64});
    CachedUnit unit;
    policy.count_entries(unit, 60);
    EXPECT_FALSE(policy.is_hot(unit));
    EXPECT_EQ(policy.ask_after(unit), 4u);
    policy.count_entries(unit, 4);
    EXPECT_TRUE(policy.is_hot(unit));
    EXPECT_FALSE(policy.adapts());
    EXPECT_EQ(policy.hot_after(), 64u);
}

TEST(Policy, UnitsCountAsFarAsTheyCan) {
    const Policy policy({.hot_after = 70'000});
    CachedUnit unit;
    EXPECT_EQ(policy.ask_after(unit), 65'535u);
    unit.counted = 65'535;
    EXPECT_EQ(policy.ask_after(unit), 4465u);
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

TEST(Policy, RegionsLeftEarlyGoBack) {
    Policy policy({.region_after = 1});
    const auto stays = [&](u64 instructions_an_entry) {
        CachedUnit region;
        for (int round = 0; round < 8; ++round) {
            policy.note_sample_in(region, instructions_an_entry * Policy::trial_round);
            if (!policy.may_stay(region)) return false;
        }
        return true;
    };
    EXPECT_FALSE(stays(5));
    EXPECT_TRUE(stays(20));
    // What it does later counts, too.
    CachedUnit region;
    policy.note_sample_in(region, u64{1} << 24);
    int rounds = 0;
    while (policy.may_stay(region)) ++rounds;
    EXPECT_GT(rounds, 4);
    EXPECT_LT(rounds, 40);
}

TEST(Policy, EntriesFade) {
    constexpr int epoch = 4096;
    Policy policy({.hot_after = 64, .decay = 0.5});
    CachedUnit unit;
    policy.count_entries(unit, 40);
    EXPECT_EQ(policy.ask_after(unit), 8u) << "what is left is counted in small steps, so that it can fade";
    for (int i = 0; i < 2 * epoch; ++i) policy.count_search();
    EXPECT_EQ(unit.counted, 40u) << "when it next asks";
    policy.count_entries(unit, 1);
    EXPECT_EQ(unit.counted, 10u + 1);
    for (int i = 0; i < 1000 * epoch; ++i) policy.count_search();
    policy.count_entries(unit, 1);
    EXPECT_EQ(unit.counted, 1u);
}

}  // namespace
}  // namespace kiln::run

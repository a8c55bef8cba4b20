#include "run/policy.h"

namespace kiln::run {

void Policy::follow(const PolicyOptions& options) {
    options_ = options;
    hot_after_ = options.hot_after;
    counts_searches_.store(options.decay < 1, std::memory_order_relaxed);
    adapts_.store(options.adaptive, std::memory_order_relaxed);
}

void Policy::fade(CachedUnit& unit) const {
    const u32 epoch = static_cast<u32>(searches_ / searches_per_epoch);
    double entries = unit.counted;
    for (; unit.epoch != epoch && entries >= 1; ++unit.epoch) entries *= options_.decay;
    unit.epoch = epoch;
    unit.counted = static_cast<u32>(entries);
}

void Policy::adapt(double& average, u64 instructions, u64 nanoseconds) {
    if (instructions == 0) return;
    const double newest = static_cast<double>(nanoseconds) / static_cast<double>(instructions);
    average = average == 0 ? newest : average + options_.alpha * (newest - average);
    // However odd the figures are: a host that stands still while a unit is interpreted, say.
    constexpr double least = 16, most = 1024;
    if (compile_ns_ != 0 && interpret_ns_ != 0)
        hot_after_ = static_cast<u32>(std::clamp(compile_ns_ / interpret_ns_, least, most));
}

bool Policy::may_stay(CachedUnit& region) const {
    region.trial_entries += trial_round;
    if (region.trial_entries < trial_rounds * trial_round) return true;
    const bool stays = region.trial_instructions >= least_stay * region.trial_entries;
    region.trial_entries /= 2;
    region.trial_instructions /= 2;
    return stays;
}

void Policy::note_compiled(u64 instructions, u64 nanoseconds) {
    adapt(compile_ns_, instructions, nanoseconds);
}
void Policy::note_interpreted(u64 instructions, u64 nanoseconds) {
    adapt(interpret_ns_, instructions, nanoseconds);
}

}  // namespace kiln::run

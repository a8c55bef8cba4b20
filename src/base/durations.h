// How long things took, as a distribution: rows of durations.def. Recorded while times are counted (base/counters.h),
// read by the report (debug/stats.h).
//
// A duration falls into one of the buckets that divide each power of two into eight equal parts, so a percentile is
// right to within an eighth.
#pragma once

#include <atomic>
#include <string_view>

#include "base/counters.h"

namespace kiln {

enum class Duration : u8 {
#define DURATION(name, sentence) name,
#include "base/durations.def"
#undef DURATION
};
inline constexpr std::size_t duration_count = 0
#define DURATION(name, sentence) +1
#include "base/durations.def"
#undef DURATION
    ;

struct DurationInfo {
    std::string_view name;
    std::string_view sentence;
};
const DurationInfo& info(Duration duration);

/// Adds one; any thread.
void record(Duration duration, u64 nanoseconds);

struct DurationSummary {
    u64 count = 0;
    u64 total_ns = 0;
    u64 median_ns = 0, p99_ns = 0, longest_ns = 0;
};
/// Of what was recorded so far; any thread.
DurationSummary summary(Duration duration);

}  // namespace kiln

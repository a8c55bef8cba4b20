// The engine's counters: one row each in counters.def, read by the report (debug/stats.h).
//
// A count is exact and costs one locked addition, so count() is for what happens at most once per lookup,
// unit made, system call and the like. What happens more often (guest instructions, units run) is tallied by
// its owner and handed over in bulk when a thread stops or the report is due.
#pragma once

#include <atomic>
#include <string_view>

#include "base/types.h"

namespace kiln {

enum class Counter : u8 {
#define COUNTER(name, unit, group, sentence) name,
#include "base/counters.def"
#undef COUNTER
};
inline constexpr std::size_t counter_count = 0
#define COUNTER(name, unit, group, sentence) +1
#include "base/counters.def"
#undef COUNTER
    ;

enum class CounterUnit : u8 {
    instructions,
    units,
    templates,
    lookups,
    evictions,
    switches,
    bytes,
    operations,
    links,
    jumps,
    faults,
    nanoseconds,
    calls,
    signals,
    threads,
    accesses,
    chapters,
    images
};
enum class CounterGroup : u8 { execution, translation, store, lockstep, system };

struct CounterInfo {
    std::string_view name;
    CounterUnit unit;
    CounterGroup group;
    std::string_view sentence;
};
const CounterInfo& info(Counter counter);

/// A figure of the report that has no row in counters.def because another table names it (system calls,
/// exits).
struct NamedCount {
    std::string_view name;
    u64 count = 0;
};

/// Written with relaxed order: the values are statistics and order nothing.
inline constinit std::atomic<u64> counter_values[counter_count]{};

/// Any thread; async-signal-safe.
inline void count(Counter counter, u64 n = 1) {
    counter_values[static_cast<u8>(counter)].fetch_add(n, std::memory_order_relaxed);
}
/// Any thread; async-signal-safe.
inline u64 value(Counter counter) {
    return counter_values[static_cast<u8>(counter)].load(std::memory_order_relaxed);
}

/// Whether CountedTime reads the clock: it costs more than the shorter things it measures. Set before the first use.
inline constinit bool times_are_counted = false;

/// Adds the nanoseconds between its construction and its end to a counter, if `counted`.
class CountedTime {
  public:
    explicit CountedTime(Counter counter, bool counted = times_are_counted)
        : counter_(counter), begin_(counted ? now() : 0) {}
    CountedTime(const CountedTime&) = delete;
    CountedTime& operator=(const CountedTime&) = delete;
    ~CountedTime() {
        if (begin_ != 0) count(counter_, now() - begin_);
    }

    /// Nanoseconds of the monotonic clock.
    static u64 now();

  private:
    Counter counter_;
    u64 begin_;
};

}  // namespace kiln

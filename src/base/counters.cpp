#include "base/counters.h"

#include <ctime>

namespace kiln {

const CounterInfo& info(Counter counter) {
    static constexpr CounterInfo table[] = {
#define COUNTER(name, unit, group, sentence) {#name, CounterUnit::unit, CounterGroup::group, sentence},
#include "base/counters.def"
#undef COUNTER
    };
    return table[static_cast<u8>(counter)];
}

u64 CountedTime::now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
}

}  // namespace kiln

// What the host knows: clocks, the processor, how much has been run.
#include <ctime>

#include <sched.h>
#include <x86intrin.h>

#include "abi/helpers.h"

namespace kiln::abi::helpers {

u64 clock_cycles(Context&, u64, u64) { return __rdtsc(); }

u64 clock_time(Context&, u64, u64) {
    // Monotonic, as a time register is.
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<u64>(now.tv_sec) * 10'000'000 + static_cast<u64>(now.tv_nsec) / 100;
}

u64 instret(Context& context, u64, u64) { return context.instructions(); }

u64 yield_host(Context&, u64, u64) {
    sched_yield();
    return 0;
}

}  // namespace kiln::abi::helpers

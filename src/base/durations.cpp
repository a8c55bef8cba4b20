#include "base/durations.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace kiln {
namespace {

constexpr unsigned parts_bits = 3;
constexpr std::size_t buckets = 64 << parts_bits;

/// Untouched pages of it take no memory.
struct Distribution {
    std::atomic<u32> count[buckets];
    std::atomic<u64> total_ns, longest_ns;
};
constinit Distribution distributions[duration_count]{};

/// Short durations, below 2^parts_bits, have buckets of their own.
constexpr std::size_t bucket_of(u64 ns) {
    if (ns < 1u << parts_bits) return ns;
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - parts_bits;
    return (std::size_t{shift} << parts_bits) + (ns >> shift);
}
/// The middle of what falls into a bucket.
constexpr u64 middle_of(std::size_t bucket) {
    if (bucket < 1u << parts_bits) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket >> parts_bits) - 1;
    const u64 low = ((bucket & ((1u << parts_bits) - 1)) + (1u << parts_bits)) << shift;
    return low + ((u64{1} << shift) >> 1);
}
static_assert(bucket_of(7) == 7 && bucket_of(8) == 8 && bucket_of(15) == 15 && bucket_of(16) == 16 &&
              bucket_of(17) == 16 && bucket_of(~u64{0}) < buckets);
static_assert(bucket_of(middle_of(200)) == 200 && bucket_of(middle_of(9)) == 9);

}  // namespace

const DurationInfo& info(Duration duration) {
    static constexpr DurationInfo table[] = {
#define DURATION(name, sentence) {#name, sentence},
#include "base/durations.def"
#undef DURATION
    };
    return table[static_cast<u8>(duration)];
}

void record(Duration duration, u64 nanoseconds) {
    Distribution& d = distributions[static_cast<u8>(duration)];
    d.count[bucket_of(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
    d.total_ns.fetch_add(nanoseconds, std::memory_order_relaxed);
    u64 longest = d.longest_ns.load(std::memory_order_relaxed);
    while (longest < nanoseconds &&
           !d.longest_ns.compare_exchange_weak(longest, nanoseconds, std::memory_order_relaxed)) {
    }
}

DurationSummary summary(Duration duration) {
    const Distribution& d = distributions[static_cast<u8>(duration)];
    DurationSummary result{.total_ns = d.total_ns.load(std::memory_order_relaxed),
                           .longest_ns = d.longest_ns.load(std::memory_order_relaxed)};
    u32 counts[buckets];
    for (std::size_t i = 0; i < buckets; ++i) {
        counts[i] = d.count[i].load(std::memory_order_relaxed);
        result.count += counts[i];
    }
    /// The duration that `per_mille` of them do not exceed.
    const auto percentile = [&](u64 per_mille) {
        u64 left = (result.count * per_mille + 999) / 1000;
        std::size_t bucket = 0;
        while (bucket < buckets - 1 && left > counts[bucket]) left -= counts[bucket++];
        return std::min(middle_of(bucket), result.longest_ns);
    };
    if (result.count == 0) return result;
    result.median_ns = percentile(500);
    result.p99_ns = percentile(990);
    return result;
}

}  // namespace kiln

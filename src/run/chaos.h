// Chaos: the engine takes by chance, from a seed, what else it takes rarely, so that tests get there (--chaos).
#pragma once

#include <atomic>
#include <iterator>
#include <optional>

#include "base/options.h"

namespace kiln::run {

/// Any thread.
class Chaos {
  public:
    /// Without a seed nothing happens by chance.
    explicit Chaos(std::optional<u64> seed) : on_(seed.has_value()), state_(seed.value_or(0)) {}

    bool on() const { return on_; }
    /// The most instructions of the next unit, instead of `most`.
    u32 unit_limit(u32 most) { return on_ ? 1 + static_cast<u32>(random() % most) : most; }
    /// Whether a link is not made this time, and a jump not remembered.
    bool delays_link() { return on_ && random() % 4 != 0; }
    /// Whether all units are dropped before the next one comes; else whether half of them are evicted.
    bool drops_units() { return on_ && random() % 512 == 0; }
    bool evicts_units() { return on_ && random() % 128 == 0; }
    /// Instructions until it is next looked where the guest is, instead of `usual`: regions are found soon.
    u64 sample_distance(u64 usual) const { return on_ ? 256 : usual; }
    /// Whether a step of making compiled code fails: asked after each, as each may have left something behind.
    bool fails_compiling() { return on_ && random() % 32 == 0; }
    /// Whether another engine takes over; which.
    bool switches_engine() { return on_ && random() % 65536 == 0; }
    EngineKind engine() {
        constexpr EngineKind kinds[] = {EngineKind::interp, EngineKind::jit1, EngineKind::jit2,
                                        EngineKind::hybrid};
        return kinds[random() % std::size(kinds)];
    }

  private:
    u64 random() {  // Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014
        u64 z = state_.fetch_add(0x9e37'79b9'7f4a'7c15, std::memory_order_relaxed);
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }

    const bool on_;
    std::atomic<u64> state_;
};

}  // namespace kiln::run

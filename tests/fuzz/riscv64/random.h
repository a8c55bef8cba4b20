// Random numbers that are the same on every machine and with every library: a seed names a test for ever.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "base/types.h"

namespace kiln::fuzz {

/// SplitMix64.
class Random {
  public:
    explicit Random(u64 seed) : state_(seed) {}

    u64 next() {
        u64 z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    /// 0 to limit - 1.
    u64 below(u64 limit) { return static_cast<u64>(u128{next()} * limit >> 64); }
    /// Both ends included.
    i64 between(i64 low, i64 high) { return low + static_cast<i64>(below(static_cast<u64>(high - low) + 1)); }
    /// True once in `n` times.
    bool once_in(u64 n) { return below(n) == 0; }

    template <class Container>
    const auto& pick(const Container& from) {
        return *(std::begin(from) + static_cast<std::ptrdiff_t>(below(std::size(from))));
    }
    template <class T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[below(from.size())];
    }

  private:
    u64 state_;
};

}  // namespace kiln::fuzz

// What a unit under way covers, and how far it goes: the rules that every way of forming units follows.
#pragma once

#include <vector>

#include "base/types.h"

namespace kiln::abi {

/// A run of guest code bytes that a unit was made from.
struct CodeRange {
    GuestAddr begin;
    u32 bytes = 0;
    bool operator==(const CodeRange&) const = default;
};

class Extent {
  public:
    /// Notes in `ranges`, which it empties, what is covered.
    explicit Extent(std::vector<CodeRange>& ranges) : ranges_(ranges) { ranges_.clear(); }

    /// Adds the bytes of an instruction.
    void cover(GuestAddr pc, u8 length) {
        if (ranges_.empty() || ranges_.back().begin + ranges_.back().bytes != pc) ranges_.push_back({pc, 0});
        ranges_.back().bytes += length;
    }
    /// Whether running on at `pc` would enter a part of the unit other than its last.
    bool is_covered(GuestAddr pc) const {
        for (std::size_t i = 0; i + 1 < ranges_.size(); ++i)
            if (pc - ranges_[i].begin < ranges_[i].bytes) return true;
        return false;
    }
    /// Whether a jump to `target` may be followed. Following copies the target's code into the unit: worth it
    /// for short hops and small callees.
    bool may_follow(GuestAddr target) const {
        if (followed_ == max_followed_jumps) return false;
        for (const CodeRange& range : ranges_)
            if (target - range.begin < range.bytes) return false;
        return true;
    }
    /// Notes that a jump is followed.
    void follow() { ++followed_; }

  private:
    static constexpr u8 max_followed_jumps = 4;

    std::vector<CodeRange>& ranges_;
    u8 followed_ = 0;
};

}  // namespace kiln::abi

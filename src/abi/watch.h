// Watched guest data: what a debugger's watchpoints are for translated code. While there are any, units are
// made with a call of the helper watch_access before each access (run/watch.h).
#pragma once

#include <vector>

#include "abi/context.h"

namespace kiln::abi {

/// What is done to a piece of guest memory: bits, so that a watched range may ask for both.
inline constexpr u8 access_read = 1, access_write = 2;

struct WatchedRange {
    GuestAddr begin;
    u64 bytes = 0;
    u8 kinds = 0;  ///< access_read, access_write or both

    bool operator==(const WatchedRange&) const = default;
    /// Whether an access of `kinds` to [at, at + size) is one that is watched for.
    bool touched_by(GuestAddr at, u64 size, u8 access) const {
        return (kinds & access) != 0 && at.raw < begin.raw + bytes && begin.raw < at.raw + size;
    }
};

/// One thread's watch. Written by the thread itself, and by whoever sets it up while the thread stands still.
struct Watch {
    std::vector<WatchedRange> ranges;
    /// The latest access that touched a range; `hit` is cleared by whoever has seen it.
    bool hit = false;
    WatchedRange range;
    GuestAddr address;  ///< the first byte of the range that the access touched
};

}  // namespace kiln::abi

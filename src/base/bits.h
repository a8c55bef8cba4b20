// Bit manipulation that the standard's <bit> does not have.
#pragma once

#include <bit>
#include <type_traits>

#include "base/types.h"

namespace kiln {

/// Bits [low, low + width) of `value`, moved down to bit 0. `width` is 1 to 64.
constexpr u64 bits(u64 value, unsigned low, unsigned width) {
    return (value >> low) & (~u64{0} >> (64 - width));
}

/// `value`'s low `width` bits read as a two's complement number. `width` is 1 to 64.
constexpr i64 sign_extend(u64 value, unsigned width) {
    return static_cast<i64>(value << (64 - width)) >> (64 - width);
}

constexpr u64 align_down(u64 value, u64 alignment) { return value & ~(alignment - 1); }
constexpr u64 align_up(u64 value, u64 alignment) { return (value + alignment - 1) & ~(alignment - 1); }
constexpr bool is_aligned(u64 value, u64 alignment) { return (value & (alignment - 1)) == 0; }

}  // namespace kiln

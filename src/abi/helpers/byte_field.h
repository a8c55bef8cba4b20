// What S-boxes are computed from: the fields of 256 elements, GF(2)[x] modulo a polynomial of degree 8 whose
// bits are `polynomial`, and affine maps of their bits.
#pragma once

#include <array>
#include <bit>

#include "base/types.h"

namespace kiln::abi::helpers {

using ByteTable = std::array<u8, 256>;

template <unsigned polynomial>
constexpr u8 multiply(u8 a, u8 b) {
    unsigned product = 0, shifted = a;
    for (; b != 0; b = static_cast<u8>(b >> 1)) {
        if (b & 1) product ^= shifted;
        shifted = shifted << 1 ^ (shifted & 0x80 ? polynomial : 0);
    }
    return static_cast<u8>(product);
}

/// x^254, which is the inverse, and 0 of 0.
template <unsigned polynomial>
constexpr u8 inverse(u8 x) {
    u8 power = x, result = 1;
    for (unsigned i = 1; i < 8; ++i) {
        power = multiply<polynomial>(power, power);
        result = multiply<polynomial>(result, power);
    }
    return result;
}

/// The circulant matrix of `row`, which gives bit 0, times the bits of x, plus `constant`.
constexpr u8 affine(u8 x, u8 row, u8 constant) {
    u8 result = constant;
    for (int i = 0; i < 8; ++i)
        if (std::popcount(static_cast<u8>(std::rotl(row, i) & x)) & 1)
            result = static_cast<u8>(result ^ 1 << i);
    return result;
}

}  // namespace kiln::abi::helpers

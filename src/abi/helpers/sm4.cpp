// The SM4 S-box (GB/T 32907-2016, 6.2), computed from its algebraic form: an affine map, the inverse in
// GF(2^8), the same affine map.
#include <array>
#include <bit>

#include "abi/helpers.h"

namespace kiln::abi::helpers {
namespace {

/// The product in GF(2^8) modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1.
constexpr u8 multiply(u8 a, u8 b) {
    unsigned product = 0, shifted = a;
    for (; b != 0; b = static_cast<u8>(b >> 1)) {
        if (b & 1) product ^= shifted;
        shifted = shifted << 1 ^ (shifted & 0x80 ? 0x1f5 : 0);
    }
    return static_cast<u8>(product);
}

/// x^254, which is the inverse, and 0 of 0.
constexpr u8 inverse(u8 x) {
    u8 power = x, result = 1;
    for (unsigned i = 1; i < 8; ++i) {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    return result;
}

/// Multiplication by the circulant matrix of 0xd3, then addition of 0xd3.
constexpr u8 affine(u8 x) {
    u8 result = 0xd3;
    for (int i = 0; i < 8; ++i) {
        const u8 row = std::rotl(u8{0xa7}, i);
        if (std::popcount(static_cast<u8>(row & x)) & 1) result = static_cast<u8>(result ^ 1 << i);
    }
    return result;
}

constexpr std::array<u8, 256> box = [] {
    std::array<u8, 256> table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = affine(inverse(affine(static_cast<u8>(i))));
    return table;
}();
static_assert(box[0] == 0xd6 && box[1] == 0x90 && box[0xef] == 0x84 && box[0xff] == 0x48);

}  // namespace

u64 sm4_subst(Context&, u64 a, u64) { return box[a & 0xff]; }

}  // namespace kiln::abi::helpers

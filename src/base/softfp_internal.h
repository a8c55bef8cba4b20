// What the softfp_*.cpp files share: the layout of the formats, the unpacked form of a value, and the one
// place where a result is rounded and packed. No other file includes this one.
//
// Every operation has one shape: unpack, settle NaNs and infinities, compute sign, exponent and a u128
// significand that is exact or has its lowest bit set when anything non-zero was lost below it (a sticky
// bit, which is enough for every rounding direction as long as it lies at least two bits below the last
// kept one), then round_and_pack().
#pragma once

#include <algorithm>
#include <bit>
#include <initializer_list>

#include "base/softfp.h"

namespace kiln::softfp::internal {

/// The parameters of a format: width in bits, precision p (significand bits with the hidden one) and emax,
/// IEEE 754-2019 table 3.5.
struct Layout {
    unsigned width;
    unsigned precision;
    int emax;

    constexpr int emin() const { return 1 - emax; }
    constexpr u64 sign_bit() const { return u64{1} << (width - 1); }
    constexpr u64 mask() const { return ~u64{0} >> (64 - width); }
    constexpr u64 fraction_mask() const { return (u64{1} << (precision - 1)) - 1; }
    constexpr u64 quiet_bit() const { return u64{1} << (precision - 2); }
    constexpr u64 infinity() const { return mask() & ~sign_bit() & ~fraction_mask(); }
};

constexpr Layout layout_of(Format format) {
    switch (format) {
        case Format::f16: return {16, 11, 15};
        case Format::f32: return {32, 24, 127};
        case Format::f64: return {64, 53, 1023};
    }
    __builtin_unreachable();
}

constexpr u64 magnitude(const Layout& layout, u64 bits) { return bits & layout.mask() & ~layout.sign_bit(); }
constexpr bool is_negative(const Layout& layout, u64 bits) { return (bits & layout.sign_bit()) != 0; }
constexpr bool is_nan(const Layout& layout, u64 bits) { return magnitude(layout, bits) > layout.infinity(); }
constexpr bool is_signaling_nan(const Layout& layout, u64 bits) {
    return is_nan(layout, bits) && (bits & layout.quiet_bit()) == 0;
}
constexpr bool is_infinite(const Layout& layout, u64 bits) {
    return magnitude(layout, bits) == layout.infinity();
}
constexpr u64 signed_bits(const Layout& layout, bool sign, u64 bits) {
    return bits | (sign ? layout.sign_bit() : 0);
}

/// A zero or finite value: (-1)^sign × significand × 2^exponent. The significand is 0, or has bit 63 set.
struct Unpacked {
    bool sign;
    int exponent;
    u64 significand;
};

/// `bits`, which are neither NaN nor infinity, unpacked.
constexpr Unpacked unpack(const Layout& layout, u64 bits) {
    const bool sign = is_negative(layout, bits);
    const int field = static_cast<int>(magnitude(layout, bits) >> (layout.precision - 1));
    const u64 fraction = bits & layout.fraction_mask();
    if (field == 0 && fraction == 0) return {sign, 0, 0};
    const u64 integer = field == 0 ? fraction : fraction | (layout.fraction_mask() + 1);
    const int shift = std::countl_zero(integer);
    const int quantum = std::max(field, 1) - layout.emax - static_cast<int>(layout.precision - 1);
    return {sign, quantum - shift, integer << shift};
}

/// A significand shifted right and rounded to an integer.
struct Rounded {
    u128 kept;
    bool exact;
};

/// `significand` / 2^drop, rounded in the direction `rounding` as the magnitude of a number of that sign.
Rounded round_shift(u128 significand, unsigned drop, bool sign, Rounding rounding);

/// (-1)^sign × significand × 2^exponent rounded into `layout`'s format, with the flags of 7.4 to 7.6. A zero
/// significand gives a zero of that sign.
u64 round_and_pack(const Layout& layout, bool sign, int exponent, u128 significand, Context& context);

/// The result of an operation with the operands `operands`, at least one of them a NaN; raises `invalid`
/// for signaling ones.
u64 nan_result(const Layout& layout, std::initializer_list<u64> operands, Context& context);

/// Raises `invalid` and gives the NaN of an operation whose operands are numbers.
u64 invalid_result(const Layout& layout, Context& context);

}  // namespace kiln::softfp::internal

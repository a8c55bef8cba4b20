// An exact reference for floating-point results, independent of base/softfp: values are integers of 4352
// bits counting units of 2^-2200, so that every sum, product and fused sum of binary64 numbers is itself,
// and rounding is division with remainder. Quotients and square roots are given to 64 significant bits and
// more, with one more bit below that is set when they go on: enough to tell every rounding apart.
//
// Finite operands only.
#pragma once

#include <array>
#include <bit>
#include <cmath>

#include "fp_cases.h"

namespace kiln::fp_test {

using Wide = unsigned _BitInt(4352);
inline constexpr int unit_exponent = -2200;

struct Exact {
    bool negative = false;
    Wide units = 0;
};

/// The finite value of `bits` as (-1)^negative × digits × 2^exponent.
struct Parts {
    bool negative;
    u64 digits;
    int exponent;
};
inline Parts parts_of(const Shape& shape, u64 bits) {
    const int field = shape.field(bits);
    const u64 hidden = field ? shape.fraction_mask() + 1 : 0;
    return {(bits & shape.sign_bit()) != 0, (bits & shape.fraction_mask()) | hidden,
            std::max(field, 1) - shape.bias() - static_cast<int>(shape.fraction_bits)};
}

inline Exact exact(bool negative, u128 digits, int exponent) {
    return {negative, Wide{digits} << (exponent - unit_exponent)};
}
inline Exact exact_of(const Shape& shape, u64 bits) {
    const Parts x = parts_of(shape, bits);
    return exact(x.negative, x.digits, x.exponent);
}
inline Exact exact_product(const Shape& shape, u64 a, u64 b) {
    const Parts x = parts_of(shape, a), y = parts_of(shape, b);
    return exact(x.negative != y.negative, u128{x.digits} * y.digits, x.exponent + y.exponent);
}
/// An exact zero gets the sign of 6.3: that of the operands if they agree, else minus only when rounding
/// down.
inline Exact exact_sum(const Exact& a, const Exact& b, softfp::Rounding rounding) {
    if (a.negative == b.negative) return {a.negative, a.units + b.units};
    if (a.units == b.units) return {rounding == softfp::Rounding::rdn, 0};
    return a.units > b.units ? Exact{a.negative, a.units - b.units} : Exact{b.negative, b.units - a.units};
}
/// `b` is not zero.
inline Exact exact_quotient(const Shape& shape, u64 a, u64 b) {
    const Parts x = parts_of(shape, a), y = parts_of(shape, b);
    const int zeros = std::countl_zero(x.digits | 1);
    const u128 dividend = u128{x.digits} << zeros << 54;  // the quotient has 64 bits or more
    const u128 quotient = dividend / y.digits * 2 + (dividend % y.digits != 0);
    return exact(x.negative != y.negative, quotient, x.exponent - zeros - 54 - y.exponent - 1);
}
/// `a` is not negative.
inline Exact exact_sqrt(const Shape& shape, u64 a) {
    Parts x = parts_of(shape, a);
    if (x.digits == 0) return {(a & shape.sign_bit()) != 0, 0};
    int scale = std::countl_zero(x.digits) + 62;
    if ((x.exponent - scale) % 2 != 0) --scale;
    const u128 radicand = u128{x.digits} << scale;
    u64 root = static_cast<u64>(std::sqrt(static_cast<long double>(radicand)));
    while (u128{root} * root > radicand) --root;
    while (u128{root + 1} * (root + 1) <= radicand) ++root;
    const bool more = u128{root} * root != radicand;
    return exact(false, u128{root} * 2 + more, (x.exponent - scale) / 2 - 1);
}

inline int bit_length(const Wide& value) {
    const auto limbs = std::bit_cast<std::array<u64, sizeof(Wide) / 8>>(value);
    for (int i = static_cast<int>(limbs.size()) - 1; i >= 0; --i)
        if (limbs[static_cast<size_t>(i)]) return 64 * i + std::bit_width(limbs[static_cast<size_t>(i)]);
    return 0;
}

/// value.units / 2^shift to an integer, times 2^shift again.
inline Wide round_units(const Exact& value, int shift, softfp::Rounding rounding) {
    if (shift <= 0) return value.units;
    const Wide quantum = Wide{1} << shift;
    const Wide down = value.units & ~(quantum - 1), up = down + quantum;
    const Wide rest = value.units - down;
    if (rest == 0) return down;
    switch (rounding) {
        case softfp::Rounding::rtz: return down;
        case softfp::Rounding::rdn: return value.negative ? up : down;
        case softfp::Rounding::rup: return value.negative ? down : up;
        case softfp::Rounding::rmm: return rest * 2 >= quantum ? up : down;
        case softfp::Rounding::rne: break;
    }
    if (rest * 2 != quantum) return rest * 2 > quantum ? up : down;
    return (down >> shift & 1) == 0 ? down : up;
}

/// `value` as a number of the given shape, with the exceptions of 7.4 to 7.6, tininess after rounding.
inline Outcome round_exact(const Shape& shape, const Exact& value, softfp::Rounding rounding) {
    const u64 sign = value.negative ? shape.sign_bit() : 0;
    if (value.units == 0) return {sign, 0};
    const int precision = static_cast<int>(shape.fraction_bits) + 1;
    const int unbounded_shift = bit_length(value.units) - precision;
    const int least_exponent = 1 - shape.bias() - static_cast<int>(shape.fraction_bits);
    const int shift = std::max(unbounded_shift, least_exponent - unit_exponent);
    const Wide rounded = round_units(value, shift, rounding);
    const bool is_inexact = rounded != value.units;

    const Wide least_normal = Wide{1} << (1 - shape.bias() - unit_exponent);
    const Wide beyond = Wide{1} << (shape.bias() + 1 - unit_exponent);
    if (rounded >= beyond) {
        using enum softfp::Rounding;
        const bool away = rounding == rne || rounding == rmm || rounding == (value.negative ? rdn : rup);
        return {sign | (shape.infinity() - !away), softfp::overflow | softfp::inexact};
    }
    u8 flags = is_inexact ? softfp::inexact : 0;
    if (is_inexact && round_units(value, unbounded_shift, rounding) < least_normal)
        flags |= softfp::underflow;
    if (rounded < least_normal)
        return {sign | static_cast<u64>(rounded >> (least_exponent - unit_exponent)), flags};
    const int length = bit_length(rounded);
    const u64 field = static_cast<u64>(length - 1 + unit_exponent + shape.bias());
    const u64 fraction = static_cast<u64>(rounded >> (length - precision)) & shape.fraction_mask();
    return {sign | field << shape.fraction_bits | fraction, flags};
}

/// `value` as an integer between -`below_zero` and `limit`, clipped, with RISC-V's fcvt flags.
inline Outcome round_exact_to_int(const Exact& value, softfp::Rounding rounding, u64 below_zero, u64 limit) {
    const Wide rounded = round_units(value, -unit_exponent, rounding);
    const Wide size = rounded >> -unit_exponent;
    const u64 greatest = value.negative ? below_zero : limit;
    const bool fits = size <= greatest;
    const u64 clipped = fits ? static_cast<u64>(size) : greatest;
    const u8 flags = !fits ? softfp::invalid : rounded != value.units ? softfp::inexact : 0;
    return {value.negative ? -clipped : clipped, flags};
}

}  // namespace kiln::fp_test

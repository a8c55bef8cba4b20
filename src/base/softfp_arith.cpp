// Soft floating point: addition, multiplication, division, square root and fused multiply-add.
#include "base/softfp_internal.h"

namespace kiln::softfp {
namespace {

using namespace internal;

/// (-1)^sign × significand × 2^exponent. A non-zero significand has its leading bit at 125 or 126, which
/// leaves room for the carry of a sum, and its 20 lowest bits clear.
struct Term {
    bool sign;
    int exponent;
    u128 significand;
};

Term term_of(const Unpacked& value) {
    return {value.sign, value.exponent - 62, u128{value.significand} << 62};
}

/// The exact product.
Term product_of(const Unpacked& a, const Unpacked& b) {
    // A significand has at most 53 bits below bit 63, so the product's low 22 bits are clear and none is
    // lost.
    return {a.sign != b.sign, a.exponent + b.exponent + 1, u128{a.significand} * b.significand >> 1};
}

/// `significand` >> `distance`, the lowest bit set if anything was lost.
u128 shift_right_sticky(u128 significand, unsigned distance) {
    if (distance == 0) return significand;
    if (distance > 127) return significand != 0;
    return significand >> distance | ((significand << (128 - distance)) != 0);
}

/// a + b, rounded. The sticky bit is deep enough: terms up to 20 exponents apart lose nothing, and the
/// difference of terms further apart has its leading bit at 123 or above.
u64 add_terms(const Layout& layout, Term a, Term b, Context& context) {
    if (a.significand == 0) a.exponent = b.exponent;
    if (b.significand == 0) b.exponent = a.exponent;
    if (a.exponent < b.exponent) std::swap(a, b);
    b.significand = shift_right_sticky(b.significand, static_cast<unsigned>(a.exponent - b.exponent));
    if (a.sign == b.sign)
        return round_and_pack(layout, a.sign, a.exponent, a.significand + b.significand, context);
    if (a.significand == b.significand)  // 6.3: the sign of an exact zero sum
        return signed_bits(layout, context.rounding == Rounding::rdn, 0);
    if (a.significand < b.significand) std::swap(a.sign, b.sign), std::swap(a.significand, b.significand);
    return round_and_pack(layout, a.sign, a.exponent, a.significand - b.significand, context);
}

/// The integer square root of `value`, rounded down.
u64 integer_sqrt(u128 value) {
    u64 root = 0;
    for (u64 bit = u64{1} << 63; bit != 0; bit >>= 1) {
        const u64 trial = root | bit;
        if (u128{trial} * trial <= value) root = trial;
    }
    return root;
}

}  // namespace

u64 add(Format format, u64 a, u64 b, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a) || is_nan(layout, b)) return nan_result(layout, {a, b}, context);
    if (is_infinite(layout, a)) {
        const bool opposite = is_infinite(layout, b) && is_negative(layout, a) != is_negative(layout, b);
        return opposite ? invalid_result(layout, context) : a & layout.mask();
    }
    if (is_infinite(layout, b)) return b & layout.mask();
    return add_terms(layout, term_of(unpack(layout, a)), term_of(unpack(layout, b)), context);
}

u64 sub(Format format, u64 a, u64 b, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, b)) return nan_result(layout, {a, b}, context);
    return add(format, a, b ^ layout.sign_bit(), context);
}

u64 mul(Format format, u64 a, u64 b, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a) || is_nan(layout, b)) return nan_result(layout, {a, b}, context);
    const bool sign = is_negative(layout, a) != is_negative(layout, b);
    if (is_infinite(layout, a) || is_infinite(layout, b)) {
        if (magnitude(layout, a) == 0 || magnitude(layout, b) == 0) return invalid_result(layout, context);
        return signed_bits(layout, sign, layout.infinity());
    }
    const Term product = product_of(unpack(layout, a), unpack(layout, b));
    return round_and_pack(layout, sign, product.exponent, product.significand, context);
}

u64 div(Format format, u64 a, u64 b, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a) || is_nan(layout, b)) return nan_result(layout, {a, b}, context);
    const bool sign = is_negative(layout, a) != is_negative(layout, b);
    if (is_infinite(layout, a)) {
        if (is_infinite(layout, b)) return invalid_result(layout, context);
        return signed_bits(layout, sign, layout.infinity());
    }
    if (is_infinite(layout, b)) return signed_bits(layout, sign, 0);
    if (magnitude(layout, b) == 0) {
        if (magnitude(layout, a) == 0) return invalid_result(layout, context);
        context.flags |= divide_by_zero;
        return signed_bits(layout, sign, layout.infinity());
    }
    const Unpacked x = unpack(layout, a), y = unpack(layout, b);
    const u128 dividend = u128{x.significand} << 64;
    const u128 quotient = dividend / y.significand;
    const u128 sticky = quotient * y.significand != dividend;
    return round_and_pack(layout, sign, x.exponent - y.exponent - 64, quotient | sticky, context);
}

u64 sqrt(Format format, u64 a, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a)) return nan_result(layout, {a}, context);
    if (magnitude(layout, a) == 0) return a & layout.mask();
    if (is_negative(layout, a)) return invalid_result(layout, context);
    if (is_infinite(layout, a)) return layout.infinity();
    const Unpacked x = unpack(layout, a);
    const int shift = x.exponent % 2 == 0 ? 64 : 63;  // the radicand's exponent must be even
    const u128 radicand = u128{x.significand} << shift;
    const u64 root = integer_sqrt(radicand);
    // A root has at least 63 bits, so the sticky bit takes the place of no significant one.
    const u128 sticky = u128{root} * root != radicand;
    return round_and_pack(layout, false, (x.exponent - shift) / 2, root | sticky, context);
}

u64 fma(Format format, u64 a, u64 b, u64 c, Context& context) {
    const Layout layout = layout_of(format);
    const bool infinite = is_infinite(layout, a) || is_infinite(layout, b);
    const bool undefined = infinite && (magnitude(layout, a) == 0 || magnitude(layout, b) == 0);
    if (undefined) context.flags |= invalid;
    if (undefined || is_nan(layout, a) || is_nan(layout, b) || is_nan(layout, c))
        return nan_result(layout, {a, b, c}, context);
    const bool sign = is_negative(layout, a) != is_negative(layout, b);
    if (infinite) {
        const bool opposite = is_infinite(layout, c) && is_negative(layout, c) != sign;
        return opposite ? invalid_result(layout, context) : signed_bits(layout, sign, layout.infinity());
    }
    if (is_infinite(layout, c)) return c & layout.mask();
    return add_terms(layout, product_of(unpack(layout, a), unpack(layout, b)), term_of(unpack(layout, c)),
                     context);
}

}  // namespace kiln::softfp

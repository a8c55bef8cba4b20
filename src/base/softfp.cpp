// Rounding, packing and NaN results of the soft floating point: everything the operations share.
#include "base/check.h"
#include "base/softfp_internal.h"

namespace kiln::softfp {

u64 canonical_nan(Format format) {
    const auto layout = internal::layout_of(format);
    return layout.infinity() | layout.quiet_bit();
}

namespace internal {
namespace {

/// Whether a magnitude moves up by one unit in the last place. `odd`: the kept part is odd; `half`: the
/// first dropped bit; `rest`: any dropped bit below it.
bool rounds_up(Rounding rounding, bool sign, bool odd, bool half, bool rest) {
    switch (rounding) {
        case Rounding::rne: return half && (rest || odd);
        case Rounding::rtz: return false;
        case Rounding::rdn: return sign && (half || rest);
        case Rounding::rup: return !sign && (half || rest);
        case Rounding::rmm: return half;
    }
    KILN_UNREACHABLE();
}

int leading_zeros(u128 value) {
    const u64 high = static_cast<u64>(value >> 64);
    return high ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<u64>(value));
}

}  // namespace

Rounded round_shift(u128 significand, unsigned drop, bool sign, Rounding rounding) {
    if (drop == 0) return {significand, true};
    const u128 kept = drop < 128 ? significand >> drop : 0;
    const bool half = drop <= 128 && (significand >> (drop - 1) & 1) != 0;
    const u128 below = drop <= 128 ? (u128{1} << (drop - 1)) - 1 : ~u128{0};
    const bool rest = (significand & below) != 0;
    const bool up = rounds_up(rounding, sign, (kept & 1) != 0, half, rest);
    return {kept + (up ? 1 : 0), !half && !rest};
}

u64 round_and_pack(const Layout& layout, bool sign, int exponent, u128 significand, Context& context) {
    if (significand == 0) return signed_bits(layout, sign, 0);
    const int zeros = leading_zeros(significand);
    significand <<= zeros;
    // 2^leading is the weight of bit 127, now set; 2^scale that of the hidden bit in the packed result.
    const int leading = exponent - zeros + 127;
    const int scale = std::max(leading, layout.emin());
    const unsigned drop = 128 - layout.precision;
    const Rounded result =
        round_shift(significand, drop + static_cast<unsigned>(scale - leading), sign, context.rounding);

    // The kept part contains the hidden bit, if any: adding it to the field below moves the exponent up by
    // one for normal numbers and for a carry out of the significand alike.
    const u64 bits =
        (static_cast<u64>(scale - layout.emin()) << (layout.precision - 1)) + static_cast<u64>(result.kept);
    if (leading > layout.emax || bits >= layout.infinity()) {
        context.flags |= overflow | inexact;
        const bool to_infinity = rounds_up(context.rounding, sign, true, true, true);
        return signed_bits(layout, sign, layout.infinity() - (to_infinity ? 0 : 1));
    }
    if (!result.exact) {
        context.flags |= inexact;
        // Tiny after rounding: below 2^emin even when rounded as if the exponent had no lower bound.
        const bool rounds_to_normal =
            leading == layout.emin() - 1 &&
            round_shift(significand, drop, sign, context.rounding).kept >> layout.precision != 0;
        if (leading < layout.emin() && !rounds_to_normal) context.flags |= underflow;
    }
    return signed_bits(layout, sign, bits);
}

u64 nan_result(const Layout& layout, std::initializer_list<u64> operands, Context& context) {
    for (u64 operand : operands)
        if (is_signaling_nan(layout, operand)) context.flags |= invalid;
    switch (context.nan_rule) {
        case NanRule::canonical: return layout.infinity() | layout.quiet_bit();
    }
    KILN_UNREACHABLE();
}

u64 invalid_result(const Layout& layout, Context& context) {
    context.flags |= invalid;
    return nan_result(layout, {}, context);
}

}  // namespace internal
}  // namespace kiln::softfp

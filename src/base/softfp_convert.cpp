// Soft floating point: conversions between formats, to and from integers, and rounding to an integral value.
#include "base/bits.h"
#include "base/softfp_internal.h"

namespace kiln::softfp {
namespace {

using namespace internal;

struct IntLayout {
    unsigned width;
    bool is_signed;

    /// The greatest magnitude of an integer of that sign.
    u64 limit(bool negative) const {
        const u64 half = u64{1} << (width - 1);
        if (negative) return is_signed ? half : 0;
        return is_signed ? half - 1 : half - 1 + half;
    }
    /// An integer within the limits, in the low `width` bits.
    u64 pack(bool negative, u64 size) const { return bits(negative ? -size : size, 0, width); }
};

IntLayout layout_of(IntType type) {
    switch (type) {
        case IntType::i32: return {32, true};
        case IntType::u32: return {32, false};
        case IntType::i64: return {64, true};
        case IntType::u64: return {64, false};
    }
    __builtin_unreachable();
}

}  // namespace

u64 convert(Format from, Format to, u64 a, Context& context) {
    const Layout source = layout_of(from), target = layout_of(to);
    if (is_nan(source, a)) {
        if (is_signaling_nan(source, a)) context.flags |= invalid;
        return nan_result(target, {}, context);
    }
    if (is_infinite(source, a)) return signed_bits(target, is_negative(source, a), target.infinity());
    const Unpacked x = unpack(source, a);
    return round_and_pack(target, x.sign, x.exponent, x.significand, context);
}

u64 to_int(Format format, u64 a, IntType type, Context& context) {
    const Layout layout = layout_of(format);
    const IntLayout target = layout_of(type);
    const bool sign = is_negative(layout, a) && !is_nan(layout, a);
    const u64 limit = target.limit(sign);
    if (!is_nan(layout, a) && !is_infinite(layout, a)) {
        const Unpacked x = unpack(layout, a);
        if (x.exponent <= 0) {  // otherwise 2^64 or more
            const Rounded rounded =
                round_shift(x.significand, static_cast<unsigned>(-x.exponent), sign, context.rounding);
            if (rounded.kept <= limit) {
                if (!rounded.exact) context.flags |= inexact;
                return target.pack(sign, static_cast<u64>(rounded.kept));
            }
        }
    }
    context.flags |= invalid;
    return target.pack(sign, limit);
}

u64 from_int(Format format, IntType type, u64 value, Context& context) {
    const IntLayout source = layout_of(type);
    const bool sign = source.is_signed && bits(value, source.width - 1, 1) != 0;
    return round_and_pack(layout_of(format), sign, 0, bits(sign ? -value : value, 0, source.width), context);
}

u64 round_to_integral(Format format, u64 a, Inexact inexact_rule, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a)) return nan_result(layout, {a}, context);
    if (is_infinite(layout, a)) return a & layout.mask();
    const Unpacked x = unpack(layout, a);
    if (x.exponent >= 0) return a & layout.mask();
    const Rounded rounded =
        round_shift(x.significand, static_cast<unsigned>(-x.exponent), x.sign, context.rounding);
    if (!rounded.exact && inexact_rule == Inexact::raised) context.flags |= inexact;
    return round_and_pack(layout, x.sign, 0, rounded.kept, context);  // exact: at most `precision` bits
}

u64 to_int32_modular(u64 a, Context& context) {
    Context truncating = context;
    truncating.rounding = Rounding::rtz;
    to_int(Format::f64, a, IntType::i32, truncating);
    context.flags = truncating.flags;

    const Layout layout = layout_of(Format::f64);
    if (is_nan(layout, a) || is_infinite(layout, a)) return 0;
    const Unpacked x = unpack(layout, a);
    if (x.exponent >= 32 || x.exponent <= -64) return 0;
    const u64 size = x.exponent >= 0 ? x.significand << x.exponent : x.significand >> -x.exponent;
    return bits(x.sign ? -size : size, 0, 32);
}

}  // namespace kiln::softfp

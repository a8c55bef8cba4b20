// Soft floating point: comparisons, minimum and maximum, classification.
#include "base/softfp_internal.h"

namespace kiln::softfp {
namespace {

using namespace internal;

/// Orders numbers as they compare: the two zeros are equal.
i64 value_key(const Layout& layout, u64 bits) {
    const i64 key = static_cast<i64>(magnitude(layout, bits));
    return is_negative(layout, bits) ? -key : key;
}

/// Orders numbers with -0 just below +0.
i64 total_key(const Layout& layout, u64 bits) {
    const i64 key = static_cast<i64>(magnitude(layout, bits));
    return is_negative(layout, bits) ? ~key : key;
}

/// Whether the operands are unordered; raises `invalid` for signaling NaNs, or for every NaN if `signals`.
bool unordered(const Layout& layout, u64 a, u64 b, bool signals, Context& context) {
    if (!is_nan(layout, a) && !is_nan(layout, b)) return false;
    if (signals || is_signaling_nan(layout, a) || is_signaling_nan(layout, b)) context.flags |= invalid;
    return true;
}

bool less(Format format, u64 a, u64 b, bool signals, Context& context) {
    const Layout layout = layout_of(format);
    return !unordered(layout, a, b, signals, context) && value_key(layout, a) < value_key(layout, b);
}

bool less_or_equal(Format format, u64 a, u64 b, bool signals, Context& context) {
    const Layout layout = layout_of(format);
    return !unordered(layout, a, b, signals, context) && value_key(layout, a) <= value_key(layout, b);
}

enum class Extreme { least, greatest };

u64 select(const Layout& layout, u64 a, u64 b, Extreme extreme) {
    const bool a_is_less = total_key(layout, a) < total_key(layout, b);
    return (a_is_less == (extreme == Extreme::least) ? a : b) & layout.mask();
}

u64 select_number(Format format, u64 a, u64 b, Extreme extreme, Context& context) {
    const Layout layout = layout_of(format);
    if (!unordered(layout, a, b, false, context)) return select(layout, a, b, extreme);
    if (!is_nan(layout, a)) return a & layout.mask();
    if (!is_nan(layout, b)) return b & layout.mask();
    return nan_result(layout, {a, b}, context);
}

u64 select_or_nan(Format format, u64 a, u64 b, Extreme extreme, Context& context) {
    const Layout layout = layout_of(format);
    if (is_nan(layout, a) || is_nan(layout, b)) return nan_result(layout, {a, b}, context);
    return select(layout, a, b, extreme);
}

}  // namespace

u64 min_number(Format format, u64 a, u64 b, Context& context) {
    return select_number(format, a, b, Extreme::least, context);
}
u64 max_number(Format format, u64 a, u64 b, Context& context) {
    return select_number(format, a, b, Extreme::greatest, context);
}
u64 minimum(Format format, u64 a, u64 b, Context& context) {
    return select_or_nan(format, a, b, Extreme::least, context);
}
u64 maximum(Format format, u64 a, u64 b, Context& context) {
    return select_or_nan(format, a, b, Extreme::greatest, context);
}

bool eq(Format format, u64 a, u64 b, Context& context) {
    const Layout layout = layout_of(format);
    return !unordered(layout, a, b, false, context) && value_key(layout, a) == value_key(layout, b);
}
bool lt(Format format, u64 a, u64 b, Context& context) { return less(format, a, b, true, context); }
bool le(Format format, u64 a, u64 b, Context& context) { return less_or_equal(format, a, b, true, context); }
bool lt_quiet(Format format, u64 a, u64 b, Context& context) { return less(format, a, b, false, context); }
bool le_quiet(Format format, u64 a, u64 b, Context& context) {
    return less_or_equal(format, a, b, false, context);
}

u64 classify(Format format, u64 a) {
    const Layout layout = layout_of(format);
    const u64 size = magnitude(layout, a);
    if (is_nan(layout, a)) return is_signaling_nan(layout, a) ? 1 << 8 : 1 << 9;
    // The distance from the zeros, bits 3 and 4: zero, subnormal, normal, infinite.
    const int distance = size == 0                        ? 0
                         : size <= layout.fraction_mask() ? 1
                         : size < layout.infinity()       ? 2
                                                          : 3;
    return is_negative(layout, a) ? u64{1} << (3 - distance) : u64{1} << (4 + distance);
}

}  // namespace kiln::softfp

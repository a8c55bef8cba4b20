// Operands on which floating-point units go wrong: both ends of the exponent range, subnormals, zeros,
// infinities, NaNs of both kinds with payloads, ties, long runs of ones, near-equal and cancelling pairs,
// products and quotients on the edge of overflow and underflow. Deterministic in the seed.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/softfp.h"
#include "base/types.h"

namespace kiln::fp_test {

struct Shape {
    unsigned fraction_bits;
    unsigned exponent_bits;

    constexpr u64 fraction_mask() const { return (u64{1} << fraction_bits) - 1; }
    constexpr int max_field() const { return (1 << exponent_bits) - 1; }
    constexpr int bias() const { return max_field() / 2; }
    constexpr u64 sign_bit() const { return u64{1} << (fraction_bits + exponent_bits); }
    constexpr u64 magnitude_mask() const { return sign_bit() - 1; }
    constexpr u64 infinity() const { return static_cast<u64>(max_field()) << fraction_bits; }
    constexpr bool is_finite(u64 bits) const { return (bits & magnitude_mask()) < infinity(); }
    constexpr bool is_nan(u64 bits) const { return (bits & magnitude_mask()) > infinity(); }
    constexpr int field(u64 bits) const {
        return static_cast<int>((bits & magnitude_mask()) >> fraction_bits);
    }
};

constexpr Shape shape_of(softfp::Format format) {
    switch (format) {
        case softfp::Format::f16: return {10, 5};
        case softfp::Format::f32: return {23, 8};
        case softfp::Format::f64: return {52, 11};
    }
    __builtin_unreachable();
}

/// What an operation gave: a value's bits (or an integer, or a truth value) and the softfp::Flag bits it
/// raised.
struct Outcome {
    u64 bits = 0;
    u8 flags = 0;
    bool operator==(const Outcome&) const = default;
};

/// `operation(softfp::Context&)` alone.
template <class Operation>
Outcome soft(softfp::Rounding rounding, Operation operation) {
    softfp::Context context{rounding};
    const u64 bits = static_cast<u64>(operation(context));
    return {bits, context.flags};
}

/// One line that names a failed case in full.
inline std::string describe(const char* what, softfp::Format format, softfp::Rounding rounding,
                            std::initializer_list<u64> operands, const Outcome& got, const Outcome& want) {
    std::ostringstream line;
    line << what << " f" << (16 << static_cast<int>(format)) << " rm=" << static_cast<int>(rounding)
         << std::hex;
    for (u64 operand : operands) line << " 0x" << operand;
    line << ": got 0x" << got.bits << " flags 0x" << int{got.flags};
    line << ", want 0x" << want.bits << " flags 0x" << int{want.flags};
    return line.str();
}

/// Reports the case and leaves the calling function (which returns nothing) unless `got` equals `want`.
#define KILN_EXPECT_OUTCOME(what, format, rounding, got, want, ...) \
    if (!((got) == (want)))                                         \
    return (                                                        \
        void)(ADD_FAILURE() << ::kiln::fp_test::describe(what, format, rounding, {__VA_ARGS__}, got, want))

template <class T>
T value_of(u64 bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

class Cases {
  public:
    Cases(softfp::Format format, u64 seed) : shape_(shape_of(format)), state_(seed) {}

    /// SplitMix64.
    u64 next() {
        u64 z = state_ += 0x9e37'79b9'7f4a'7c15;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }
    int below(int bound) { return static_cast<int>((next() >> 32) * static_cast<u64>(bound) >> 32); }

    /// A value alone.
    u64 operand() { return with_field(any_field()); }

    /// A value that makes trouble together with `a`.
    u64 partner(u64 a) {
        const int near = 2 * static_cast<int>(shape_.fraction_bits) + 6;
        const int field = shape_.field(a),
                  edge = below(8) - 4 - below(2) * static_cast<int>(shape_.fraction_bits);
        switch (below(8)) {
            case 0: return with_field(field + below(near) - near / 2);
            case 1: return with_field(field + below(3) - 1);
            case 2: return neighbour(a);
            case 3: return with_field(2 * shape_.bias() + edge - field);  // product near 1
            case 4: return with_field(shape_.max_field() + shape_.bias() + below(5) - 3 - field);  // overflow
            case 5: return with_field(shape_.bias() + edge - field);  // underflow
            case 6: return with_field(field + shape_.bias() - edge);  // quotient underflows
            default: return operand();
        }
    }

    /// An addend that makes trouble with the product a × b.
    u64 addend(softfp::Format format, u64 a, u64 b) {
        softfp::Context context;
        const u64 product = softfp::mul(format, a, b, context);
        const int near = 4 * static_cast<int>(shape_.fraction_bits);
        switch (below(4)) {
            case 0: return operand();
            case 1: return neighbour(product);
            case 2: return with_field(shape_.field(product) + below(near) - near / 2);
            default: return product ^ shape_.sign_bit();
        }
    }

    /// A 64-bit integer of any length, often with long runs of equal bits.
    u64 integer() {
        u64 value = fraction(64) >> below(64);
        if (below(3) == 0) value += static_cast<u64>(below(5) - 2);
        return below(2) ? value : -value;
    }

  private:
    u64 fraction(unsigned width) {
        const u64 mask = ~u64{0} >> (64 - width);
        const int k = below(static_cast<int>(width));
        switch (below(9)) {
            case 0: return 0;
            case 1: return 1;
            case 2: return mask;
            case 3: return u64{1} << k;
            case 4: return mask & ~(u64{1} << k);
            case 5: return mask << k & mask;
            case 6: return next() << k & mask;
            case 7: return next() & next() & next() & mask;
            default: return next() & mask;
        }
    }
    int any_field() {
        const int spread = static_cast<int>(shape_.fraction_bits) + 4;
        switch (below(8)) {
            case 0: return 0;
            case 1: return below(4);
            case 2: return shape_.max_field() - below(4);
            case 3: return shape_.bias() + below(5) - 2;
            case 4: return shape_.bias() + below(2 * spread) - spread;
            case 5: return shape_.bias() + (below(2) ? 31 : 63) + below(4) - 2;
            default: return below(shape_.max_field());
        }
    }
    u64 with_field(int field) {
        const u64 clamped = static_cast<u64>(std::clamp(field, 0, shape_.max_field()));
        return (below(2) ? shape_.sign_bit() : 0) | clamped << shape_.fraction_bits |
               fraction(shape_.fraction_bits);
    }
    u64 neighbour(u64 bits) {
        const u64 moved = (bits + static_cast<u64>(below(7) - 3)) & shape_.magnitude_mask();
        return moved | (below(2) ? shape_.sign_bit() : 0);
    }

    Shape shape_;
    u64 state_;
};

}  // namespace kiln::fp_test

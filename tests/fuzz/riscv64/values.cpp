// Values that are likely to find mistakes: integers, floating-point numbers of three formats, addresses.
#include "fuzz/riscv64/values.h"

#include "fuzz/riscv64/program.h"

namespace kiln::fuzz {
namespace {

struct Format {
    unsigned exponent_bits, fraction_bits;
    unsigned width() const { return 1 + exponent_bits + fraction_bits; }
    u64 max_exponent() const { return (u64{1} << exponent_bits) - 1; }
    u64 bias() const { return max_exponent() >> 1; }
    u64 fraction_mask() const { return (u64{1} << fraction_bits) - 1; }
};
constexpr Format half = {5, 10}, single = {8, 23}, double_ = {11, 52};

/// Fractions near the ends, of few bits, or half a unit of a narrower format away from it: a tie.
u64 fraction(Random& random, const Format& format) {
    const u64 mask = format.fraction_mask(), bit = u64{1} << random.below(format.fraction_bits);
    switch (random.below(8)) {
        case 0: return 0;
        case 1: return mask;
        case 2: return random.below(4);
        case 3: return mask - random.below(4);
        case 4: return bit;
        case 5: return mask & ~(bit - 1);
        case 6: return (random.next() & mask & ~(bit - 1)) | bit >> 1;
        default: return random.next() & mask;
    }
}

u64 exponent(Random& random, const Format& format) {
    const u64 max = format.max_exponent(), bias = format.bias();
    switch (random.below(10)) {
        case 0: return 0;
        case 1: return max;
        case 2: return 1 + random.below(3);
        case 3: return max - 1 - random.below(3);
        case 4: {
            // Where integers, and numbers of the narrower formats, begin and end.
            const u64 edge =
                bias + static_cast<u64>(random.pick({7, 8, 15, 16, 23, 31, 32, 52, 63, 64, 127, 128}));
            return edge < max ? edge : max - 1;
        }
        case 5: {
            const u64 edge = static_cast<u64>(random.pick({11, 14, 15, 24, 25, 126, 127, 149, 150}));
            return edge < bias ? bias - edge : 1;
        }
        case 6: return random.below(max + 1);
        default: return bias - 3 + random.below(7);
    }
}

u64 float_bits(Random& random, const Format& format) {
    const u64 sign = random.below(2) << (format.width() - 1);
    return sign | exponent(random, format) << format.fraction_bits | fraction(random, format);
}

/// A register full of ones above the number, or what must not be taken for that.
u64 boxed(Random& random, const Format& format, u64 bits) {
    const u64 above = ~u64{0} << format.width();
    if (!random.once_in(10)) return bits | above;
    switch (random.below(3)) {
        case 0: return bits;
        case 1: return (bits | above) ^ u64 { 1 } << random.between(format.width(), 63);
        default: return bits | (random.next() & above);
    }
}

}  // namespace

u64 integer_value(Random& random) {
    const u64 bit = u64{1} << random.below(64);
    switch (random.below(14)) {
        case 0: return 0;
        case 1: return 1;
        case 2: return ~u64{0};
        case 3: return random.below(256);
        case 4: return -random.below(256);
        case 5:
            return random.pick({u64{1} << 63, (u64{1} << 63) - 1, u64{0xffffffff80000000}, u64{0x7fffffff},
                                u64{0x80000000}, u64{0xffffffff}, u64{0x100000000}});
        case 6:
            return random.pick({u64{0x80}, u64{0x7f}, u64{0x8000}, u64{0x7fff}, u64{0xff}, u64{0xffff},
                                u64{0x8080808080808080}, u64{0x00ff00ff00ff00ff}});
        case 7: return bit;
        case 8: return bit - 1;
        case 9: return -bit;
        case 10: return static_cast<u64>(static_cast<i32>(random.next()));
        case 11: return random.next() >> random.below(64);
        case 12: return float_value(random);
        default: return random.next();
    }
}

u64 float_value(Random& random) {
    switch (random.below(16)) {
        case 0: return random.next();
        case 1:
        case 2:
        case 3: return boxed(random, half, float_bits(random, half));
        case 4:
        case 5:
        case 6:
        case 7:
        case 8: return boxed(random, single, float_bits(random, single));
        default: return float_bits(random, double_);
    }
}

u64 fcsr_value(Random& random) { return random.below(5) << 5 | (random.once_in(2) ? 0 : random.below(32)); }

Input input_state(Random& random) {
    Input input;
    for (u64& value : input.x) value = integer_value(random);
    for (u64& value : input.f) value = float_value(random);
    for (u64& value : input.window) value = random.once_in(2) ? integer_value(random) : float_value(random);
    for (unsigned n = 0; n < 4; n++) {
        input.x[random.below(32)] = random.pick(input.x) + static_cast<u64>(random.between(-1, 1));
        // The sign's bit of each format.
        const u64 flip = random.pick({u64{0}, u64{1}, u64{1} << 15, u64{1} << 31, u64{1} << 63});
        input.f[random.below(32)] = random.pick(input.f) ^ flip;
    }
    input.x[0] = 0;
    input.fcsr = fcsr_value(random);
    return input;
}

u64 bad_address(Random& random, Scope scope) {
    // With any offset still a read-only address.
    constexpr u64 inside = Layout::read_only + Layout::page;
    switch (random.below(scope == Scope::qemu ? 7 : 8)) {
        case 0: return random.below(64);
        case 1: return inside - 32 + random.below(64);
        case 2: return -random.below(4096);
        case 3: return Layout::edge + Layout::page + random.below(4096);
        case 7: return u64{1} << random.between(48, 62);
        default: return Layout::edge + Layout::page - random.below(17);
    }
}

}  // namespace kiln::fuzz

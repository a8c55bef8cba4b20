// AES steps on half a block (FIPS 197; the split into instructions: RISC-V Unprivileged ISA, "Zkne", "Zknd").
//
// A block is 16 bytes, byte r + 4c being row r of column c; `a` holds columns 0 and 1, `b` columns 2 and 3. A
// step computes columns 0 and 1 of the next state; called with a and b exchanged, columns 2 and 3.
#include <array>
#include <bit>

#include "abi/helpers.h"
#include "abi/helpers/byte_field.h"

namespace kiln::abi::helpers {
namespace {

/// The field of FIPS 197, 4.2: modulo x^8 + x^4 + x^3 + x + 1.
constexpr unsigned field = 0x11b;

/// FIPS 197, 5.1.1: the inverse in the field, then an affine map.
constexpr ByteTable forward_box = [] {
    ByteTable table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = affine(inverse<field>(static_cast<u8>(i)), 0xf1, 0x63);
    return table;
}();
static_assert(forward_box[0] == 0x63 && forward_box[1] == 0x7c && forward_box[0x53] == 0xed);

constexpr ByteTable inverse_box = [] {
    ByteTable table{};
    for (unsigned i = 0; i < 256; ++i) table[forward_box[i]] = static_cast<u8>(i);
    return table;
}();

constexpr u8 byte(u64 a, u64 b, unsigned index) {
    return static_cast<u8>(index < 8 ? a >> 8 * index : b >> 8 * (index - 8));
}

/// Columns 0 and 1 after the rows were rotated (by r to the left, or with 4 - r to the right) and every byte
/// substituted.
u64 shift_rows_and_substitute(u64 a, u64 b, const ByteTable& box, unsigned direction) {
    u64 result = 0;
    for (unsigned column = 0; column < 2; ++column)
        for (unsigned row = 0; row < 4; ++row) {
            const unsigned from = (column + direction * row) % 4;
            result |= u64{box[byte(a, b, 4 * from + row)]} << 8 * (4 * column + row);
        }
    return result;
}
constexpr unsigned left = 1, right = 3;

/// Multiplies each of two columns by the circulant matrix of `coefficients` (FIPS 197, 5.1.3 and 5.3.3).
u64 mix_columns(u64 columns, const std::array<u8, 4>& coefficients) {
    u64 result = 0;
    for (unsigned at = 0; at < 8; ++at) {
        const unsigned column = at & 4, row = at & 3;
        u8 sum = 0;
        for (unsigned k = 0; k < 4; ++k) {
            const u8 in = static_cast<u8>(columns >> 8 * (column + (row + k) % 4));
            sum = static_cast<u8>(sum ^ multiply<field>(in, coefficients[k]));
        }
        result |= u64{sum} << 8 * at;
    }
    return result;
}
constexpr std::array<u8, 4> forward_mix = {2, 3, 1, 1};
constexpr std::array<u8, 4> inverse_mix = {14, 11, 13, 9};

}  // namespace

u64 aes64es(Context&, u64 a, u64 b) { return shift_rows_and_substitute(a, b, forward_box, left); }
u64 aes64esm(Context& context, u64 a, u64 b) { return mix_columns(aes64es(context, a, b), forward_mix); }
u64 aes64ds(Context&, u64 a, u64 b) { return shift_rows_and_substitute(a, b, inverse_box, right); }
u64 aes64dsm(Context& context, u64 a, u64 b) { return mix_columns(aes64ds(context, a, b), inverse_mix); }
u64 aes64im(Context&, u64 a, u64) { return mix_columns(a, inverse_mix); }

u64 aes64ks1i(Context&, u64 a, u64 round) {
    // Round 10 stands for the step of a 256-bit key that neither rotates nor adds a constant.
    constexpr u8 constants[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36, 0x00};
    u32 word = static_cast<u32>(a >> 32);
    if (round != 10) word = std::rotr(word, 8);
    u32 substituted = constants[round];
    for (unsigned i = 0; i < 4; ++i) substituted ^= u32{forward_box[word >> 8 * i & 0xff]} << 8 * i;
    return u64{substituted} << 32 | substituted;
}

}  // namespace kiln::abi::helpers

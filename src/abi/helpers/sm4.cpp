// The SM4 S-box (GB/T 32907-2016, 6.2), computed from its algebraic form: an affine map, the inverse in
// GF(2^8) modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, the same affine map.
#include "abi/helpers.h"
#include "abi/helpers/byte_field.h"

namespace kiln::abi::helpers {
namespace {

constexpr u8 map(u8 x) { return affine(x, 0xa7, 0xd3); }

constexpr ByteTable box = [] {
    ByteTable table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = map(inverse<0x1f5>(map(static_cast<u8>(i))));
    return table;
}();
static_assert(box[0] == 0xd6 && box[1] == 0x90 && box[0xef] == 0x84 && box[0xff] == 0x48);

}  // namespace

u64 sm4_subst(Context&, u64 a, u64) { return box[a & 0xff]; }

}  // namespace kiln::abi::helpers

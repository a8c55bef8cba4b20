// Zknd, Zkne, Zknh, Zksed and Zksh: AES, SHA-2, SM4 and SM3 (Unprivileged ISA, chapter "Cryptography"; FIPS
// 197, FIPS 180-4, GB/T 32907, GB/T 32905). What needs an S-box is in abi/helpers.
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

void aes(Lifter& l, const Decoded& d, ir::HelperId helper) {
    l.set_x(d.rd, l.call(helper, {l.x(d.rs1), l.x(d.rs2)}));
}

/// One term of a SHA-2 or SM3 function.
struct Term {
    Op op;
    u8 amount;
};
constexpr Term ror(u8 amount) { return {Op::rotr, amount}; }
constexpr Term shr(u8 amount) { return {Op::shr, amount}; }

/// The exclusive or of three terms.
ValueId mix(Lifter& l, ValueId x, Term a, Term b, Term c) {
    const ValueId ab = l.xor_(l.with(a.op, x, a.amount), l.with(b.op, x, b.amount));
    return l.xor_(ab, l.with(c.op, x, c.amount));
}
void sha256(Lifter& l, const Decoded& d, Term a, Term b, Term c) {
    l.set_sext(d.rd, mix(l, l.w(d.rs1), a, b, c));
}
void sha512(Lifter& l, const Decoded& d, Term a, Term b, Term c) {
    l.set_x(d.rd, mix(l, l.x(d.rs1), a, b, c));
}
void sm3(Lifter& l, const Decoded& d, u8 first, u8 second) {
    const ValueId x = l.w(d.rs1);
    l.set_sext(d.rd, l.xor_(x, l.xor_(l.with(Op::rotl, x, first), l.with(Op::rotl, x, second))));
}

/// The S-box of byte imm of rs2, as an i32.
ValueId sm4_byte(Lifter& l, const Decoded& d) {
    const ValueId byte = l.with(Op::shr, l.x(d.rs2), 8 * static_cast<u64>(d.imm));
    return l.trunc(Type::i32, l.call(abi::helper::sm4_subst, {byte}));
}
/// The bits of x in `mask`, shifted left.
ValueId part(Lifter& l, ValueId x, u64 mask, unsigned amount) {
    return l.with(Op::shl, l.with(Op::and_, x, mask), amount);
}
/// Moves the transformed byte y to its place in the word and adds it to rs1.
void sm4_finish(Lifter& l, const Decoded& d, ValueId y) {
    l.set_sext(d.rd, l.xor_(l.w(d.rs1), l.with(Op::rotl, y, 8 * static_cast<u64>(d.imm))));
}

}  // namespace

void aes64ds(Lifter& l, const Decoded& d) { aes(l, d, abi::helper::aes64ds); }
void aes64dsm(Lifter& l, const Decoded& d) { aes(l, d, abi::helper::aes64dsm); }
void aes64es(Lifter& l, const Decoded& d) { aes(l, d, abi::helper::aes64es); }
void aes64esm(Lifter& l, const Decoded& d) { aes(l, d, abi::helper::aes64esm); }
void aes64im(Lifter& l, const Decoded& d) { l.set_x(d.rd, l.call(abi::helper::aes64im, {l.x(d.rs1)})); }
void aes64ks1i(Lifter& l, const Decoded& d) {
    l.set_x(d.rd, l.call(abi::helper::aes64ks1i, {l.x(d.rs1), l.imm(d)}));
}
/// w0 = high half of rs1 ^ low half of rs2, w1 = w0 ^ high half of rs2.
void aes64ks2(Lifter& l, const Decoded& d) {
    const ValueId previous = l.with(Op::shr, l.x(d.rs1), 32), old = l.x(d.rs2);
    const ValueId low = l.xor_(previous, l.zext(l.trunc(Type::i32, old)));
    const ValueId high = l.xor_(low, l.with(Op::shr, old, 32));
    l.set_x(d.rd, l.or_(l.with(Op::shl, high, 32), low));
}

void sha256sig0(Lifter& l, const Decoded& d) { sha256(l, d, ror(7), ror(18), shr(3)); }
void sha256sig1(Lifter& l, const Decoded& d) { sha256(l, d, ror(17), ror(19), shr(10)); }
void sha256sum0(Lifter& l, const Decoded& d) { sha256(l, d, ror(2), ror(13), ror(22)); }
void sha256sum1(Lifter& l, const Decoded& d) { sha256(l, d, ror(6), ror(11), ror(25)); }
void sha512sig0(Lifter& l, const Decoded& d) { sha512(l, d, ror(1), ror(8), shr(7)); }
void sha512sig1(Lifter& l, const Decoded& d) { sha512(l, d, ror(19), ror(61), shr(6)); }
void sha512sum0(Lifter& l, const Decoded& d) { sha512(l, d, ror(28), ror(34), ror(39)); }
void sha512sum1(Lifter& l, const Decoded& d) { sha512(l, d, ror(14), ror(18), ror(41)); }

void sm3p0(Lifter& l, const Decoded& d) { sm3(l, d, 9, 17); }
void sm3p1(Lifter& l, const Decoded& d) { sm3(l, d, 15, 23); }

/// The linear transformation L of a round, on one byte.
void sm4ed(Lifter& l, const Decoded& d) {
    const ValueId x = sm4_byte(l, d);
    const ValueId a = l.xor_(l.xor_(x, l.with(Op::shl, x, 8)), l.with(Op::shl, x, 2));
    const ValueId b = l.xor_(l.with(Op::shl, x, 18), part(l, x, 0x3f, 26));
    sm4_finish(l, d, l.xor_(l.xor_(a, b), part(l, x, 0xc0, 10)));
}
/// The linear transformation L' of the key schedule, on one byte.
void sm4ks(Lifter& l, const Decoded& d) {
    const ValueId x = sm4_byte(l, d);
    const ValueId a = l.xor_(l.xor_(x, part(l, x, 0x07, 29)), part(l, x, 0xfe, 7));
    const ValueId b = l.xor_(part(l, x, 0x01, 23), part(l, x, 0xf8, 13));
    sm4_finish(l, d, l.xor_(a, b));
}

}  // namespace kiln::riscv64::lift

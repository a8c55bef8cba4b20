// Zbkb and Zbkx: bit manipulation for cryptography (Unprivileged ISA, chapter "Cryptography").
#include "lift/riscv64/forms.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

/// The low `part` of rs1 below that of rs2, as a value of type `whole`.
ValueId pack(Lifter& l, const Decoded& d, Type part, Type whole) {
    const ValueId low = l.convert(Op::zext, whole, l.x(d.rs1, part));
    const ValueId high = l.convert(Op::zext, whole, l.x(d.rs2, part));
    return l.or_(low, l.with(Op::shl, high, ir::bit_width(part)));
}

}  // namespace

void pack(Lifter& l, const Decoded& d) { l.set_x(d.rd, pack(l, d, Type::i32, Type::i64)); }
void packh(Lifter& l, const Decoded& d) { l.set_zext(d.rd, pack(l, d, Type::i8, Type::i16)); }
void packw(Lifter& l, const Decoded& d) { l.set_sext(d.rd, pack(l, d, Type::i16, Type::i32)); }
void brev8(Lifter& l, const Decoded& d) { unary(l, d, Op::brev8); }
void xperm4(Lifter& l, const Decoded& d) {
    l.set_x(d.rd, l.call(abi::helper::xperm4, {l.x(d.rs1), l.x(d.rs2)}));
}
void xperm8(Lifter& l, const Decoded& d) {
    l.set_x(d.rd, l.call(abi::helper::xperm8, {l.x(d.rs1), l.x(d.rs2)}));
}

}  // namespace kiln::riscv64::lift

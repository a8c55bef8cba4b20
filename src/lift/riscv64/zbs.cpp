// Zbs: single bits (Unprivileged ISA, chapter "B").
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

/// The bit that rs2 names. The shift takes the amount modulo 64.
ValueId bit(Lifter& l, const Decoded& d) { return l.shl(l.constant(1), l.x(d.rs2)); }
ValueId bit_of_imm(Lifter& l, const Decoded& d) { return l.constant(u64{1} << d.imm); }

void combine(Lifter& l, const Decoded& d, Op op, ValueId bit) {
    l.set_x(d.rd, l.binary(op, l.x(d.rs1), bit));
}
void extract(Lifter& l, const Decoded& d, ValueId index) {
    l.set_x(d.rd, l.with(Op::and_, l.shr(l.x(d.rs1), index), 1));
}

}  // namespace

void bclr(Lifter& l, const Decoded& d) { combine(l, d, Op::andn, bit(l, d)); }
void bclri(Lifter& l, const Decoded& d) { combine(l, d, Op::andn, bit_of_imm(l, d)); }
void bext(Lifter& l, const Decoded& d) { extract(l, d, l.x(d.rs2)); }
void bexti(Lifter& l, const Decoded& d) { extract(l, d, l.imm(d)); }
void binv(Lifter& l, const Decoded& d) { combine(l, d, Op::xor_, bit(l, d)); }
void binvi(Lifter& l, const Decoded& d) { combine(l, d, Op::xor_, bit_of_imm(l, d)); }
void bset(Lifter& l, const Decoded& d) { combine(l, d, Op::or_, bit(l, d)); }
void bseti(Lifter& l, const Decoded& d) { combine(l, d, Op::or_, bit_of_imm(l, d)); }

}  // namespace kiln::riscv64::lift

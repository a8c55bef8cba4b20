// Zba: address generation (Unprivileged ISA, chapter "B").
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

/// The low word, zero-extended.
ValueId unsigned_word(Lifter& l, unsigned number) { return l.zext(l.w(number)); }

void shift_add(Lifter& l, const Decoded& d, ValueId a, unsigned amount) {
    l.set_x(d.rd, l.add(l.with(Op::shl, a, amount), l.x(d.rs2)));
}

}  // namespace

void sh1add(Lifter& l, const Decoded& d) { shift_add(l, d, l.x(d.rs1), 1); }
void sh2add(Lifter& l, const Decoded& d) { shift_add(l, d, l.x(d.rs1), 2); }
void sh3add(Lifter& l, const Decoded& d) { shift_add(l, d, l.x(d.rs1), 3); }
void sh1add_uw(Lifter& l, const Decoded& d) { shift_add(l, d, unsigned_word(l, d.rs1), 1); }
void sh2add_uw(Lifter& l, const Decoded& d) { shift_add(l, d, unsigned_word(l, d.rs1), 2); }
void sh3add_uw(Lifter& l, const Decoded& d) { shift_add(l, d, unsigned_word(l, d.rs1), 3); }
/// ZEXT.W is this one with x0.
void add_uw(Lifter& l, const Decoded& d) {
    const ValueId a = unsigned_word(l, d.rs1);
    l.set_x(d.rd, d.rs2 == 0 ? a : l.add(a, l.x(d.rs2)));
}
void slli_uw(Lifter& l, const Decoded& d) {
    l.set_x(d.rd, l.binary(Op::shl, unsigned_word(l, d.rs1), l.imm(d)));
}

}  // namespace kiln::riscv64::lift

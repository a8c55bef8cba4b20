// Zbc: carry-less multiplication (Unprivileged ISA, chapter "B").
#include "lift/riscv64/forms.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void clmul(Lifter& l, const Decoded& d) { binary(l, d, Op::clmul); }
void clmulh(Lifter& l, const Decoded& d) { binary(l, d, Op::clmulh); }
/// Bits 126 to 63 of the product.
void clmulr(Lifter& l, const Decoded& d) {
    const ValueId a = l.x(d.rs1), b = l.x(d.rs2);
    const ValueId high = l.with(Op::shl, l.binary(Op::clmulh, a, b), 1);
    l.set_x(d.rd, l.or_(high, l.with(Op::shr, l.binary(Op::clmul, a, b), 63)));
}

}  // namespace kiln::riscv64::lift

// Zicond: conditional zero (Unprivileged ISA, chapter "Zicond").
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

/// rs1, or zero if rs2 compares to zero as said.
void zero_if(Lifter& l, const Decoded& d, Cond cond) {
    const ValueId zero = l.constant(0);
    l.set_x(d.rd, l.select(l.icmp(cond, l.x(d.rs2), zero), zero, l.x(d.rs1)));
}

}  // namespace

void czero_eqz(Lifter& l, const Decoded& d) { zero_if(l, d, Cond::eq); }
void czero_nez(Lifter& l, const Decoded& d) { zero_if(l, d, Cond::ne); }

}  // namespace kiln::riscv64::lift

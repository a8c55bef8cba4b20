// Zimop: may-be-operations, which write zero until an extension redefines them (Unprivileged ISA, "Zimop").
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void mop_r_n(Lifter& l, const Decoded& d) { l.set_constant(d.rd, 0); }
void mop_rr_n(Lifter& l, const Decoded& d) { l.set_constant(d.rd, 0); }

}  // namespace kiln::riscv64::lift

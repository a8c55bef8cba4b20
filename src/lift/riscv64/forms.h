// The commonest forms of integer instructions, where the operation is all that differs.
#pragma once

#include "lift/riscv64/lifter.h"

namespace kiln::riscv64::lift {

/// rd = rs1 op rs2
inline void binary(Lifter& l, const Decoded& d, Op op) {
    l.set_x(d.rd, l.binary(op, l.x(d.rs1), l.x(d.rs2)));
}
/// rd = rs1 op imm
inline void with_imm(Lifter& l, const Decoded& d, Op op) {
    l.set_x(d.rd, l.binary(op, l.x(d.rs1), l.imm(d)));
}
/// rd = op rs1
inline void unary(Lifter& l, const Decoded& d, Op op) { l.set_x(d.rd, l.unary(op, l.x(d.rs1))); }

// The same on the low 32 bits, the result sign-extended.
inline void binary_w(Lifter& l, const Decoded& d, Op op) {
    l.set_sext(d.rd, l.binary(op, l.w(d.rs1), l.w(d.rs2)));
}
inline void with_imm_w(Lifter& l, const Decoded& d, Op op) {
    l.set_sext(d.rd, l.with(op, l.w(d.rs1), static_cast<u32>(d.imm)));
}
inline void unary_w(Lifter& l, const Decoded& d, Op op) { l.set_sext(d.rd, l.unary(op, l.w(d.rs1))); }

}  // namespace kiln::riscv64::lift

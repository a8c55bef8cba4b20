// Zbb: basic bit manipulation (Unprivileged ISA, chapter "B").
#include "lift/riscv64/forms.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void andn(Lifter& l, const Decoded& d) { binary(l, d, Op::andn); }
void orn(Lifter& l, const Decoded& d) { binary(l, d, Op::orn); }
void xnor(Lifter& l, const Decoded& d) { binary(l, d, Op::xnor); }
void min(Lifter& l, const Decoded& d) { binary(l, d, Op::min_s); }
void minu(Lifter& l, const Decoded& d) { binary(l, d, Op::min_u); }
void max(Lifter& l, const Decoded& d) { binary(l, d, Op::max_s); }
void maxu(Lifter& l, const Decoded& d) { binary(l, d, Op::max_u); }

void clz(Lifter& l, const Decoded& d) { unary(l, d, Op::clz); }
void clzw(Lifter& l, const Decoded& d) { unary_w(l, d, Op::clz); }
void ctz(Lifter& l, const Decoded& d) { unary(l, d, Op::ctz); }
void ctzw(Lifter& l, const Decoded& d) { unary_w(l, d, Op::ctz); }
void cpop(Lifter& l, const Decoded& d) { unary(l, d, Op::popcnt); }
void cpopw(Lifter& l, const Decoded& d) { unary_w(l, d, Op::popcnt); }
void orc_b(Lifter& l, const Decoded& d) { unary(l, d, Op::orcb); }
void rev8(Lifter& l, const Decoded& d) { unary(l, d, Op::bswap); }

void sext_b(Lifter& l, const Decoded& d) { l.set_sext(d.rd, l.x(d.rs1, Type::i8)); }
void sext_h(Lifter& l, const Decoded& d) { l.set_sext(d.rd, l.x(d.rs1, Type::i16)); }
void zext_h(Lifter& l, const Decoded& d) { l.set_zext(d.rd, l.x(d.rs1, Type::i16)); }

void rol(Lifter& l, const Decoded& d) { binary(l, d, Op::rotl); }
void rolw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::rotl); }
void ror(Lifter& l, const Decoded& d) { binary(l, d, Op::rotr); }
void rorw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::rotr); }
void rori(Lifter& l, const Decoded& d) { with_imm(l, d, Op::rotr); }
void roriw(Lifter& l, const Decoded& d) { with_imm_w(l, d, Op::rotr); }

}  // namespace kiln::riscv64::lift

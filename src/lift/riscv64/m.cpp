// M: multiplication and division (Unprivileged ISA, chapter "M").
#include "lift/riscv64/forms.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {
/// The rule for a zero divisor that all of these follow, and the operations' default.
static_assert(static_cast<u8>(ir::DivRule::ones) == 0);
}  // namespace

void mul(Lifter& l, const Decoded& d) { binary(l, d, Op::mul); }
void mulh(Lifter& l, const Decoded& d) { binary(l, d, Op::mulh_s); }
void mulhsu(Lifter& l, const Decoded& d) { binary(l, d, Op::mulh_su); }
void mulhu(Lifter& l, const Decoded& d) { binary(l, d, Op::mulh_u); }
void div(Lifter& l, const Decoded& d) { binary(l, d, Op::div_s); }
void divu(Lifter& l, const Decoded& d) { binary(l, d, Op::div_u); }
void rem(Lifter& l, const Decoded& d) { binary(l, d, Op::rem_s); }
void remu(Lifter& l, const Decoded& d) { binary(l, d, Op::rem_u); }
void mulw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::mul); }
void divw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::div_s); }
void divuw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::div_u); }
void remw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::rem_s); }
void remuw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::rem_u); }

}  // namespace kiln::riscv64::lift

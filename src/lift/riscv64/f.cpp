// F: single precision (Unprivileged ISA, chapter "F"). What the instructions do is in fp.h.
#include "lift/riscv64/fp.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void flw(Lifter& l, const Decoded& d) { fp_load(l, d, Type::f32); }
void fsw(Lifter& l, const Decoded& d) { fp_store(l, d, Type::f32); }
void fmv_x_w(Lifter& l, const Decoded& d) { fp_move_to_x(l, d, Type::f32); }
void fmv_w_x(Lifter& l, const Decoded& d) { fp_move_from_x(l, d, Type::f32); }

void fmadd_s(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f32, Product::positive, Addend::positive); }
void fmsub_s(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f32, Product::positive, Addend::negative); }
void fnmsub_s(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f32, Product::negative, Addend::positive); }
void fnmadd_s(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f32, Product::negative, Addend::negative); }
void fadd_s(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f32, Op::fadd); }
void fsub_s(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f32, Op::fsub); }
void fmul_s(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f32, Op::fmul); }
void fdiv_s(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f32, Op::fdiv); }
void fsqrt_s(Lifter& l, const Decoded& d) { fp_sqrt(l, d, Type::f32); }
void fsgnj_s(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f32, SignFrom::rs2); }
void fsgnjn_s(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f32, SignFrom::not_rs2); }
void fsgnjx_s(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f32, SignFrom::both); }
void fmin_s(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f32, Op::fmin, ir::MinMax::number); }
void fmax_s(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f32, Op::fmax, ir::MinMax::number); }
void feq_s(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f32, FpCond::eq); }
void flt_s(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f32, FpCond::lt); }
void fle_s(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f32, FpCond::le); }
void fclass_s(Lifter& l, const Decoded& d) { fp_class(l, d, Type::f32); }

void fcvt_w_s(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i32, Type::f32); }
void fcvt_wu_s(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i32, Type::f32); }
void fcvt_l_s(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i64, Type::f32); }
void fcvt_lu_s(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i64, Type::f32); }
void fcvt_s_w(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f32, Type::i32); }
void fcvt_s_wu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f32, Type::i32); }
void fcvt_s_l(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f32, Type::i64); }
void fcvt_s_lu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f32, Type::i64); }

}  // namespace kiln::riscv64::lift

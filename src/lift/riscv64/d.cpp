// D: double precision (Unprivileged ISA, chapter "D"). What the instructions do is in fp.h.
#include "lift/riscv64/fp.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void fld(Lifter& l, const Decoded& d) { fp_load(l, d, Type::f64); }
void fsd(Lifter& l, const Decoded& d) { fp_store(l, d, Type::f64); }
void fmv_x_d(Lifter& l, const Decoded& d) { fp_move_to_x(l, d, Type::f64); }
void fmv_d_x(Lifter& l, const Decoded& d) { fp_move_from_x(l, d, Type::f64); }

void fmadd_d(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f64, Product::positive, Addend::positive); }
void fmsub_d(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f64, Product::positive, Addend::negative); }
void fnmsub_d(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f64, Product::negative, Addend::positive); }
void fnmadd_d(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f64, Product::negative, Addend::negative); }
void fadd_d(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f64, Op::fadd); }
void fsub_d(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f64, Op::fsub); }
void fmul_d(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f64, Op::fmul); }
void fdiv_d(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f64, Op::fdiv); }
void fsqrt_d(Lifter& l, const Decoded& d) { fp_sqrt(l, d, Type::f64); }
void fsgnj_d(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f64, SignFrom::rs2); }
void fsgnjn_d(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f64, SignFrom::not_rs2); }
void fsgnjx_d(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f64, SignFrom::both); }
void fmin_d(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f64, Op::fmin, ir::MinMax::number); }
void fmax_d(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f64, Op::fmax, ir::MinMax::number); }
void feq_d(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f64, FpCond::eq); }
void flt_d(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f64, FpCond::lt); }
void fle_d(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f64, FpCond::le); }
void fclass_d(Lifter& l, const Decoded& d) { fp_class(l, d, Type::f64); }

void fcvt_w_d(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i32, Type::f64); }
void fcvt_wu_d(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i32, Type::f64); }
void fcvt_l_d(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i64, Type::f64); }
void fcvt_lu_d(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i64, Type::f64); }
void fcvt_d_w(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f64, Type::i32); }
void fcvt_d_wu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f64, Type::i32); }
void fcvt_d_l(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f64, Type::i64); }
void fcvt_d_lu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f64, Type::i64); }
void fcvt_s_d(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f32, Type::f64); }
void fcvt_d_s(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f64, Type::f32); }

}  // namespace kiln::riscv64::lift

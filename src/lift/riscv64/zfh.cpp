// Zfh and Zfhmin: half precision (Unprivileged ISA, chapter "Zfh"). What the instructions do is in fp.h.
#include "lift/riscv64/fp.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {

void flh(Lifter& l, const Decoded& d) { fp_load(l, d, Type::f16); }
void fsh(Lifter& l, const Decoded& d) { fp_store(l, d, Type::f16); }
void fmv_x_h(Lifter& l, const Decoded& d) { fp_move_to_x(l, d, Type::f16); }
void fmv_h_x(Lifter& l, const Decoded& d) { fp_move_from_x(l, d, Type::f16); }

void fmadd_h(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f16, Product::positive, Addend::positive); }
void fmsub_h(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f16, Product::positive, Addend::negative); }
void fnmsub_h(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f16, Product::negative, Addend::positive); }
void fnmadd_h(Lifter& l, const Decoded& d) { fp_fused(l, d, Type::f16, Product::negative, Addend::negative); }
void fadd_h(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f16, Op::fadd); }
void fsub_h(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f16, Op::fsub); }
void fmul_h(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f16, Op::fmul); }
void fdiv_h(Lifter& l, const Decoded& d) { fp_binary(l, d, Type::f16, Op::fdiv); }
void fsqrt_h(Lifter& l, const Decoded& d) { fp_sqrt(l, d, Type::f16); }
void fsgnj_h(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f16, SignFrom::rs2); }
void fsgnjn_h(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f16, SignFrom::not_rs2); }
void fsgnjx_h(Lifter& l, const Decoded& d) { fp_sign_inject(l, d, Type::f16, SignFrom::both); }
void fmin_h(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f16, Op::fmin, ir::MinMax::number); }
void fmax_h(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f16, Op::fmax, ir::MinMax::number); }
void feq_h(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f16, FpCond::eq); }
void flt_h(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f16, FpCond::lt); }
void fle_h(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f16, FpCond::le); }
void fclass_h(Lifter& l, const Decoded& d) { fp_class(l, d, Type::f16); }

void fcvt_w_h(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i32, Type::f16); }
void fcvt_wu_h(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i32, Type::f16); }
void fcvt_l_h(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_s, Type::i64, Type::f16); }
void fcvt_lu_h(Lifter& l, const Decoded& d) { fp_to_integer(l, d, Op::fcvt_to_u, Type::i64, Type::f16); }
void fcvt_h_w(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f16, Type::i32); }
void fcvt_h_wu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f16, Type::i32); }
void fcvt_h_l(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_s, Type::f16, Type::i64); }
void fcvt_h_lu(Lifter& l, const Decoded& d) { fp_from_integer(l, d, Op::fcvt_from_u, Type::f16, Type::i64); }
void fcvt_h_s(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f16, Type::f32); }
void fcvt_s_h(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f32, Type::f16); }
void fcvt_h_d(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f16, Type::f64); }
void fcvt_d_h(Lifter& l, const Decoded& d) { fp_convert(l, d, Type::f64, Type::f16); }

}  // namespace kiln::riscv64::lift

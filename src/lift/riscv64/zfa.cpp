// Zfa: additional floating-point instructions (Unprivileged ISA, chapter "Zfa").
#include <bit>

#include "base/softfp.h"
#include "lift/riscv64/fp.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

constexpr double constants[] = {
#define RV_FLI(index, name, value) value,
#include "isa/riscv64/fli.def"
#undef RV_FLI
};
constexpr i32 row_of_smallest_normal = 1;

/// The row's value in `format`; 65536 is the infinity of binary16.
u64 fli_bits(i32 row, Type format) {
    constexpr unsigned fraction_bits[] = {10, 23, 52};
    const unsigned which = static_cast<unsigned>(format) - static_cast<unsigned>(Type::f16);
    if (row == row_of_smallest_normal) return u64{1} << fraction_bits[which];
    softfp::Context context;
    return softfp::convert(softfp::Format::f64, softfp::Format(which), std::bit_cast<u64>(constants[row]),
                           context);
}

void fli(Lifter& l, const Decoded& d, Type format) {
    const u64 box = ~ir::type_mask(bits_type(format));
    l.set_f(d.rd, l.constant(fli_bits(d.imm, format) | box));
}

}  // namespace

void fli_s(Lifter& l, const Decoded& d) { fli(l, d, Type::f32); }
void fminm_s(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f32, Op::fmin, ir::MinMax::nan); }
void fmaxm_s(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f32, Op::fmax, ir::MinMax::nan); }
void fround_s(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f32, ir::Exactness::silent); }
void froundnx_s(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f32, ir::Exactness::inexact); }
void fleq_s(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f32, FpCond::le_quiet); }
void fltq_s(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f32, FpCond::lt_quiet); }

void fli_d(Lifter& l, const Decoded& d) { fli(l, d, Type::f64); }
void fminm_d(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f64, Op::fmin, ir::MinMax::nan); }
void fmaxm_d(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f64, Op::fmax, ir::MinMax::nan); }
void fround_d(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f64, ir::Exactness::silent); }
void froundnx_d(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f64, ir::Exactness::inexact); }
void fleq_d(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f64, FpCond::le_quiet); }
void fltq_d(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f64, FpCond::lt_quiet); }

void fli_h(Lifter& l, const Decoded& d) { fli(l, d, Type::f16); }
void fminm_h(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f16, Op::fmin, ir::MinMax::nan); }
void fmaxm_h(Lifter& l, const Decoded& d) { fp_min_max(l, d, Type::f16, Op::fmax, ir::MinMax::nan); }
void fround_h(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f16, ir::Exactness::silent); }
void froundnx_h(Lifter& l, const Decoded& d) { fp_round(l, d, Type::f16, ir::Exactness::inexact); }
void fleq_h(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f16, FpCond::le_quiet); }
void fltq_h(Lifter& l, const Decoded& d) { fp_compare(l, d, Type::f16, FpCond::lt_quiet); }

void fcvtmod_w_d(Lifter& l, const Decoded& d) {
    l.set_x(d.rd, l.call(abi::helper::fcvtmod_w_d, {l.f(d.rs1)}));
}

}  // namespace kiln::riscv64::lift

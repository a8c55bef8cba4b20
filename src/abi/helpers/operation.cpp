// The helper `operate` (abi/operation.h): an operation's meaning, by ir/semantics.h for integers and vectors, and by
// base/softfp.h for floating point.
#include "abi/operation.h"

#include "abi/helpers.h"
#include "base/check.h"
#include "base/host_fp.h"
#include "ir/evaluate.h"

namespace kiln::abi::helpers {
namespace {

using ir::Op;
using ir::Type;

softfp::Format format(Type type) {
    return type == Type::f16   ? softfp::Format::f16
           : type == Type::f32 ? softfp::Format::f32
                               : softfp::Format::f64;
}

softfp::IntType int_type(Type type, bool is_signed) {
    if (type == Type::i32) return is_signed ? softfp::IntType::i32 : softfp::IntType::u32;
    return is_signed ? softfp::IntType::i64 : softfp::IntType::u64;
}

bool compared(ir::FpCond cond, softfp::Format f, u64 a, u64 b, softfp::Context& context) {
    switch (cond) {
        case ir::FpCond::eq: return softfp::eq(f, a, b, context);
        case ir::FpCond::lt: return softfp::lt(f, a, b, context);
        case ir::FpCond::le: return softfp::le(f, a, b, context);
        case ir::FpCond::lt_quiet: return softfp::lt_quiet(f, a, b, context);
        case ir::FpCond::le_quiet: return softfp::le_quiet(f, a, b, context);
    }
    KILN_UNREACHABLE();
}

/// Nothing if it is no operation on floats.
std::optional<u64> floating(const ir::Inst& inst, Type operand, u64 a, u64 b, u64 c,
                            softfp::Context& context) {
    const softfp::Format from = format(operand), to = format(inst.type);
    const bool number_wins = inst.min_max() == ir::MinMax::number;
    switch (inst.op) {
        case Op::fadd: return softfp::add(to, a, b, context);
        case Op::fsub: return softfp::sub(to, a, b, context);
        case Op::fmul: return softfp::mul(to, a, b, context);
        case Op::fdiv: return softfp::div(to, a, b, context);
        case Op::fsqrt: return softfp::sqrt(to, a, context);
        case Op::fma: return softfp::fma(to, a, b, c, context);
        case Op::fmin:
            return number_wins ? softfp::min_number(to, a, b, context) : softfp::minimum(to, a, b, context);
        case Op::fmax:
            return number_wins ? softfp::max_number(to, a, b, context) : softfp::maximum(to, a, b, context);
        case Op::fcmp: return compared(inst.fp_cond(), from, a, b, context);
        case Op::fcvt: return softfp::convert(from, to, a, context);
        case Op::fcvt_from_s: return softfp::from_int(to, int_type(operand, true), a, context);
        case Op::fcvt_from_u: return softfp::from_int(to, int_type(operand, false), a, context);
        case Op::fcvt_to_s: return softfp::to_int(from, a, int_type(inst.type, true), context);
        case Op::fcvt_to_u: return softfp::to_int(from, a, int_type(inst.type, false), context);
        case Op::fround: {
            const bool raises = inst.exactness() == ir::Exactness::inexact;
            return softfp::round_to_integral(
                to, a, raises ? softfp::Inexact::raised : softfp::Inexact::silent, context);
        }
        default: return std::nullopt;
    }
}

}  // namespace

u64 operate(Context& context, u64 packed, u64 dynamic_rounding) {
    const Operation o = Operation::of(packed);
    ir::Inst inst(o.op, o.type);
    inst.attr0 = o.attr0;
    inst.attr1 = o.attr1;
    inst.imm = o.lane;
    u64* const words = reinterpret_cast<u64*>(reinterpret_cast<u8*>(&context) + operand_words);
    const auto wide = [&](unsigned i) { return u128{words[2 * i + 1]} << 64 | words[2 * i]; };
    const auto give = [&](u128 result) {
        words[0] = static_cast<u64>(result);
        words[1] = static_cast<u64>(result >> 64);
        return u64{0};
    };
    if (const auto result = ir::evaluate_vector(inst, wide(0), wide(1), wide(2))) return give(*result);
    const bool rounds = ir::info(inst.op).attrs[0] == ir::AttrGroup::Rounding;
    const auto rounding = !rounds                                ? ir::Rounding::rne
                          : inst.rounding() == ir::Rounding::dyn ? ir::Rounding(dynamic_rounding)
                                                                 : inst.rounding();
    softfp::Context fp{softfp::Rounding(rounding)};
    if (const auto result = floating(inst, o.operand, words[0], words[2], words[4], fp)) {
        host_fp::raise_flags(fp.flags);
        return give(*result);
    }
    const auto result = ir::evaluate(inst, o.operand, words[0], words[2]);
    KILN_CHECK(result.has_value());
    return give(*result);
}

}  // namespace kiln::abi::helpers

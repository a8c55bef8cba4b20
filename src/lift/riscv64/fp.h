// Floating-point instructions of any format: the format's own files (f.cpp, d.cpp, zfh.cpp, zfa.cpp) name it.
// A register narrower than 64 bits is read through its NaN box: what is not boxed is the canonical NaN
// (Unprivileged ISA, "NaN Boxing of Narrower Values").
#pragma once

#include "lift/riscv64/lifter.h"

namespace kiln::riscv64::lift {

constexpr Type bits_type(Type format) {
    return format == Type::f64 ? Type::i64 : format == Type::f32 ? Type::i32 : Type::i16;
}
constexpr u64 sign_bit(Type format) { return u64{1} << (ir::bit_width(format) - 1); }

inline u8 attr(Rounding rounding) { return static_cast<u8>(rounding); }

/// The value's bits as an integer of its width.
inline ValueId bits_of(Lifter& l, ValueId value) {
    return l.convert(Op::bitcast, bits_type(l.type(value)), value);
}
inline ValueId negate(Lifter& l, ValueId value) {
    const Type format = l.type(value);
    return l.convert(Op::bitcast, format, l.with(Op::xor_, bits_of(l, value), sign_bit(format)));
}

// Loads and stores move bits: no box is looked at, nothing is canonicalized.
inline void fp_load(Lifter& l, const Decoded& d, Type format) {
    if (format == Type::f64) return l.set_f(d.rd, l.load(Type::i64, l.x(d.rs1), d.imm));
    l.set_fp(d.rd, l.load(format, l.x(d.rs1), d.imm));
}
inline void fp_store(Lifter& l, const Decoded& d, Type format) {
    const ValueId raw = l.f(d.rs2);
    l.store(l.x(d.rs1), d.imm, format == Type::f64 ? raw : l.trunc(bits_type(format), raw));
}
inline void fp_move_to_x(Lifter& l, const Decoded& d, Type format) {
    const ValueId raw = l.f(d.rs1);
    l.set_sext(d.rd, format == Type::f64 ? raw : l.trunc(bits_type(format), raw));
}
inline void fp_move_from_x(Lifter& l, const Decoded& d, Type format) {
    if (format == Type::f64) return l.set_f(d.rd, l.x(d.rs1));
    l.set_fp(d.rd, l.convert(Op::bitcast, format, l.x(d.rs1, bits_type(format))));
}

inline void fp_binary(Lifter& l, const Decoded& d, Type format, Op op) {
    l.set_fp(d.rd, l.binary(op, l.fp(format, d.rs1), l.fp(format, d.rs2), attr(l.rounding(d))));
}
inline void fp_sqrt(Lifter& l, const Decoded& d, Type format) {
    l.set_fp(d.rd, l.unary(Op::fsqrt, l.fp(format, d.rs1), attr(l.rounding(d))));
}
inline void fp_round(Lifter& l, const Decoded& d, Type format, ir::Exactness exactness) {
    l.set_fp(d.rd, l.unary(Op::fround, l.fp(format, d.rs1), attr(l.rounding(d)), static_cast<u8>(exactness)));
}
inline void fp_min_max(Lifter& l, const Decoded& d, Type format, Op op, ir::MinMax rule) {
    l.set_fp(d.rd, l.binary(op, l.fp(format, d.rs1), l.fp(format, d.rs2), static_cast<u8>(rule)));
}
inline void fp_compare(Lifter& l, const Decoded& d, Type format, FpCond cond) {
    l.set_zext(d.rd, l.fcmp(cond, l.fp(format, d.rs1), l.fp(format, d.rs2)));
}

enum class Product : u8 { positive, negative };
enum class Addend : u8 { positive, negative };

/// ±(rs1 * rs2) ± rs3, rounded once. Negating an operand is exact, so it may be done before.
inline void fp_fused(Lifter& l, const Decoded& d, Type format, Product product, Addend addend) {
    const ValueId a = l.fp(format, d.rs1), b = l.fp(format, d.rs2), c = l.fp(format, d.rs3);
    const ValueId signed_a = product == Product::negative ? negate(l, a) : a;
    const ValueId signed_c = addend == Addend::negative ? negate(l, c) : c;
    l.set_fp(d.rd, l.ternary(Op::fma, signed_a, b, signed_c, attr(l.rounding(d))));
}

enum class SignFrom : u8 { rs2, not_rs2, both };

/// rs1 with a sign made of rs2's. With equal operands these are FMV, FNEG and FABS.
inline void fp_sign_inject(Lifter& l, const Decoded& d, Type format, SignFrom from) {
    const u64 sign = sign_bit(format), magnitude = ir::type_mask(bits_type(format)) ^ sign;
    const auto bits = [&](unsigned number) {
        return format == Type::f64 ? l.f(number) : bits_of(l, l.fp(format, number));
    };
    const ValueId a = bits(d.rs1);
    ValueId result;
    if (d.rs1 == d.rs2) {
        result = from == SignFrom::rs2       ? a
                 : from == SignFrom::not_rs2 ? l.with(Op::xor_, a, sign)
                                             : l.with(Op::and_, a, magnitude);
    } else {
        const ValueId b = l.with(Op::and_, bits(d.rs2), sign);
        result = from == SignFrom::both ? l.xor_(a, b) : l.or_(l.with(Op::and_, a, magnitude), b);
        if (from == SignFrom::not_rs2) result = l.with(Op::xor_, result, sign);
    }
    if (format == Type::f64) return l.set_f(d.rd, result);
    l.set_fp(d.rd, l.convert(Op::bitcast, format, result));
}

inline void fp_class(Lifter& l, const Decoded& d, Type format) {
    if (format == Type::f64) return l.set_x(d.rd, l.call(abi::helper::fclass64, {l.f(d.rs1)}));
    const ir::HelperId helper = format == Type::f32 ? abi::helper::fclass32 : abi::helper::fclass16;
    l.set_x(d.rd, l.call(helper, {l.zext(bits_of(l, l.fp(format, d.rs1)))}));
}

/// Between formats.
inline void fp_convert(Lifter& l, const Decoded& d, Type to, Type from) {
    l.set_fp(d.rd, l.convert(Op::fcvt, to, l.fp(from, d.rs1), attr(l.rounding(d))));
}
/// To an i32 (sign-extended, also if unsigned) or i64; `op` says the sign.
inline void fp_to_integer(Lifter& l, const Decoded& d, Op op, Type to, Type format) {
    l.set_sext(d.rd, l.convert(op, to, l.fp(format, d.rs1), attr(l.rounding(d))));
}
inline void fp_from_integer(Lifter& l, const Decoded& d, Op op, Type format, Type from) {
    l.set_fp(d.rd, l.convert(op, format, l.x(d.rs1, from), attr(l.rounding(d))));
}

}  // namespace kiln::riscv64::lift

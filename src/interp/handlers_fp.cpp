// Handlers of floating point. Rounding to nearest even runs on the host's SSE unit (host_fp.h); every other
// rounding, and binary16, in software (base/softfp.h). Both leave their exception flags in MXCSR.
#include "base/host_fp.h"
#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

using ir::Op;
using ir::Type;
using softfp::Format;

template <Type type>
constexpr Format format = type == Type::f16   ? Format::f16
                          : type == Type::f32 ? Format::f32
                                              : Format::f64;

constexpr u64 box_bits(Type type) {
    return type == Type::f64 ? 0 : ~ir::type_mask(type == Type::f16 ? Type::i16 : Type::i32);
}

/// The operand's bits, out of its box.
template <Type type>
u64 operand(u8* state, u16 number) {
    const u64 raw = word(state, number);
    if constexpr (type == Type::f64)
        return raw;
    else
        return (raw & box_bits(type)) == box_bits(type) ? raw & ~box_bits(type)
                                                        : softfp::canonical_nan(format<type>);
}

template <Type type>
void give(const Code* ip, u8* state, u64 bits) {
    word(state, ip->dst) = bits | box_bits(type);
}

template <Type type>
using Host = std::conditional_t<type == Type::f32, float, double>;

template <Type type>
Host<type> host_operand(u8* state, u16 number) {
    return host_fp::from_bits<Host<type>>(operand<type>(state, number));
}

/// The cell's rounding, the dynamic one read from its slot; Rounding::dyn when that is not a rounding.
inline ir::Rounding rounding_of(const Code* ip, u8* state) {
    const auto fixed = ir::Rounding(ip->imm & 0xff);
    if (fixed != ir::Rounding::dyn) return fixed;
    const u64 dynamic = word(state, static_cast<u16>(ip->imm >> 16));
    return dynamic < static_cast<u64>(ir::Rounding::dyn) ? ir::Rounding(dynamic) : ir::Rounding::dyn;
}

abi::ExitReason bad_rounding(const Code* ip, u8* state) {
    stop_at(ip, state);
    return abi::ExitReason::illegal;
}

template <Op op, Type type>
u64 in_hardware(const Code* ip, u8* state) {
    const auto a = host_operand<type>(state, ip->a);
    if constexpr (op == Op::fsqrt) {
        return host_fp::bits_of(host_fp::sqrt(a));
    } else {
        const auto b = host_operand<type>(state, ip->b);
        if constexpr (op == Op::fadd)
            return host_fp::bits_of(host_fp::add(a, b));
        else if constexpr (op == Op::fsub)
            return host_fp::bits_of(host_fp::sub(a, b));
        else if constexpr (op == Op::fmul)
            return host_fp::bits_of(host_fp::mul(a, b));
        else if constexpr (op == Op::fdiv)
            return host_fp::bits_of(host_fp::div(a, b));
        else
            return host_fp::bits_of(host_fp::fma(a, b, host_operand<type>(state, ip->c)));
    }
}

template <Op op, Type type>
[[gnu::noinline]] u64 in_software(const Code* ip, u8* state, ir::Rounding rounding) {
    constexpr Format f = format<type>;
    const u64 a = operand<type>(state, ip->a);
    return host_fp::with_rounding(softfp::Rounding(rounding), [&](softfp::Context& context) {
        if constexpr (op == Op::fsqrt) {
            return softfp::sqrt(f, a, context);
        } else {
            const u64 b = operand<type>(state, ip->b);
            if constexpr (op == Op::fadd)
                return softfp::add(f, a, b, context);
            else if constexpr (op == Op::fsub)
                return softfp::sub(f, a, b, context);
            else if constexpr (op == Op::fmul)
                return softfp::mul(f, a, b, context);
            else if constexpr (op == Op::fdiv)
                return softfp::div(f, a, b, context);
            else
                return softfp::fma(f, a, b, operand<type>(state, ip->c), context);
        }
    });
}

template <Op op, Type type>
KILN_HANDLER(arithmetic) {
    const ir::Rounding rounding = rounding_of(ip, state);
    if (type != Type::f16 && rounding == ir::Rounding::rne) [[likely]] {
        if constexpr (type != Type::f16) give<type>(ip, state, in_hardware<op, type>(ip, state));
    } else if (rounding == ir::Rounding::dyn) {
        return bad_rounding(ip, state);
    } else {
        give<type>(ip, state, in_software<op, type>(ip, state, rounding));
    }
    KILN_NEXT;
}

template <Type type>
KILN_HANDLER(round_integral) {
    const ir::Rounding rounding = rounding_of(ip, state);
    if (rounding == ir::Rounding::dyn) [[unlikely]]
        return bad_rounding(ip, state);
    const auto rule =
        ir::Exactness(ip->c) == ir::Exactness::inexact ? softfp::Inexact::raised : softfp::Inexact::silent;
    const u64 a = operand<type>(state, ip->a);
    give<type>(ip, state, host_fp::with_rounding(softfp::Rounding(rounding), [&](softfp::Context& context) {
                   return softfp::round_to_integral(format<type>, a, rule, context);
               }));
    KILN_NEXT;
}

/// Runs `soft(context)` for a flag-raising operation that does not round.
template <class Operation>
auto softly(Operation&& soft) {
    return host_fp::with_rounding(softfp::Rounding::rne, soft);
}

template <ir::FpCond cond, Type type>
bool compared(u8* state, u16 a_word, u16 b_word) {
    if constexpr (type == Type::f16) {
        const u64 a = operand<type>(state, a_word), b = operand<type>(state, b_word);
        return softly([&](softfp::Context& context) {
            if constexpr (cond == ir::FpCond::eq)
                return softfp::eq(Format::f16, a, b, context);
            else if constexpr (cond == ir::FpCond::lt)
                return softfp::lt(Format::f16, a, b, context);
            else if constexpr (cond == ir::FpCond::le)
                return softfp::le(Format::f16, a, b, context);
            else if constexpr (cond == ir::FpCond::lt_quiet)
                return softfp::lt_quiet(Format::f16, a, b, context);
            else
                return softfp::le_quiet(Format::f16, a, b, context);
        });
    } else {
        const auto a = host_operand<type>(state, a_word), b = host_operand<type>(state, b_word);
        if constexpr (cond == ir::FpCond::eq)
            return host_fp::eq(a, b);
        else if constexpr (cond == ir::FpCond::lt)
            return host_fp::lt(a, b);
        else if constexpr (cond == ir::FpCond::le)
            return host_fp::le(a, b);
        else if constexpr (cond == ir::FpCond::lt_quiet)
            return host_fp::lt_quiet(a, b);
        else
            return host_fp::le_quiet(a, b);
    }
}

template <ir::FpCond cond, Type type>
KILN_HANDLER(fp_compare) {
    word(state, ip->dst) = compared<cond, type>(state, ip->a, ip->b);
    KILN_NEXT;
}

template <Op op, ir::MinMax rule, Type type>
KILN_HANDLER(extreme) {
    constexpr Format f = format<type>;
    const u64 a = operand<type>(state, ip->a), b = operand<type>(state, ip->b);
    give<type>(ip, state, softly([&](softfp::Context& context) {
                   if constexpr (rule == ir::MinMax::number)
                       return op == Op::fmin ? softfp::min_number(f, a, b, context)
                                             : softfp::max_number(f, a, b, context);
                   else
                       return op == Op::fmin ? softfp::minimum(f, a, b, context)
                                             : softfp::maximum(f, a, b, context);
               }));
    KILN_NEXT;
}

constexpr softfp::IntType int_type(Type type, bool is_signed) {
    if (type == Type::i32) return is_signed ? softfp::IntType::i32 : softfp::IntType::u32;
    return is_signed ? softfp::IntType::i64 : softfp::IntType::u64;
}

template <Type from, Type to>
KILN_HANDLER(convert_format) {
    const ir::Rounding rounding = rounding_of(ip, state);
    if (rounding == ir::Rounding::dyn) [[unlikely]]
        return bad_rounding(ip, state);
    if constexpr (from == Type::f32 && to == Type::f64) {
        give<to>(ip, state, host_fp::bits_of(host_fp::f64_from_f32(host_operand<from>(state, ip->a))));
        KILN_NEXT;
    } else if constexpr (from == Type::f64 && to == Type::f32) {
        if (rounding == ir::Rounding::rne) [[likely]] {
            give<to>(ip, state, host_fp::bits_of(host_fp::f32_from_f64(host_operand<from>(state, ip->a))));
            KILN_NEXT;
        }
    }
    const u64 a = operand<from>(state, ip->a);
    give<to>(ip, state, host_fp::with_rounding(softfp::Rounding(rounding), [&](softfp::Context& context) {
                 return softfp::convert(format<from>, format<to>, a, context);
             }));
    KILN_NEXT;
}

template <Type from, Type to, bool is_signed>
u64 from_int_in_hardware(u8* state, u16 number) {
    if constexpr (from == Type::i32 && is_signed) {
        const i32 value = part<i32>(state, number);
        return host_fp::bits_of(to == Type::f32 ? Host<to>(host_fp::f32_from_i32(value))
                                                : Host<to>(host_fp::f64_from_i32(value)));
    } else if constexpr (from == Type::i32) {
        const u32 value = part<u32>(state, number);
        if constexpr (to == Type::f32)
            return host_fp::bits_of(host_fp::f32_from_u32(value));
        else
            return host_fp::bits_of(host_fp::f64_from_u32(value));
    } else if constexpr (is_signed) {
        const i64 value = part<i64>(state, number);
        if constexpr (to == Type::f32)
            return host_fp::bits_of(host_fp::f32_from_i64(value));
        else
            return host_fp::bits_of(host_fp::f64_from_i64(value));
    } else {
        const u64 value = word(state, number);
        if constexpr (to == Type::f32)
            return host_fp::bits_of(host_fp::f32_from_u64(value));
        else
            return host_fp::bits_of(host_fp::f64_from_u64(value));
    }
}

template <Type from, Type to, bool is_signed>
KILN_HANDLER(convert_from_int) {
    const ir::Rounding rounding = rounding_of(ip, state);
    if (rounding == ir::Rounding::dyn) [[unlikely]]
        return bad_rounding(ip, state);
    if constexpr (to != Type::f16) {
        if (rounding == ir::Rounding::rne) [[likely]] {
            give<to>(ip, state, from_int_in_hardware<from, to, is_signed>(state, ip->a));
            KILN_NEXT;
        }
    }
    const u64 a = part<ir::Word<from>>(state, ip->a);
    give<to>(ip, state, host_fp::with_rounding(softfp::Rounding(rounding), [&](softfp::Context& context) {
                 return softfp::from_int(format<to>, int_type(from, is_signed), a, context);
             }));
    KILN_NEXT;
}

template <Type from, Type to, bool is_signed>
KILN_HANDLER(convert_to_int) {
    const ir::Rounding rounding = rounding_of(ip, state);
    if (rounding == ir::Rounding::dyn) [[unlikely]]
        return bad_rounding(ip, state);
    if constexpr (from != Type::f16) {
        if (rounding == ir::Rounding::rtz) [[likely]] {
            const auto a = host_operand<from>(state, ip->a);
            if constexpr (to == Type::i32)
                word(state, ip->dst) = is_signed ? static_cast<u32>(host_fp::to_i32(a)) : host_fp::to_u32(a);
            else
                word(state, ip->dst) = is_signed ? static_cast<u64>(host_fp::to_i64(a)) : host_fp::to_u64(a);
            KILN_NEXT;
        }
    }
    const u64 a = operand<from>(state, ip->a);
    word(state, ip->dst) = host_fp::with_rounding(softfp::Rounding(rounding), [&](softfp::Context& context) {
        return softfp::to_int(format<from>, a, int_type(to, is_signed), context);
    });
    KILN_NEXT;
}

template <Type type>
KILN_HANDLER(box) {
    give<type>(ip, state, word(state, ip->a));
    KILN_NEXT;
}

template <Type type>
KILN_HANDLER(rebox) {
    give<type>(ip, state, operand<type>(state, ip->a));
    KILN_NEXT;
}

KILN_HANDLER(fp_get_flags) {
    word(state, ip->dst) = context_of(state).fp_flags | host_fp::read_flags();
    KILN_NEXT;
}

KILN_HANDLER(fp_set_flags) {
    context_of(state).fp_flags = word(state, ip->a) & 31;
    host_fp::reset_environment();
    KILN_NEXT;
}

/// Calls `pick` with a std::integral_constant of each floating-point type: the result for `type`.
template <class Pick>
Handler by_fp_type(Type type, Pick&& pick) {
    switch (type) {
        case Type::f16: return pick(std::integral_constant<Type, Type::f16>());
        case Type::f32: return pick(std::integral_constant<Type, Type::f32>());
        case Type::f64: return pick(std::integral_constant<Type, Type::f64>());
        default: return nullptr;
    }
}

template <Op op>
Handler pick_arithmetic(Type type) {
    return by_fp_type(type, [](auto t) -> Handler { return arithmetic<op, t()>; });
}

template <bool is_signed>
Handler pick_from_int(Type from, Type to) {
    return by_fp_type(to, [&](auto t) -> Handler {
        return from == Type::i32 ? convert_from_int<Type::i32, t(), is_signed>
                                 : convert_from_int<Type::i64, t(), is_signed>;
    });
}

template <bool is_signed>
Handler pick_to_int(Type from, Type to) {
    return by_fp_type(from, [&](auto t) -> Handler {
        return to == Type::i32 ? convert_to_int<t(), Type::i32, is_signed>
                               : convert_to_int<t(), Type::i64, is_signed>;
    });
}

template <Op op>
Handler pick_extreme(Type type, ir::MinMax rule) {
    return by_fp_type(type, [&](auto t) -> Handler {
        return rule == ir::MinMax::number ? extreme<op, ir::MinMax::number, t()>
                                          : extreme<op, ir::MinMax::nan, t()>;
    });
}

}  // namespace

Handler fp_handler(Op op, Type type) {
    switch (op) {
        case Op::fadd: return pick_arithmetic<Op::fadd>(type);
        case Op::fsub: return pick_arithmetic<Op::fsub>(type);
        case Op::fmul: return pick_arithmetic<Op::fmul>(type);
        case Op::fdiv: return pick_arithmetic<Op::fdiv>(type);
        case Op::fsqrt: return pick_arithmetic<Op::fsqrt>(type);
        case Op::fma: return pick_arithmetic<Op::fma>(type);
        default: return nullptr;
    }
}

Handler fp_compare_handler(ir::FpCond cond, Type type) {
    return by_fp_type(type, [&](auto t) -> Handler {
        switch (cond) {
            case ir::FpCond::eq: return fp_compare<ir::FpCond::eq, t()>;
            case ir::FpCond::lt: return fp_compare<ir::FpCond::lt, t()>;
            case ir::FpCond::le: return fp_compare<ir::FpCond::le, t()>;
            case ir::FpCond::lt_quiet: return fp_compare<ir::FpCond::lt_quiet, t()>;
            case ir::FpCond::le_quiet: return fp_compare<ir::FpCond::le_quiet, t()>;
        }
        return nullptr;
    });
}

Handler fp_min_max_handler(Op op, Type type, ir::MinMax rule) {
    return op == Op::fmin ? pick_extreme<Op::fmin>(type, rule) : pick_extreme<Op::fmax>(type, rule);
}

Handler fp_convert_handler(Op op, Type from, Type to) {
    switch (op) {
        case Op::fcvt:
            return by_fp_type(from, [&](auto f) {
                return by_fp_type(to, [](auto t) -> Handler {
                    return convert_format<decltype(f)::value, decltype(t)::value>;
                });
            });
        case Op::fcvt_from_s: return pick_from_int<true>(from, to);
        case Op::fcvt_from_u: return pick_from_int<false>(from, to);
        case Op::fcvt_to_s: return pick_to_int<true>(from, to);
        case Op::fcvt_to_u: return pick_to_int<false>(from, to);
        default: return nullptr;
    }
}

Handler fp_round_handler(Type type) {
    return by_fp_type(type, [](auto t) -> Handler { return round_integral<t()>; });
}
Handler box_handler(Type type) {
    return by_fp_type(type, [](auto t) -> Handler { return box<t()>; });
}
Handler rebox_handler(Type type) {
    return by_fp_type(type, [](auto t) -> Handler { return rebox<t()>; });
}
Handler fp_get_flags_handler() { return fp_get_flags; }
Handler fp_set_flags_handler() { return fp_set_flags; }

}  // namespace kiln::interp

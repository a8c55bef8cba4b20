#include "ir/evaluate.h"

#include "ir/semantics.h"

namespace kiln::ir {

namespace {

/// Calls f.operator()<T>() for the integer type `type`, if the rule allows it.
template <TypeRule Rule, class F>
std::optional<u64> for_type(Type type, F&& f) {
    switch (type) {
#define CASE(T)                                                                               \
    case Type::T:                                                                             \
        if constexpr (allows(Rule, Type::T)) return u64 { f.template operator()<Type::T>() }; \
        break;
        CASE(i1)
        CASE(i8)
        CASE(i16)
        CASE(i32)
        CASE(i64)
#undef CASE
        case Type::none:
        case Type::i128:
        case Type::f16:
        case Type::f32:
        case Type::f64:
        case Type::v128:
        case Type::ptr:
        case Type::boxed: break;
    }
    return std::nullopt;
}

template <Op O, Shape S, TypeRule Rule>
std::optional<u64> evaluate_op(const Inst& inst, Type operand, u64 a, u64 b) {
    if constexpr (S == Shape::binary && on_integers(Rule)) {
        return for_type<Rule>(inst.type, [&]<Type T>() {
            return binary<O, T>(static_cast<Word<T>>(a), static_cast<Word<T>>(b), inst.div_rule());
        });
    } else if constexpr (S == Shape::unary && on_integers(Rule)) {
        return for_type<Rule>(inst.type, [&]<Type T>() { return unary<O, T>(static_cast<Word<T>>(a)); });
    } else if constexpr (O == Op::icmp) {
        return for_type<Rule>(inst.type, [&]<Type T>() {
            return compare<T>(inst.cond(), static_cast<Word<T>>(a), static_cast<Word<T>>(b));
        });
    } else if constexpr (O == Op::trunc || O == Op::zext) {
        return a & type_mask(inst.type);
    } else if constexpr (O == Op::sext) {
        return static_cast<u64>(sign_extend(a, bit_width(operand))) & type_mask(inst.type);
    } else {
        return std::nullopt;
    }
}

}  // namespace

std::optional<u64> evaluate(const Inst& inst, Type operand, u64 a, u64 b) {
    switch (inst.op) {
#define IR_OP(name, shape, result, types, attr0, attr1, effects, meaning) \
    case Op::name: return evaluate_op<Op::name, Shape::shape, TypeRule::types>(inst, operand, a, b);
#include "ir/ops.def"
#undef IR_OP
    }
    return std::nullopt;
}

namespace {

template <Type T>
std::optional<u128> evaluate_in_lanes(const Inst& inst, u128 a, u128 b, u128 c) {
    switch (inst.op) {
        case Op::vadd: return vector_binary<Op::vadd, T>(a, b);
        case Op::vsub: return vector_binary<Op::vsub, T>(a, b);
        case Op::vmul: return vector_binary<Op::vmul, T>(a, b);
        case Op::vshl: return vector_binary<Op::vshl, T>(a, b);
        case Op::vshr: return vector_binary<Op::vshr, T>(a, b);
        case Op::vsar: return vector_binary<Op::vsar, T>(a, b);
        case Op::vmin_s: return vector_binary<Op::vmin_s, T>(a, b);
        case Op::vmax_s: return vector_binary<Op::vmax_s, T>(a, b);
        case Op::vmin_u: return vector_binary<Op::vmin_u, T>(a, b);
        case Op::vmax_u: return vector_binary<Op::vmax_u, T>(a, b);
        case Op::vcmp: return vector_compare<T>(inst.cond(), a, b);
        case Op::vand: return vector_binary<Op::vand, T>(a, b);
        case Op::vor: return vector_binary<Op::vor, T>(a, b);
        case Op::vxor: return vector_binary<Op::vxor, T>(a, b);
        case Op::vandn: return vector_binary<Op::vandn, T>(a, b);
        case Op::vshuffle: return shuffle<T>(a, b, c);
        case Op::vsplat: return splat<T>(static_cast<Word<T>>(a));
        case Op::vinsert: return insert<T>(a, inst.imm, static_cast<Word<T>>(b));
        case Op::vextract: return lanes_of<T>(a)[inst.imm];
        default: return std::nullopt;
    }
}

}  // namespace

std::optional<u128> evaluate_vector(const Inst& inst, u128 a, u128 b, u128 c) {
    if (info(inst.op).types != TypeRule::vec && inst.op != Op::vextract) return std::nullopt;
    switch (inst.lane()) {
        case Lane::i8: return evaluate_in_lanes<Type::i8>(inst, a, b, c);
        case Lane::i16: return evaluate_in_lanes<Type::i16>(inst, a, b, c);
        case Lane::i32: return evaluate_in_lanes<Type::i32>(inst, a, b, c);
        case Lane::i64: return evaluate_in_lanes<Type::i64>(inst, a, b, c);
    }
    return std::nullopt;
}

}  // namespace kiln::ir

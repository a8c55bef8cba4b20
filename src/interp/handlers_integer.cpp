// Handlers of the integer operations. What each computes is ir/semantics.h; here it is only given operands.
#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

using ir::Op;
using ir::Type;

template <Extend extend, class U>
u64 extended(U value) {
    if constexpr (extend == Extend::sign)
        return static_cast<u64>(static_cast<i64>(static_cast<std::make_signed_t<U>>(value)));
    else
        return value;
}

template <class U>
U last_operand(const Code* ip, u8* state, Form form) {
    return form == Form::word ? part<U>(state, ip->b) : static_cast<U>(ip->imm);
}

constexpr bool divides(Op op) {
    return op == Op::div_s || op == Op::div_u || op == Op::rem_s || op == Op::rem_u;
}

template <Op op, Type type, Form form, Extend extend>
KILN_HANDLER(binary) {
    using U = ir::Word<type>;
    const U a = part<U>(state, ip->a), b = last_operand<U>(ip, state, form);
    if constexpr (type == Type::i1)
        word(state, ip->dst) = ir::binary<op, type>(a, b);
    else if constexpr (divides(op))
        word(state, ip->dst) = extended<extend>(ir::binary<op, type>(a, b, ir::DivRule(ip->c)));
    else
        word(state, ip->dst) = extended<extend>(ir::binary<op, type>(a, b));
    KILN_NEXT;
}

template <Op op, Type type>
KILN_HANDLER(unary) {
    word(state, ip->dst) = ir::unary<op, type>(part<ir::Word<type>>(state, ip->a));
    KILN_NEXT;
}

template <ir::Cond cond, Type type, Form form>
bool holds(const Code* ip, u8* state) {
    using U = ir::Word<type>;
    return ir::compare<type>(cond, part<U>(state, ip->a), last_operand<U>(ip, state, form));
}

template <ir::Cond cond, Type type, Form form>
KILN_HANDLER(compare) {
    word(state, ip->dst) = holds<cond, type, form>(ip, state);
    KILN_NEXT;
}

template <ir::Cond cond, Type type, Form form>
KILN_HANDLER(compare_branch) {
    if (holds<cond, type, form>(ip, state)) KILN_CONTINUE(reinterpret_cast<const Code*>(ip->imm2));
    KILN_NEXT;
}

// The exit cell that follows is executed in place, without a dispatch of its own.
template <ir::Cond cond, Type type, Form form>
KILN_HANDLER(compare_exit) {
    if (!holds<cond, type, form>(ip, state)) KILN_CONTINUE(ip + 2);
    KILN_TAKE_EXIT(ip + 1);
}

KILN_HANDLER(sign_extend) {
    word(state, ip->dst) = static_cast<u64>(kiln::sign_extend(word(state, ip->a), ip->c)) & ip->imm;
    KILN_NEXT;
}

template <class U>
KILN_HANDLER(sign_extend_to_word) {
    word(state, ip->dst) = extended<Extend::sign>(part<U>(state, ip->a));
    KILN_NEXT;
}

KILN_HANDLER(move) {
    word(state, ip->dst) = word(state, ip->a);
    KILN_NEXT;
}

KILN_HANDLER(move_pair) {
    give_pair(state, ip->dst, pair(state, ip->a));
    KILN_NEXT;
}

KILN_HANDLER(constant) {
    word(state, ip->dst) = ip->imm;
    KILN_NEXT;
}

KILN_HANDLER(select) {
    word(state, ip->dst) = part<bool>(state, ip->a) ? word(state, ip->b) : word(state, ip->c);
    KILN_NEXT;
}

KILN_HANDLER(select_pair) {
    give_pair(state, ip->dst, pair(state, part<bool>(state, ip->a) ? ip->b : ip->c));
    KILN_NEXT;
}

template <Op op, Type type>
Handler pick_binary(Form form, Extend extend) {
    if constexpr (type == Type::i1 || type == Type::i64) {
        return form == Form::word ? binary<op, type, Form::word, Extend::zero>
                                  : binary<op, type, Form::constant, Extend::zero>;
    } else {
        if (form == Form::word)
            return extend == Extend::zero ? binary<op, type, Form::word, Extend::zero>
                                          : binary<op, type, Form::word, Extend::sign>;
        return extend == Extend::zero ? binary<op, type, Form::constant, Extend::zero>
                                      : binary<op, type, Form::constant, Extend::sign>;
    }
}

// One instance for every type that the row allows.
template <Op op, ir::TypeRule rule>
Handler pick_binary(Type type, Form form, Extend extend) {
    if constexpr (allows(rule, Type::i1))
        if (type == Type::i1) return pick_binary<op, Type::i1>(form, extend);
    if constexpr (allows(rule, Type::i8)) {
        if (type == Type::i8) return pick_binary<op, Type::i8>(form, extend);
        if (type == Type::i16) return pick_binary<op, Type::i16>(form, extend);
    }
    if (type == Type::i32) return pick_binary<op, Type::i32>(form, extend);
    if (type == Type::i64) return pick_binary<op, Type::i64>(form, extend);
    return nullptr;
}

template <Op op, ir::TypeRule rule>
Handler pick_unary(Type type) {
    if constexpr (allows(rule, Type::i8)) {
        if (type == Type::i8) return unary<op, Type::i8>;
        if (type == Type::i16) return unary<op, Type::i16>;
    }
    if (type == Type::i32) return unary<op, Type::i32>;
    if (type == Type::i64) return unary<op, Type::i64>;
    return nullptr;
}

// The three families on a comparison, by condition, type and form.
#define KILN_PICK_FORM(family, condition, type) \
    return form == Form::word ? family<condition, type, Form::word> : family<condition, type, Form::constant>
#define KILN_PICK_TYPE(family, condition)                             \
    switch (type) {                                                   \
        case Type::i1: KILN_PICK_FORM(family, condition, Type::i1);   \
        case Type::i8: KILN_PICK_FORM(family, condition, Type::i8);   \
        case Type::i16: KILN_PICK_FORM(family, condition, Type::i16); \
        case Type::i32: KILN_PICK_FORM(family, condition, Type::i32); \
        case Type::i64: KILN_PICK_FORM(family, condition, Type::i64); \
        default: return nullptr;                                      \
    }
#define KILN_PICK_COMPARE(family)                                   \
    switch (cond) {                                                 \
        case ir::Cond::eq: KILN_PICK_TYPE(family, ir::Cond::eq)     \
        case ir::Cond::ne: KILN_PICK_TYPE(family, ir::Cond::ne)     \
        case ir::Cond::lt_s: KILN_PICK_TYPE(family, ir::Cond::lt_s) \
        case ir::Cond::ge_s: KILN_PICK_TYPE(family, ir::Cond::ge_s) \
        case ir::Cond::lt_u: KILN_PICK_TYPE(family, ir::Cond::lt_u) \
        case ir::Cond::ge_u: KILN_PICK_TYPE(family, ir::Cond::ge_u) \
    }                                                               \
    return nullptr

}  // namespace

Handler binary_handler(Op op, Type type, Form form, Extend extend) {
#define IR_OP(name, shape, result, types, attr0, attr1, effects, meaning)                    \
    if constexpr (ir::Shape::shape == ir::Shape::binary && on_integers(ir::TypeRule::types)) \
        if (op == Op::name) return pick_binary<Op::name, ir::TypeRule::types>(type, form, extend);
    // The rows that the condition drops must not be instantiated: hence a template around them.
    return [&]<class>() -> Handler {
#include "ir/ops.def"
        return nullptr;
    }.template operator()<void>();
#undef IR_OP
}

Handler unary_handler(Op op, Type type) {
#define IR_OP(name, shape, result, types, attr0, attr1, effects, meaning)                   \
    if constexpr (ir::Shape::shape == ir::Shape::unary && on_integers(ir::TypeRule::types)) \
        if (op == Op::name) return pick_unary<Op::name, ir::TypeRule::types>(type);
    return [&]<class>() -> Handler {
#include "ir/ops.def"
        return nullptr;
    }.template operator()<void>();
#undef IR_OP
}

Handler compare_handler(ir::Cond cond, Type type, Form form) { KILN_PICK_COMPARE(compare); }
Handler compare_branch_handler(ir::Cond cond, Type type, Form form) { KILN_PICK_COMPARE(compare_branch); }
Handler compare_exit_handler(ir::Cond cond, Type type, Form form) { KILN_PICK_COMPARE(compare_exit); }
Handler sign_extend_handler(Type from, Type to) {
    if (to != Type::i64) return sign_extend;
    switch (from) {
        case Type::i8: return sign_extend_to_word<u8>;
        case Type::i16: return sign_extend_to_word<u16>;
        case Type::i32: return sign_extend_to_word<u32>;
        default: return sign_extend;
    }
}
Handler move_handler(Type type) { return ir::byte_size(type) > 8 ? move_pair : move; }
Handler constant_handler() { return constant; }
Handler select_handler(Type type) { return ir::byte_size(type) > 8 ? select_pair : select; }

}  // namespace kiln::interp

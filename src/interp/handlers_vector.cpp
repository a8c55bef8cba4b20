// Handlers of the vector operations. What each computes is ir/semantics.h; here it is only given operands. The
// compiler makes host vector instructions of it.
#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

using ir::Op;
using ir::Type;

template <Op op, Type lane>
KILN_HANDLER(binary) {
    give_pair(state, ip->dst, ir::vector_binary<op, lane>(pair(state, ip->a), pair(state, ip->b)));
    KILN_NEXT;
}

template <ir::Cond cond, Type lane>
KILN_HANDLER(compare) {
    give_pair(state, ip->dst, ir::vector_compare<lane>(cond, pair(state, ip->a), pair(state, ip->b)));
    KILN_NEXT;
}

template <Type lane>
KILN_HANDLER(shuffle) {
    give_pair(state, ip->dst, ir::shuffle<lane>(pair(state, ip->a), pair(state, ip->b), pair(state, ip->c)));
    KILN_NEXT;
}

template <Type lane>
KILN_HANDLER(splat) {
    give_pair(state, ip->dst, ir::splat<lane>(part<ir::Word<lane>>(state, ip->a)));
    KILN_NEXT;
}

template <Type lane>
KILN_HANDLER(insert) {
    const auto value = part<ir::Word<lane>>(state, ip->b);
    give_pair(state, ip->dst, ir::insert<lane>(pair(state, ip->a), ip->imm, value));
    KILN_NEXT;
}

template <Type lane>
KILN_HANDLER(extract) {
    word(state, ip->dst) = ir::lanes_of<lane>(pair(state, ip->a))[ip->imm];
    KILN_NEXT;
}

/// Calls `pick` with a std::integral_constant of the lane's type.
template <class Pick>
Handler by_lane(ir::Lane lane, Pick&& pick) {
    switch (lane) {
        case ir::Lane::i8: return pick(std::integral_constant<Type, Type::i8>());
        case ir::Lane::i16: return pick(std::integral_constant<Type, Type::i16>());
        case ir::Lane::i32: return pick(std::integral_constant<Type, Type::i32>());
        case ir::Lane::i64: return pick(std::integral_constant<Type, Type::i64>());
    }
    return nullptr;
}

template <Op op>
Handler pick_binary(ir::Lane lane) {
    return by_lane(lane, [](auto t) -> Handler { return binary<op, t()>; });
}

template <ir::Cond cond>
Handler pick_compare(ir::Lane lane) {
    return by_lane(lane, [](auto t) -> Handler { return compare<cond, t()>; });
}

Handler compare_handler(ir::Cond cond, ir::Lane lane) {
    switch (cond) {
        case ir::Cond::eq: return pick_compare<ir::Cond::eq>(lane);
        case ir::Cond::ne: return pick_compare<ir::Cond::ne>(lane);
        case ir::Cond::lt_s: return pick_compare<ir::Cond::lt_s>(lane);
        case ir::Cond::ge_s: return pick_compare<ir::Cond::ge_s>(lane);
        case ir::Cond::lt_u: return pick_compare<ir::Cond::lt_u>(lane);
        case ir::Cond::ge_u: return pick_compare<ir::Cond::ge_u>(lane);
    }
    return nullptr;
}

}  // namespace

Handler vector_handler(Op op, ir::Lane lane, ir::Cond cond) {
    switch (op) {
        case Op::vadd: return pick_binary<Op::vadd>(lane);
        case Op::vsub: return pick_binary<Op::vsub>(lane);
        case Op::vmul: return pick_binary<Op::vmul>(lane);
        case Op::vshl: return pick_binary<Op::vshl>(lane);
        case Op::vshr: return pick_binary<Op::vshr>(lane);
        case Op::vsar: return pick_binary<Op::vsar>(lane);
        case Op::vmin_s: return pick_binary<Op::vmin_s>(lane);
        case Op::vmax_s: return pick_binary<Op::vmax_s>(lane);
        case Op::vmin_u: return pick_binary<Op::vmin_u>(lane);
        case Op::vmax_u: return pick_binary<Op::vmax_u>(lane);
        case Op::vcmp: return compare_handler(cond, lane);
        case Op::vand: return binary<Op::vand, Type::i64>;
        case Op::vor: return binary<Op::vor, Type::i64>;
        case Op::vxor: return binary<Op::vxor, Type::i64>;
        case Op::vandn: return binary<Op::vandn, Type::i64>;
        case Op::vshuffle: return by_lane(lane, [](auto t) -> Handler { return shuffle<t()>; });
        case Op::vsplat: return by_lane(lane, [](auto t) -> Handler { return splat<t()>; });
        case Op::vinsert: return by_lane(lane, [](auto t) -> Handler { return insert<t()>; });
        case Op::vextract: return by_lane(lane, [](auto t) -> Handler { return extract<t()>; });
        default: return nullptr;  // not one on vectors
    }
}

}  // namespace kiln::interp

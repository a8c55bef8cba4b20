#include "opt/simplify.h"

#include <bit>
#include <utility>

#include "base/bits.h"
#include "ir/evaluate.h"

namespace kiln::opt {

using namespace ir;

namespace {

bool commutes(const Inst& inst) {
    switch (inst.op) {
        case Op::add:
        case Op::mul:
        case Op::mulh_s:
        case Op::mulh_u:
        case Op::and_:
        case Op::or_:
        case Op::xor_:
        case Op::xnor:
        case Op::min_s:
        case Op::max_s:
        case Op::min_u:
        case Op::max_u:
        case Op::clmul:
        case Op::clmulh: return true;
        case Op::icmp: return inst.cond() == Cond::eq || inst.cond() == Cond::ne;
        default:
            return false;  // the list above is the fact; every other operation is on the other side of it
    }
}

/// The condition that holds when `cond` does not. The pairs stand side by side in the enum.
constexpr Cond inverse(Cond cond) { return Cond(static_cast<u8>(cond) ^ 1); }
static_assert(inverse(Cond::eq) == Cond::ne && inverse(Cond::lt_s) == Cond::ge_s &&
              inverse(Cond::ge_u) == Cond::lt_u);

u64 smallest_signed(Type t) { return u64{1} << (bit_width(t) - 1); }

/// The integer type of `width` bits that a narrowing conversion may give; none when there is none.
Type narrow_type(unsigned width) {
    return width == 8 ? Type::i8 : width == 16 ? Type::i16 : width == 32 ? Type::i32 : Type::none;
}

}  // namespace

void Simplifier::start(Function& f) {
    f_ = &f;
    changed_ = false;
    uses_.assign(f.value_count(), 0);
    for (u32 b = 0; b < f.block_count(); ++b)
        f.for_each(BlockId(b),
                   [&](ValueId, Inst& inst) { f.for_each_use(inst, [&](ValueId v) { ++uses_[index(v)]; }); });
}

ValueId Simplifier::to_constant(ValueId id, u64 value) {
    const Type type = f_->result_type(id);
    to(id, Op::iconst, type, ValueId::none);
    (*f_)[id].imm = value & type_mask(type);
    return id;
}

ValueId Simplifier::to(ValueId id, Op op, Type type, ValueId a, ValueId b, u8 attr0) {
    Inst& inst = (*f_)[id];
    for (ValueId old : inst.args)
        if (old != ValueId::none) --uses_[index(old)];
    inst.op = op;
    inst.type = type;
    inst.attr0 = attr0;
    inst.args[0] = a;
    inst.args[1] = b;
    inst.args[2] = ValueId::none;
    for (ValueId used : inst.args)
        if (used != ValueId::none) ++uses_[index(used)];
    changed_ = true;
    return id;
}

ValueId Simplifier::new_constant(ValueId before, Type type, u64 value) {
    Inst inst(Op::iconst, type);
    inst.imm = value & type_mask(type);
    inst.origin = (*f_)[before].origin;
    uses_.push_back(0);
    return f_->insert_before(before, inst);
}

ValueId Simplifier::new_trunc(ValueId before, Type type, ValueId x) {
    Inst inst(Op::trunc, type);
    inst.args[0] = x;
    inst.origin = (*f_)[before].origin;
    uses_.push_back(0);
    ++uses_[index(x)];
    const ValueId id = f_->insert_before(before, inst);
    const ValueId value = simplify(id);
    if (value != id) f_->remove(id);
    return value;
}

ValueId Simplifier::simplify(ValueId id) {
    Inst& inst = (*f_)[id];
    if (inst.op == Op::iconst) return id;
    const OpInfo& op = info(inst.op);
    const unsigned args = arg_count(op.shape);
    if (args == 2 && commutes(inst) && constant(inst.args[0]) && !constant(inst.args[1])) {
        std::swap(inst.args[0], inst.args[1]);
        changed_ = true;
    }
    if (args == 1 || args == 2) {
        const u64* const a = constant(inst.args[0]);
        const u64* const b = args == 2 ? constant(inst.args[1]) : a;
        if (a && b)
            if (const auto value = evaluate(inst, f_->result_type(inst.args[0]), *a, *b))
                return to_constant(id, *value);
    }
    switch (op.shape) {
        case Shape::binary: return binary(id);
        case Shape::compare: return compare(id);
        case Shape::select: return select(id);
        case Shape::convert: return convert(id);
        case Shape::unary: {
            const Inst& a = (*f_)[inst.args[0]];
            const bool involution = inst.op == Op::bswap || inst.op == Op::brev8;
            return involution && a.op == inst.op ? a.args[0] : id;
        }
        case Shape::pair: {
            const Inst &low = (*f_)[inst.args[0]], &high = (*f_)[inst.args[1]];
            const bool whole = low.op == Op::low && high.op == Op::high && low.args[0] == high.args[0];
            return whole ? low.args[0] : id;
        }
        case Shape::half: {
            const Inst& a = (*f_)[inst.args[0]];
            return a.op == Op::pair ? a.args[inst.op == Op::low ? 0 : 1] : id;
        }
        case Shape::extract: {
            const Inst& vector = (*f_)[inst.args[0]];
            if (vector.attr0 != static_cast<u8>(inst.lane())) return id;
            if (vector.op == Op::vsplat) return vector.args[0];
            return vector.op == Op::vinsert && vector.imm == inst.imm ? vector.args[1] : id;
        }
        case Shape::insert:
        case Shape::param:
        case Shape::imm:
        case Shape::nullary:
        case Shape::effect:
        case Shape::ternary:
        case Shape::get:
        case Shape::put:
        case Shape::load:
        case Shape::store:
        case Shape::rmw:
        case Shape::cas:
        case Shape::call:
        case Shape::guard:
        case Shape::br:
        case Shape::br_if:
        case Shape::switch_:
        case Shape::goto_pc:
        case Shape::goto_ind:
        case Shape::leave:
        case Shape::count:
        case Shape::trap: return id;
    }
    return id;
}

ValueId Simplifier::binary(ValueId id) {
    const Inst& inst = (*f_)[id];
    if (inst.args[0] == inst.args[1]) {
        if (const ValueId v = same_operands(id); v != id || (*f_)[id].op == Op::iconst) return v;
    }
    if (const u64* c = constant(inst.args[1])) return binary_with_constant(id, *c);
    // A zero shifted or divided stays zero; only operations that do not commute have a constant here.
    if (is_constant(inst.args[0], 0)) {
        switch (inst.op) {
            case Op::shl:
            case Op::shr:
            case Op::sar:
            case Op::rotl:
            case Op::rotr:
            case Op::andn:
            case Op::mulh_su: return inst.args[0];
            default: break;
        }
    }
    // The amount of a shift is taken modulo the width: masking it beforehand does nothing.
    switch (inst.op) {
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::rotl:
        case Op::rotr: {
            const Inst& amount = (*f_)[inst.args[1]];
            const u64 width_mask = bit_width(inst.type) - 1;
            if (amount.op != Op::and_) break;
            const u64* mask = constant(amount.args[1]);
            if (mask && (*mask & width_mask) == width_mask)
                return to(id, inst.op, inst.type, inst.args[0], amount.args[0]);
            break;
        }
        default: break;
    }
    return id;
}

ValueId Simplifier::same_operands(ValueId id) {
    const Inst& inst = (*f_)[id];
    switch (inst.op) {
        case Op::and_:
        case Op::or_:
        case Op::min_s:
        case Op::max_s:
        case Op::min_u:
        case Op::max_u:
        case Op::vand:
        case Op::vor:
        case Op::vmin_s:
        case Op::vmax_s:
        case Op::vmin_u:
        case Op::vmax_u: return inst.args[0];
        case Op::sub:
        case Op::xor_:
        case Op::andn: return to_constant(id, 0);
        case Op::orn:
        case Op::xnor: return to_constant(id, ~u64{0});
        default: return id;
    }
}

ValueId Simplifier::binary_with_constant(ValueId id, u64 c) {
    const Inst inst = (*f_)[id];
    const ValueId x = inst.args[0];
    const Inst& inner = (*f_)[x];
    const Type type = inst.type;
    const u64 ones = type_mask(type);
    const bool power = std::has_single_bit(c);
    const auto with = [&](Op op, u64 value) {
        const ValueId constant_value = new_constant(id, type, value);
        return to(id, op, type, x, constant_value);
    };
    // op (op y, c1), c2: the inner constant, when the two may be joined.
    const auto joined = [&](Op op) {
        return inner.op == op && single_use(x) ? constant(inner.args[1]) : nullptr;
    };
    const auto join = [&](u64 value) {
        const ValueId y = inner.args[0];
        const ValueId constant_value = new_constant(id, type, value);
        return to(id, inst.op, type, y, constant_value);
    };
    switch (inst.op) {
        case Op::add:
            if (c == 0) return x;
            if (const u64* c1 = joined(Op::add)) return join(*c1 + c);
            return id;
        case Op::sub: return simplify(with(Op::add, 0 - c));
        case Op::mul:
            if (c == 0) return to_constant(id, 0);
            if (c == 1) return x;
            return power ? with(Op::shl, static_cast<u64>(std::countr_zero(c))) : id;
        case Op::mulh_s:
        case Op::mulh_su: return c == 0 ? to_constant(id, 0) : id;
        case Op::mulh_u: return c <= 1 ? to_constant(id, 0) : id;
        case Op::div_s:
        case Op::div_u:
            if (c == 0) return to_constant(id, inst.div_rule() == DivRule::ones ? ones : 0);
            if (c == 1) return x;
            if (inst.op == Op::div_u && power) return with(Op::shr, static_cast<u64>(std::countr_zero(c)));
            return id;
        case Op::rem_s:
        case Op::rem_u:
            if (c == 0) return x;
            if (c == 1) return to_constant(id, 0);
            return inst.op == Op::rem_u && power ? with(Op::and_, c - 1) : id;
        case Op::and_:
            if (c == 0) return to_constant(id, 0);
            if (c == ones) return x;
            if (inner.op == Op::zext && (type_mask(f_->result_type(inner.args[0])) & ~c) == 0) return x;
            if (const u64* c1 = joined(Op::and_)) return join(*c1 & c);
            return id;
        case Op::or_:
            if (c == 0) return x;
            if (c == ones) return to_constant(id, ones);
            if (const u64* c1 = joined(Op::or_)) return join(*c1 | c);
            return id;
        case Op::xor_: {
            if (c == 0) return x;
            if (type == Type::i1 && inner.op == Op::icmp && single_use(x))
                return to(id, Op::icmp, inner.type, inner.args[0], inner.args[1],
                          static_cast<u8>(inverse(inner.cond())));
            if (const u64* c1 = joined(Op::xor_)) return join(*c1 ^ c);
            return id;
        }
        case Op::andn: return simplify(with(Op::and_, ~c));
        case Op::orn: return simplify(with(Op::or_, ~c));
        case Op::xnor: return simplify(with(Op::xor_, ~c));
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::rotl:
        case Op::rotr: return shift(id, c);
        case Op::min_u: return c == 0 ? to_constant(id, 0) : c == ones ? x : id;
        case Op::max_u: return c == 0 ? x : c == ones ? to_constant(id, ones) : id;
        default: return id;
    }
}

ValueId Simplifier::shift(ValueId id, u64 c) {
    const Inst inst = (*f_)[id];
    const ValueId x = inst.args[0];
    const Type type = inst.type;
    const unsigned width = bit_width(type);
    if (c >= width) {
        const ValueId amount = new_constant(id, type, c % width);
        return simplify(to(id, inst.op, type, x, amount));
    }
    if (c == 0) return x;
    const Inst inner = (*f_)[x];
    const u64* const c1 = inner.args[1] != ValueId::none ? constant(inner.args[1]) : nullptr;
    if (!c1 || !single_use(x)) return id;
    const u64 inner_amount = *c1;
    if (inner.op == inst.op && inst.op != Op::rotl && inst.op != Op::rotr) {
        if (inner_amount >= width) return id;
        const u64 sum = c + inner_amount;
        if (sum >= width && inst.op != Op::sar) return to_constant(id, 0);
        const ValueId amount = new_constant(id, type, sum < width ? sum : width - 1);
        return to(id, inst.op, type, inner.args[0], amount);
    }
    // The idioms that clear or copy the sign over the upper bits.
    if (inner.op == Op::shl && inner_amount == c && (inst.op == Op::shr || inst.op == Op::sar)) {
        const Type narrow = narrow_type(width - static_cast<unsigned>(c));
        if (narrow != Type::none) {
            const ValueId low = new_trunc(id, narrow, inner.args[0]);
            return to(id, inst.op == Op::shr ? Op::zext : Op::sext, type, low);
        }
        if (inst.op == Op::sar) return id;
        const ValueId mask = new_constant(id, type, type_mask(type) >> c);
        return to(id, Op::and_, type, inner.args[0], mask);
    }
    return id;
}

ValueId Simplifier::compare(ValueId id) {
    Inst& inst = (*f_)[id];
    const Type type = inst.type;
    if (inst.args[0] == inst.args[1])
        return to_constant(id,
                           inst.cond() == Cond::eq || inst.cond() == Cond::ge_s || inst.cond() == Cond::ge_u);
    if (const u64* c = constant(inst.args[0]); c && !constant(inst.args[1])) {
        // c < x is x >= c + 1 and c >= x is x < c + 1, unless c is the largest.
        const bool is_signed = inst.cond() == Cond::lt_s || inst.cond() == Cond::ge_s;
        const u64 largest = is_signed ? smallest_signed(type) - 1 : type_mask(type);
        if (*c == largest) return to_constant(id, inst.cond() == Cond::ge_s || inst.cond() == Cond::ge_u);
        const ValueId x = inst.args[1];
        const Cond cond = inverse(inst.cond());
        const ValueId bound = new_constant(id, type, *c + 1);
        to(id, Op::icmp, type, x, bound, static_cast<u8>(cond));
    }
    if (const u64* c = constant((*f_)[id].args[1])) return compare_with_constant(id, *c);
    const Inst now = (*f_)[id];
    const Inst &a = (*f_)[now.args[0]], &b = (*f_)[now.args[1]];
    // Extending both sides keeps their order; after zero extension it is the unsigned one.
    if ((a.op == Op::sext || a.op == Op::zext) && a.op == b.op && single_use(now.args[0]) &&
        single_use(now.args[1]) && f_->result_type(a.args[0]) == f_->result_type(b.args[0])) {
        Cond cond = now.cond();
        if (a.op == Op::zext && cond == Cond::lt_s) cond = Cond::lt_u;
        if (a.op == Op::zext && cond == Cond::ge_s) cond = Cond::ge_u;
        return to(id, Op::icmp, f_->result_type(a.args[0]), a.args[0], b.args[0], static_cast<u8>(cond));
    }
    return id;
}

ValueId Simplifier::compare_with_constant(ValueId id, u64 c) {
    const Inst inst = (*f_)[id];
    const ValueId x = inst.args[0];
    const Type type = inst.type;
    const auto equality = [&](Cond cond, u64 value) {
        const ValueId constant_value = new_constant(id, type, value);
        return simplify(to(id, Op::icmp, type, x, constant_value, static_cast<u8>(cond)));
    };
    switch (inst.cond()) {
        case Cond::lt_u:
            if (c == 0) return to_constant(id, 0);
            return c == 1 ? equality(Cond::eq, 0) : id;
        case Cond::ge_u:
            if (c == 0) return to_constant(id, 1);
            return c == 1 ? equality(Cond::ne, 0) : id;
        case Cond::lt_s: return c == smallest_signed(type) ? to_constant(id, 0) : id;
        case Cond::ge_s: return c == smallest_signed(type) ? to_constant(id, 1) : id;
        case Cond::eq:
        case Cond::ne: break;
    }
    const Inst inner = (*f_)[x];
    // A truth value made a number and tested again; one that is already an i1.
    const bool extended = inner.op == Op::zext && f_->result_type(inner.args[0]) == Type::i1;
    if (extended || type == Type::i1) {
        const ValueId truth = extended ? inner.args[0] : x;
        if (c > 1) return to_constant(id, inst.cond() == Cond::ne);
        if ((inst.cond() == Cond::ne) == (c == 0)) return truth;
        const ValueId one = new_constant(id, Type::i1, 1);
        return to(id, Op::xor_, Type::i1, truth, one);
    }
    // A difference, or an exclusive or, is zero when its operands are equal.
    if (c == 0 && (inner.op == Op::sub || inner.op == Op::xor_) && single_use(x))
        return simplify(to(id, Op::icmp, type, inner.args[0], inner.args[1], inst.attr0));
    return id;
}

ValueId Simplifier::select(ValueId id) {
    const Inst& inst = (*f_)[id];
    if (const u64* c = constant(inst.args[0])) return inst.args[*c ? 1 : 2];
    if (inst.args[1] == inst.args[2]) return inst.args[1];
    if (inst.type == Type::i1 && is_constant(inst.args[1], 1) && is_constant(inst.args[2], 0))
        return inst.args[0];
    return id;
}

ValueId Simplifier::convert(ValueId id) {
    const Inst inst = (*f_)[id];
    const Inst inner = (*f_)[inst.args[0]];
    const ValueId x = inner.args[0];
    switch (inst.op) {
        case Op::trunc: {
            if (inner.op == Op::trunc) return simplify(to(id, Op::trunc, inst.type, x));
            if (inner.op == Op::zext || inner.op == Op::sext) {
                const unsigned from = bit_width(f_->result_type(x)), wanted = bit_width(inst.type);
                if (from == wanted) return x;
                return simplify(to(id, from > wanted ? Op::trunc : inner.op, inst.type, x));
            }
            const u64* mask = inner.op == Op::and_ ? constant(inner.args[1]) : nullptr;
            if (mask && (type_mask(inst.type) & ~*mask) == 0)
                return simplify(to(id, Op::trunc, inst.type, x));
            return id;
        }
        case Op::zext: return inner.op == Op::zext ? to(id, Op::zext, inst.type, x) : id;
        // The sign that a zero extension leaves is zero.
        case Op::sext:
            if (inner.op == Op::sext || inner.op == Op::zext) return to(id, inner.op, inst.type, x);
            return id;
        case Op::bitcast:
            if (inner.op != Op::bitcast) return id;
            return f_->result_type(x) == inst.type ? x : to(id, Op::bitcast, inst.type, x);
        case Op::nan_unbox: return inner.op == Op::nan_box && f_->result_type(x) == inst.type ? x : id;
        default: return id;
    }
}

}  // namespace kiln::opt

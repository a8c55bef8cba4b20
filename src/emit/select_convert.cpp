// Selection of conversions between types, of comparisons and of choices.
#include "base/bits.h"
#include "base/check.h"
#include "emit/select.h"
#include "ir/evaluate.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

void Selector::conversion(ValueId id, const Inst& inst) {
    const ValueId source = inst.args[0];
    const Type from = type(source), to_type = inst.type;
    if (is_constant(source))
        if (const auto value = ir::evaluate(inst, from, at(source).constant, 0))
            return set_constant(id, *value);
    switch (inst.op) {
        case Op::trunc:
            alias(id, source);
            at(id).clean = false;
            return;
        case Op::zext: {
            const bool low_half_only = from == Type::i32 && !at(id).wide;
            if ((at(source).clean || low_half_only) && at(source).place != Place::nowhere) {
                alias(id, source);
                at(id).clean = true;
                at(id).signed_word = from != Type::i32;
                return;
            }
            at(id).signed_word = from != Type::i32;
            if (from == Type::i32) {
                if (const Slot* slot = in_memory(source)) {
                    const Reg to = result(id);
                    emit_mem(MachineOp::load, 4, to, context_word(slot->disp));
                    return settle(id, to);
                }
            }
            if (from == Type::i1) {
                const Reg a = integer(source);
                const Reg to = result(id);
                move(to, a);
                emit(MachineOp::and_imm, 4, to, Reg::none, Reg::none, 1);
                return settle(id, to);
            }
            const Reg a = integer(source);
            const Reg to = result(id);
            emit(MachineOp::extend_u, static_cast<u8>(ir::byte_size(from)), to, a);
            return settle(id, to);
        }
        case Op::sext: {
            if (from == Type::i1) {
                const Reg to = out_->new_value(false);
                move(to, clean_integer(source));
                emit(MachineOp::neg, 8, to);
                at(id).clean = to_type == Type::i64;
                return settle(id, to);
            }
            if (from == Type::i32 && !at(id).wide) {
                alias(id, source);
                at(id).signed_word = false;
                return;
            }
            if (const Inst& cut = inst_of(source); from == Type::i32 && cut.op == Op::trunc &&
                                                   type(cut.args[0]) == to_type &&
                                                   at(cut.args[0]).signed_word)
                return alias(id, cut.args[0]);
            at(id).signed_word = to_type == Type::i64;
            if (const Slot* slot = in_memory(source)) {
                const Reg to = result(id);
                emit_mem(MachineOp::load_signed, static_cast<u8>(ir::byte_size(from)), to,
                         context_word(slot->disp));
                at(id).clean = to_type == Type::i64;
                return settle(id, to);
            }
            const Reg a = integer(source);
            const Reg to = result(id);
            emit(MachineOp::extend_s, static_cast<u8>(ir::byte_size(from)), to, a);
            at(id).clean = to_type == Type::i64;
            return settle(id, to);
        }
        case Op::bitcast:
            if (is_wide(to_type)) return wide(id, inst);
            if (is_constant(source)) return set_constant(id, at(source).constant);
            alias(id, source);
            at(id).clean = !(to_type == Type::i32) && (at(source).clean || to_type == Type::i64);
            return;
        case Op::nan_box: {
            // Of a boxed f32 an f16 is the low half, not boxed any more.
            if (at(source).boxed && from == Type::f32) {
                alias(id, source);
                // Made of a vector register that would be the low half alone.
                if (at(id).fp != Reg::none) at(id).integer = Reg::none;
                return;
            }
            if (from == Type::f16) {
                const Reg a = integer(source);
                const Reg to = result(id);
                move(to, a);
                emit(MachineOp::or_imm, 8, to, Reg::none, Reg::none, -0x10000);
                return settle(id, to);
            }
            const Reg a = fp(source);
            const Reg to = result(id, true);
            emit(MachineOp::box, 8, to, a);
            at(id).boxed = true;
            return settle(id, to, true);
        }
        case Op::nan_unbox: {
            if (to_type == Type::f16) {
                constexpr i64 canonical_nan = 0x7e00;
                const Reg a = integer(source);
                const Reg to = out_->new_value(false), box = out_->new_value(false);
                emit(MachineOp::mov_imm, 8, to, Reg::none, Reg::none, canonical_nan);
                move(box, a);
                emit(MachineOp::sar_imm, 8, box, Reg::none, Reg::none, 16);
                emit(MachineOp::cmp_imm, 8, box, Reg::none, Reg::none, -1);
                emit(MachineOp::move_if, 8, to, a).cond = Condition::equal;
                at(id).clean = false;
                return settle(id, to);
            }
            if (at(source).boxed) return alias(id, source);
            const Reg a = fp(source);
            const Reg unboxed = out_->new_value(true);
            move(unboxed, a);
            emit(MachineOp::unbox, 4, unboxed, out_->new_value(false));
            return settle(id, unboxed, true);
        }
        default: KILN_UNREACHABLE();
    }
}

Condition Selector::compare(const Inst& inst) {
    constexpr Condition conditions[] = {Condition::equal, Condition::not_equal,
                                        Condition::less,  Condition::greater_equal,
                                        Condition::below, Condition::above_equal};
    const Condition condition = conditions[static_cast<u8>(inst.cond())];
    const u8 width = operation_width(inst.type);
    const ValueId first = inst.args[0], second = inst.args[1];
    const bool narrow = !is_word(inst.type);
    const bool is_signed = inst.cond() == ir::Cond::lt_s || inst.cond() == ir::Cond::ge_s;
    const auto reg = [&](ValueId v) {
        if (!narrow) return integer(v);
        const Reg clean = clean_integer(v);
        if (!is_signed) return clean;
        const Reg extended = out_->new_value(false);
        if (inst.type == Type::i1) {
            move(extended, clean);
            emit(MachineOp::neg, 4, extended);
        } else {
            emit(MachineOp::extend_s, static_cast<u8>(ir::byte_size(inst.type)), extended, clean);
        }
        return extended;
    };
    const Reg a = reg(first);
    if (fits_imm(second) && !(narrow && (is_signed || constant(second) < 0))) {
        const i64 imm = constant(second);
        const bool sign_or_zero = inst.cond() <= ir::Cond::ge_s;
        if (imm == 0 && sign_or_zero)
            emit(MachineOp::test, width, a, a);
        else
            emit(MachineOp::cmp_imm, width, a, Reg::none, Reg::none, imm);
    } else if (const Slot* slot = in_memory(second); slot != nullptr && !narrow && first != second) {
        emit_mem(MachineOp::cmp_mem, width, a, context_word(slot->disp));
    } else {
        const Reg b = reg(second);
        emit(MachineOp::cmp, width, a, b);
    }
    return condition;
}

Condition Selector::truth(ValueId value, ValueId user) {
    const Inst& test = inst_of(value);
    if (test.op == Op::icmp && feeds_only(value, user)) return compare(test);
    if (is_constant(value)) {
        emit(MachineOp::cmp_imm, 4, context_register, Reg::none, Reg::none, 0);  // never equal
        return at(value).constant != 0 ? Condition::not_equal : Condition::equal;
    }
    emit(MachineOp::test_imm, 4, integer(value), Reg::none, Reg::none, 1);
    return Condition::not_equal;
}

void Selector::comparison(ValueId id, const Inst& inst) {
    if (inst.next != ValueId::none && feeds_only(id, inst.next)) {
        const Op next = (*f_)[inst.next].op;
        if (next == Op::br_if || next == Op::select || next == Op::guard) {
            // It is compared there.
            for (ValueId v : {inst.args[0], inst.args[1]}) at(v).last = std::max(at(v).last, position_ + 1);
            return;
        }
    }
    const Condition condition = compare(inst);
    const Reg to = result(id);
    emit(MachineOp::set, 8, to).cond = condition;
    settle(id, to);
}

void Selector::select_op(ValueId id, const Inst& inst) {
    if (is_wide(inst.type)) {
        const Reg low = integer(inst.args[1]), high = high_half(inst.args[1]);
        const Reg other_low = integer(inst.args[2]), other_high = high_half(inst.args[2]);
        const Condition condition = truth(inst.args[0], id);
        const auto pick = [&](Reg taken, Reg other) {
            const Reg to = out_->new_value(false);
            move(to, other);
            emit(MachineOp::move_if, 8, to, taken).cond = condition;
            return to;
        };
        const Reg picked = pick(low, other_low);
        return settle_pair(id, picked, pick(high, other_high));
    }
    const Reg b = integer(inst.args[1]), c = integer(inst.args[2]);
    const Condition condition = truth(inst.args[0], id);
    const Reg to = result_apart(id, {b});
    // Moves leave the flags alone.
    move(to, c);
    emit(MachineOp::move_if, 8, to, b).cond = condition;
    at(id).clean = at(inst.args[1]).clean && at(inst.args[2]).clean;
    settle(id, to);
}

}  // namespace kiln::emit

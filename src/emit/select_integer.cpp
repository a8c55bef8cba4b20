// Selection of integer arithmetic and logic. Narrow integers (i8, i16) are computed in 32 bits and cut where the bits
// above matter.
#include "base/bits.h"
#include "base/check.h"
#include "emit/select.h"
#include "ir/evaluate.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

void Selector::binary(ValueId id, const Inst& inst) {
    if (is_constant(inst.args[0]) && is_constant(inst.args[1]))
        if (const auto value =
                ir::evaluate(inst, inst.type, at(inst.args[0]).constant, at(inst.args[1]).constant))
            return set_constant(id, *value);
    switch (inst.op) {
        case Op::add: return addition(id, inst);
        case Op::sub: return subtraction(id, inst);
        case Op::and_: return two_operands(id, inst, MachineOp::and_);
        case Op::or_: return two_operands(id, inst, MachineOp::or_);
        case Op::xor_: return two_operands(id, inst, MachineOp::xor_);
        case Op::mul: return multiplication(id, inst);
        case Op::mulh_s:
        case Op::mulh_u:
        case Op::mulh_su: return multiplication_high(id, inst);
        case Op::div_s:
        case Op::div_u:
        case Op::rem_s:
        case Op::rem_u: return division(id, inst);
        case Op::andn:
        case Op::orn:
        case Op::xnor: return complemented(id, inst);
        case Op::shl:
        case Op::shr:
        case Op::sar: return shift(id, inst);
        case Op::rotl:
        case Op::rotr: return rotation(id, inst);
        case Op::min_s:
        case Op::max_s:
        case Op::min_u:
        case Op::max_u: return extreme(id, inst);
        case Op::clmul:
        case Op::clmulh: return carryless(id, inst);
        default: KILN_UNREACHABLE();
    }
}

void Selector::finish(ValueId id, const Inst& inst, Reg reg) {
    at(id).clean = is_word(inst.type);
    settle(id, reg);
}

void Selector::copy(ValueId id, ValueId source) {
    const Reg from = integer(source);
    const Reg to = result(id);
    move(to, from);
    at(id).clean = at(source).clean;
    settle(id, to);
}

bool Selector::with_memory(ValueId id, const Inst& inst, ValueId& first, ValueId& second, MachineOp op) {
    if (in_memory(first) != nullptr && in_memory(second) == nullptr) std::swap(first, second);
    const Slot* const slot = in_memory(second);
    if (slot == nullptr || first == second || !is_word(inst.type)) return false;
    const Reg a = integer(first);
    const Reg to = result(id);
    move(to, a);
    emit_mem(op, operation_width(inst.type), to, context_word(slot->disp));
    finish(id, inst, to);
    return true;
}

void Selector::two_operands(ValueId id, const Inst& inst, MachineOp op) {
    const u8 width = operation_width(inst.type);
    ValueId first = inst.args[0], second = inst.args[1];
    if (is_constant(first)) std::swap(first, second);
    if (fits_imm(second)) {
        const i64 imm = constant(second);
        if (op != MachineOp::and_ && imm == 0) return copy(id, first);
        const Reg a = integer(first);
        const Reg to = result(id);
        if (op == MachineOp::and_ && (imm == 0xff || imm == 0xffff)) {
            emit(MachineOp::extend_u, imm == 0xff ? 1 : 2, to, a);
            return finish(id, inst, to);
        }
        move(to, a);
        if (op == MachineOp::xor_ && imm == -1)
            emit(MachineOp::not_, width, to);
        else
            emit(immediate_form(op), width, to, Reg::none, Reg::none, imm);
        return finish(id, inst, to);
    }
    if (is_constant(second) && op == MachineOp::and_ && constant(second) == 0xffffffff) {
        const Reg a = integer(first);
        const Reg to = result(id);
        emit(MachineOp::extend_u, 4, to, a);
        return finish(id, inst, to);
    }
    if (with_memory(id, inst, first, second, memory_form(op))) return;
    Reg a = integer(first), b = integer(second);
    const Reg to = result(id);
    if (to == b) std::swap(a, b);
    move(to, a);
    emit(op, width, to, b);
    at(id).signed_word = at(first).signed_word && at(second).signed_word;
    finish(id, inst, to);
}

void Selector::addition(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    ValueId first = inst.args[0], second = inst.args[1];
    if (is_constant(first)) std::swap(first, second);
    if (at(first).scale != 0) std::swap(first, second);
    if (const u8 scale = at(second).scale; scale != 0) {
        Address sum{.index = integer(inst_of(second).args[0]), .scale = scale};
        if (fits_imm(first))
            sum.disp = static_cast<i32>(constant(first));
        else
            sum.base = integer(first);
        const Reg to = result(id);
        emit_mem(MachineOp::lea, width, to, sum);
        return finish(id, inst, to);
    }
    if (fits_imm(second)) {
        const i64 imm = constant(second);
        const Reg a = integer(first);
        const Reg to = result(id);
        if (to == a)
            emit(MachineOp::add_imm, width, to, Reg::none, Reg::none, imm);
        else
            emit_mem(MachineOp::lea, width, to, {.base = a, .disp = static_cast<i32>(imm)});
        return finish(id, inst, to);
    }
    if (with_memory(id, inst, first, second, MachineOp::add_mem)) return;
    Reg a = integer(first), b = integer(second);
    const Reg to = result(id);
    if (to == b) std::swap(a, b);
    if (to == a)
        emit(MachineOp::add, width, to, b);
    else
        emit_mem(MachineOp::lea, width, to, {.base = a, .index = b});
    finish(id, inst, to);
}

void Selector::subtraction(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    const ValueId first = inst.args[0], second = inst.args[1];
    if (is_constant(first) && constant(first) == 0) {
        const Reg b = integer(second);
        const Reg to = result(id);
        move(to, b);
        emit(MachineOp::neg, width, to);
        return finish(id, inst, to);
    }
    if (const Slot* slot = in_memory(second); slot != nullptr && first != second && is_word(inst.type)) {
        const Reg a = integer(first);
        const Reg to = result(id);
        move(to, a);
        emit_mem(MachineOp::sub_mem, width, to, context_word(slot->disp));
        return finish(id, inst, to);
    }
    const Reg a = integer(first);
    if (fits_imm(second)) {
        const Reg to = result(id);
        move(to, a);
        emit(MachineOp::sub_imm, width, to, Reg::none, Reg::none, constant(second));
        return finish(id, inst, to);
    }
    const Reg b = integer(second);
    const Reg to = result(id);
    if (to == b && a != b) {
        emit(MachineOp::neg, width, to);
        emit(MachineOp::add, width, to, a);
    } else {
        move(to, a);
        emit(MachineOp::sub, width, to, b);
    }
    finish(id, inst, to);
}

void Selector::multiplication(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    ValueId first = inst.args[0], second = inst.args[1];
    if (is_constant(first)) std::swap(first, second);
    Reg a = integer(first);
    if (fits_imm(second)) {
        const Reg to = result(id);
        emit(MachineOp::imul_imm, width, to, a, Reg::none, constant(second));
        return finish(id, inst, to);
    }
    Reg b = integer(second);
    const Reg to = result(id);
    if (to == b) std::swap(a, b);
    move(to, a);
    emit(MachineOp::imul, width, to, b);
    finish(id, inst, to);
}

void Selector::multiplication_high(ValueId id, const Inst& inst) {
    if (inst.type != Type::i64) return operate(id, inst);
    const Reg a = integer(inst.args[0]), b = integer(inst.args[1]);
    const bool is_signed = inst.op == Op::mulh_s;
    // a signed by b unsigned: the unsigned product's high half, less b where a is negative.
    Reg correction = Reg::none;
    if (inst.op == Op::mulh_su) {
        correction = out_->new_value(false);
        move(correction, a);
        emit(MachineOp::sar_imm, 8, correction, Reg::none, Reg::none, 63);
        emit(MachineOp::and_, 8, correction, b);
    }
    move(rax, a);
    emit(is_signed ? MachineOp::mul_wide_s : MachineOp::mul_wide_u, 8, b, rax, rdx);
    const Reg to = result_apart(id, {correction});
    move(to, rdx);
    if (correction != Reg::none) emit(MachineOp::sub, 8, to, correction);
    finish(id, inst, to);
}

void Selector::division(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    const bool is_signed = inst.op == Op::div_s || inst.op == Op::rem_s;
    const bool remainder = inst.op == Op::rem_s || inst.op == Op::rem_u;
    const Reg a = integer(inst.args[0]), b = integer(inst.args[1]);
    move(rax, a);
    emit(is_signed ? MachineOp::divide_s : MachineOp::divide_u, width, b, rax, rdx,
         static_cast<i64>(inst.div_rule()));
    const Reg to = result(id);
    move(to, remainder ? rdx : rax);
    finish(id, inst, to);
}

void Selector::complemented(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    const Reg a = integer(inst.args[0]), b = integer(inst.args[1]);
    if (inst.op == Op::andn && features_.bmi) {
        const Reg to = result(id);
        emit(MachineOp::andn, width, to, a, b);
        return finish(id, inst, to);
    }
    const Reg to = result_apart(id, {a});
    move(to, b);
    emit(MachineOp::not_, width, to);
    emit(inst.op == Op::andn  ? MachineOp::and_
         : inst.op == Op::orn ? MachineOp::or_
                              : MachineOp::xor_,
         width, to, a);
    finish(id, inst, to);
}

void Selector::extreme(ValueId id, const Inst& inst) {
    if (!is_word(inst.type)) return operate(id, inst);
    const u8 width = operation_width(inst.type);
    const Reg a = integer(inst.args[0]), b = integer(inst.args[1]);
    const Reg to = result_apart(id, {a, b});
    move(to, a);
    emit(MachineOp::cmp, width, a, b);
    MachineInst& pick = emit(MachineOp::move_if, width, to, b);
    switch (inst.op) {  // b is the answer if a compares so to it
        case Op::min_s: pick.cond = Condition::greater; break;
        case Op::max_s: pick.cond = Condition::less; break;
        case Op::min_u: pick.cond = Condition::above; break;
        case Op::max_u: pick.cond = Condition::below; break;
        default: KILN_UNREACHABLE();
    }
    finish(id, inst, to);
}

void Selector::carryless(ValueId id, const Inst& inst) {
    if (inst.type != Type::i64 || !features_.clmul) return operate(id, inst);
    const Reg a = fp(inst.args[0]), b = fp(inst.args[1]);
    const Reg product = out_->new_value(true);
    emit(MachineOp::clmul, 8, product, a, b, inst.op == Op::clmulh);
    const Reg to = result(id);
    emit(MachineOp::from_vector, 8, to, product);
    finish(id, inst, to);
}

void Selector::unary(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    const auto plain = [&](MachineOp op) {
        const Reg a = integer(inst.args[0]);
        const Reg to = result(id);
        emit(op, width, to, a);
        finish(id, inst, to);
    };
    const bool counts = inst.op == Op::clz || inst.op == Op::ctz || inst.op == Op::popcnt;
    if (!is_word(inst.type) || (counts && !features_.bmi)) return operate(id, inst);
    switch (inst.op) {
        case Op::clz: return plain(MachineOp::clz);
        case Op::ctz: return plain(MachineOp::ctz);
        case Op::popcnt: return plain(MachineOp::popcnt);
        case Op::bswap: {
            const Reg a = integer(inst.args[0]);
            const Reg to = result(id);
            move(to, a);
            emit(MachineOp::bswap, width, to);
            return finish(id, inst, to);
        }
        case Op::orcb: {
            // Adding 0x7f to a byte's low bits carries into its top bit if any is set; bytes do not mix.
            const Reg a = integer(inst.args[0]);
            const i64 low_bits = 0x7f7f7f7f7f7f7f7f;
            const Reg mask = out_->new_value(false), any = out_->new_value(false);
            emit(MachineOp::mov_imm, 8, mask, Reg::none, Reg::none, low_bits);
            move(any, a);
            emit(MachineOp::and_, 8, any, mask);
            emit(MachineOp::add, 8, any, mask);
            emit(MachineOp::or_, 8, any, a);
            emit(MachineOp::or_, 8, any, mask);  // the top bit says; now every lower bit is 1
            emit(MachineOp::not_, 8, any);       // 0x80 for a zero byte, else 0
            const Reg to = result(id);
            // 0x80 - (0x80 >> 7) is 0x7f, which with 0x80 is 0xff where the byte is zero.
            const Reg shifted = out_->new_value(false);
            move(shifted, any);
            emit(MachineOp::shr_imm, 8, shifted, Reg::none, Reg::none, 7);
            move(to, any);
            emit(MachineOp::sub, 8, to, shifted);
            emit(MachineOp::or_, 8, to, any);
            emit(MachineOp::not_, width, to);
            return finish(id, inst, to);
        }
        case Op::brev8: {
            // Neighbouring bits change places, then pairs of them, then halves of bytes.
            struct Swap {
                i64 low;
                u8 distance;
            };
            constexpr Swap swaps[] = {
                {0x5555555555555555, 1}, {0x3333333333333333, 2}, {0x0f0f0f0f0f0f0f0f, 4}};
            const Reg bits = out_->new_value(false);
            move(bits, integer(inst.args[0]));
            for (const Swap& swap : swaps) {
                const Reg low = out_->new_value(false), moved = out_->new_value(false);
                emit(MachineOp::mov_imm, 8, low, Reg::none, Reg::none, swap.low);
                move(moved, bits);
                emit(MachineOp::shr_imm, 8, moved, Reg::none, Reg::none, swap.distance);
                emit(MachineOp::and_, 8, moved, low);
                emit(MachineOp::and_, 8, bits, low);
                emit(MachineOp::shl_imm, 8, bits, Reg::none, Reg::none, swap.distance);
                emit(MachineOp::or_, 8, bits, moved);
            }
            const Reg to = result(id);
            emit(width == 4 ? MachineOp::extend_u : MachineOp::mov, width, to, bits);
            return finish(id, inst, to);
        }
        default: KILN_UNREACHABLE();
    }
}

}  // namespace kiln::emit

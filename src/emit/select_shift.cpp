// Selection of shifts and rotations, and of what guests without rotations and extensions make of shifts.
#include <optional>

#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

/// A shift by a constant.
struct Shift {
    Op op;
    Type type;
    ValueId value;
    u8 amount;
};

std::optional<Shift> constant_shift(const ir::Function& f, ValueId id) {
    const Inst& inst = f[id];
    if (inst.op != Op::shl && inst.op != Op::shr && inst.op != Op::sar) return std::nullopt;
    const Inst& amount = f[inst.args[1]];
    if (amount.op != Op::iconst || !is_word(inst.type)) return std::nullopt;
    return Shift{inst.op, inst.type, inst.args[0],
                 static_cast<u8>(amount.imm & (ir::bit_width(inst.type) - 1))};
}

/// What a value is the low bits of, itself if of nothing.
ValueId uncut(const ir::Function& f, ValueId value) {
    return f[value].op == Op::trunc && f.result_type(f[value].args[0]) == Type::i64 ? f[value].args[0]
                                                                                    : value;
}

}  // namespace

bool Selector::find_idiom(const Inst& inst, Value& own) const {
    const ir::Function& f = *f_;
    const auto found = [&](Idiom idiom, unsigned amount, ValueId source) {
        own.idiom = idiom;
        own.amount = static_cast<u8>(amount);
        own.source = source;
        return true;
    };
    switch (inst.op) {
        case Op::add:
        case Op::or_:
        case Op::xor_: {
            if (inst.type != Type::i64) return false;
            // x << n and x >> (width - n), of all bits or of the low half, both then extended by their signs.
            ValueId first = inst.args[0], second = inst.args[1];
            const bool words = f[first].op == Op::sext && f[second].op == Op::sext;
            if (words) first = f[first].args[0], second = f[second].args[0];
            auto a = constant_shift(f, first);
            if (!a) return false;
            auto b = constant_shift(f, second);
            if (!b || a->type != b->type || a->type != (words ? Type::i32 : Type::i64)) return false;
            if (a->op == Op::shr) std::swap(a, b);
            if (a->op != Op::shl || b->op != Op::shr || a->amount + b->amount != ir::bit_width(a->type))
                return false;
            if (uncut(f, a->value) != uncut(f, b->value)) return false;
            return found(words ? Idiom::rotate_word : Idiom::rotate, b->amount, uncut(f, a->value));
        }
        case Op::shr:
        case Op::sar: {
            // x << n >> n, of an x of 64 bits.
            if (inst.type != Type::i64) return false;
            const Inst& amount = f[inst.args[1]];
            if (amount.op != Op::iconst) return false;
            const u64 cut = amount.imm & 63;
            if (cut != 32 && cut != 48 && cut != 56) return false;
            const auto left = constant_shift(f, inst.args[0]);
            if (!left || left->op != Op::shl || left->amount != cut) return false;
            return found(inst.op == Op::shr ? Idiom::extend_u : Idiom::extend_s,
                         64 - static_cast<unsigned>(cut), left->value);
        }
        default: return false;
    }
}

void Selector::idiom(ValueId id, const Inst& inst) {
    const Value& v = at(id);
    const Reg a = integer(v.source);
    const Reg to = result(id);
    switch (v.idiom) {
        case Idiom::rotate_word:
        case Idiom::rotate: {
            const bool word = v.idiom == Idiom::rotate_word;
            rotate(word ? 4 : 8, to, a, v.amount);
            if (word && v.wide) {
                emit(MachineOp::extend_s, 4, to, to);
                at(id).signed_word = true;
            }
            break;
        }
        case Idiom::extend_u:
        case Idiom::extend_s: {
            const bool is_signed = v.idiom == Idiom::extend_s;
            emit(is_signed ? MachineOp::extend_s : MachineOp::extend_u, v.amount / 8, to, a);
            at(id).signed_word = is_signed || v.amount < 32;
            break;
        }
        case Idiom::none: KILN_UNREACHABLE();
    }
    finish(id, inst, to);
}

void Selector::rotate(u8 width, Reg to, Reg from, i64 right) {
    if (to != from && features_.bmi) {
        emit(MachineOp::rorx, width, to, from, Reg::none, right);
    } else {
        move(to, from);
        emit(MachineOp::ror_imm, width, to, Reg::none, Reg::none, right);
    }
}

bool Selector::scales_an_addition(ValueId id) const {
    const Value& v = at(id);
    if (v.uses != 1 || v.escapes) return false;
    const Inst& user = inst_of(v.user);
    return user.op == Op::add && user.type == inst_of(id).type && user.args[0] != user.args[1];
}

void Selector::shift(ValueId id, const Inst& inst) {
    const u8 width = operation_width(inst.type);
    const bool narrow = !is_word(inst.type);
    const ValueId first = inst.args[0], second = inst.args[1];
    const unsigned bits = ir::bit_width(inst.type);
    const auto value = [&] {  // with the bits above as this shift needs them
        if (!narrow || inst.op == Op::shl) return integer(first);
        if (inst.op == Op::shr) return clean_integer(first);
        const Reg extended = out_->new_value(false);
        emit(MachineOp::extend_s, static_cast<u8>(bits / 8), extended, integer(first));
        return extended;
    };
    if (is_constant(second)) {
        const i64 count = constant(second) & (bits - 1);
        if (count == 0) return copy(id, first);
        const bool scales = inst.op == Op::shl && count <= 3 && !narrow;
        if (scales && scales_an_addition(id)) {
            at(id).scale = static_cast<u8>(count);
            at(first).last = std::max(at(first).last, at(id).last);
            return;
        }
        const Reg a = value();
        const Reg to = result(id);
        if (scales && to != a) {
            if (count == 1)
                emit_mem(MachineOp::lea, width, to, {.base = a, .index = a});
            else
                emit_mem(MachineOp::lea, width, to, {.index = a, .scale = static_cast<u8>(count)});
        } else {
            move(to, a);
            const MachineOp op = inst.op == Op::shl   ? MachineOp::shl_imm
                                 : inst.op == Op::shr ? MachineOp::shr_imm
                                                      : MachineOp::sar_imm;
            emit(op, width, to, Reg::none, Reg::none, count);
        }
        return finish(id, inst, to);
    }
    if (narrow) return operate(id, inst);
    if (!features_.bmi) {
        const Reg a = integer(first), b = integer(second);
        const Reg to = result_apart(id, {b});
        move(to, a);
        move(rcx, b);
        const MachineOp by = inst.op == Op::shl   ? MachineOp::shl_by
                             : inst.op == Op::shr ? MachineOp::shr_by
                                                  : MachineOp::sar_by;
        emit(by, width, to, rcx);
        return finish(id, inst, to);
    }
    const MachineOp op = inst.op == Op::shl   ? MachineOp::shl
                         : inst.op == Op::shr ? MachineOp::shr
                                              : MachineOp::sar;
    const Reg a = integer(first), b = integer(second);
    const Reg to = result(id);
    emit(op, width, to, a, b);
    finish(id, inst, to);
}

void Selector::rotation(ValueId id, const Inst& inst) {
    if (!is_word(inst.type)) return operate(id, inst);
    const u8 width = operation_width(inst.type);
    const unsigned bits = ir::bit_width(inst.type);
    const Reg a = integer(inst.args[0]);
    if (is_constant(inst.args[1])) {
        const i64 left = constant(inst.args[1]) & (bits - 1);
        if (left == 0) return copy(id, inst.args[0]);
        const Reg to = result(id);
        rotate(width, to, a, inst.op == Op::rotr ? left : bits - left);
        return finish(id, inst, to);
    }
    const Reg b = integer(inst.args[1]);
    const Reg to = result_apart(id, {b});
    move(to, a);
    move(rcx, b);
    emit(inst.op == Op::rotl ? MachineOp::rol : MachineOp::ror, width, to, rcx);
    finish(id, inst, to);
}

}  // namespace kiln::emit

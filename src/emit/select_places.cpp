// Where values are while code is selected: constants, state slots and virtual registers (select.h says which is when).
#include "base/bits.h"
#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Type;
using ir::ValueId;

// ---- Values ----

i64 Selector::constant(ValueId value) const {
    const unsigned width = ir::bit_width(type(value));
    return width == 1 ? static_cast<i64>(at(value).constant) : sign_extend(at(value).constant, width);
}

bool Selector::fits_imm(ValueId value) const {
    return is_constant(value) && constant(value) == static_cast<i32>(constant(value));
}

void Selector::set_constant(ValueId value, u64 constant) {
    Value& v = at(value);
    v.place = Place::constant;
    v.constant = constant;
    v.signed_word = constant == static_cast<u64>(sign_extend(constant, 32));
}

void Selector::refresh(Slot& slot) {
    if (slot.cached_epoch == slots_epoch_) return;
    slot.cached_epoch = slots_epoch_;
    slot.integer = slot.fp = Reg::none;
}

Reg Selector::slot_integer(u16 number_of_slot) {
    Slot& slot = slots_[number_of_slot];
    if (is_general(slot.pinned)) return slot.pinned;
    refresh(slot);
    if (slot.integer != Reg::none) return slot.integer;
    slot.integer = out_->new_value(false);
    if (slot.pinned != Reg::none) {
        emit(MachineOp::from_vector, 8, slot.integer, slot.pinned);
    } else if (slot.fp != Reg::none) {
        emit(MachineOp::from_vector, 8, slot.integer, slot.fp);
    } else {
        (*out_)[slot.integer].slot_home = slot.disp;
        emit_mem(MachineOp::load, 8, slot.integer, context_word(slot.disp));
    }
    return slot.integer;
}

Reg Selector::slot_fp(u16 number_of_slot) {
    Slot& slot = slots_[number_of_slot];
    if (is_vector(slot.pinned)) return slot.pinned;
    refresh(slot);
    if (slot.fp != Reg::none) return slot.fp;
    slot.fp = out_->new_value(true);
    if (slot.pinned != Reg::none) {
        emit(MachineOp::to_vector, 8, slot.fp, slot.pinned);
    } else if (slot.integer != Reg::none) {
        emit(MachineOp::to_vector, 8, slot.fp, slot.integer);
    } else {
        (*out_)[slot.fp].slot_home = slot.disp;
        emit_mem(MachineOp::fload, 8, slot.fp, context_word(slot.disp));
    }
    return slot.fp;
}

const Selector::Slot* Selector::in_memory(ValueId value) const {
    const Value& v = at(value);
    if (v.place != Place::slot || v.last > position_) return nullptr;
    const Slot& slot = slots_[v.slot];
    if (slot.pinned != Reg::none) return nullptr;
    if (slot.cached_epoch == slots_epoch_ && (slot.integer != Reg::none || slot.fp != Reg::none))
        return nullptr;
    return &slot;
}

Reg Selector::integer(ValueId value) {
    Value& v = at(value);
    switch (v.place) {
        case Place::nowhere: unsupported("a value that no path defines"); return rax;
        case Place::constant: {
            const Reg reg = out_->new_value(false);
            emit(MachineOp::mov_imm, 8, reg, Reg::none, Reg::none, static_cast<i64>(v.constant));
            return reg;
        }
        case Place::slot: return slot_integer(v.slot);
        case Place::value: break;
    }
    if (v.integer != Reg::none) return v.integer;
    const Reg reg = out_->new_value(false);
    emit(MachineOp::from_vector, static_cast<u8>(ir::byte_size(type(value)) == 4 ? 4 : 8), reg, v.fp);
    if (!v.escapes) v.integer = reg;  // else it may be used where this was not executed
    return reg;
}

Reg Selector::clean_integer(ValueId value) {
    const Value& v = at(value);
    const Reg reg = integer(value);
    if (v.clean || v.place == Place::constant) return reg;
    const Reg cleaned = out_->new_value(false);
    if (type(value) == Type::i1) {
        move(cleaned, reg);
        emit(MachineOp::and_imm, 4, cleaned, Reg::none, Reg::none, 1);
    } else {
        emit(MachineOp::extend_u, static_cast<u8>(ir::byte_size(type(value))), cleaned, reg);
    }
    return cleaned;
}

Reg Selector::fp(ValueId value) {
    Value& v = at(value);
    switch (v.place) {
        case Place::nowhere: unsupported("a value that no path defines"); return xmm(0);
        case Place::constant: {
            const Reg reg = out_->new_value(true);
            emit(MachineOp::to_vector, 8, reg, integer(value));
            return reg;
        }
        case Place::slot: return slot_fp(v.slot);
        case Place::value: break;
    }
    if (v.fp != Reg::none) return v.fp;
    const Reg reg = out_->new_value(true);
    emit(MachineOp::to_vector, static_cast<u8>(ir::byte_size(type(value)) == 4 ? 4 : 8), reg, v.integer);
    if (!v.escapes) v.fp = reg;
    return reg;
}

bool Selector::is_in_vector(ValueId value) const {
    const Value& v = at(value);
    if (v.place == Place::value) return v.integer == Reg::none;
    return v.place == Place::slot && is_vector(slots_[v.slot].pinned);
}

void Selector::live_in(ValueId value, u16 number_of_slot) {
    Slot& slot = slots_[number_of_slot];
    Value& v = at(value);
    v.place = Place::slot;
    v.slot = number_of_slot;
    v.neighbour = slot.living_epoch == epoch_ ? slot.living : ValueId::none;
    slot.living = value;
    slot.living_epoch = epoch_;
}

void Selector::alias(ValueId value, ValueId source) {
    Value& v = at(value);
    const Value& s = at(source);
    v.boxed = s.boxed;
    v.signed_word = s.signed_word;
    if (s.place == Place::slot) {
        live_in(value, s.slot);
        if (v.escapes) vacate(s.slot);
        return;
    }
    v.place = s.place;
    v.constant = s.constant;
    v.integer = s.integer;
    v.fp = s.fp;
    v.high = s.high;
}

void Selector::vacate(u16 number_of_slot) {
    Slot& slot = slots_[number_of_slot];
    if (slot.living_epoch != epoch_) return;
    Reg copy = Reg::none;
    bool in_fp = false;
    ValueId kept = ValueId::none;
    for (ValueId id = slot.living, next; id != ValueId::none; id = next) {
        Value& v = at(id);
        next = v.neighbour;
        if (v.place != Place::slot || v.slot != number_of_slot) continue;
        if (v.last <= position_ && !v.escapes) {
            v.neighbour = kept;  // still there for the instruction being selected
            kept = id;
            continue;
        }
        if (copy == Reg::none) {
            const bool fp_content =
                slot.pinned != Reg::none
                    ? is_vector(slot.pinned)
                    : lives_in_vector(type(id)) || (slot.cached_epoch == slots_epoch_ &&
                                                    slot.integer == Reg::none && slot.fp != Reg::none);
            in_fp = fp_content;
            const Reg reg = in_fp ? slot_fp(number_of_slot) : slot_integer(number_of_slot);
            copy = reg;
            if (is_physical(reg)) {
                copy = out_->new_value(in_fp);
                move(copy, reg);
            }
        }
        v.place = Place::value;
        (in_fp ? v.fp : v.integer) = copy;
    }
    slot.living = kept;
}

Reg Selector::result(ValueId value, bool in_fp) {
    Value& v = at(value);
    if (v.home != no_slot && !v.escapes) {
        const Slot& slot = slots_[v.home];
        if (slot.pinned != Reg::none && is_vector(slot.pinned) == in_fp) {
            vacate(v.home);
            return slot.pinned;
        }
    }
    return out_->new_value(in_fp);
}

Reg Selector::result_apart(ValueId value, std::initializer_list<Reg> operands) {
    const Reg reg = result(value);
    for (Reg operand : operands)
        if (operand == reg) return out_->new_value(false);
    return reg;
}

void Selector::settle(ValueId value, Reg reg, bool in_fp) {
    Value& v = at(value);
    if (is_physical(reg)) {
        KILN_CHECK(slots_[v.home].pinned == reg);
        Slot& slot = slots_[v.home];
        slot.cached_epoch = slots_epoch_;
        slot.integer = slot.fp = Reg::none;
        slot.boxed_epoch = slot.signed_epoch = 0;
        slot.living = ValueId::none;
        live_in(value, v.home);
        return;
    }
    v.place = Place::value;
    (in_fp ? v.fp : v.integer) = reg;
}

void Selector::put_state(const Inst& inst) {
    const u16 number_of_slot = static_cast<u16>(inst.slot);
    Slot& slot = slots_[number_of_slot];
    const ValueId value = inst.args[0];
    if (is_wide(inst.type)) return put_wide(number_of_slot, value);
    if (inst.slot == layout_->rounding) rounding_changed_ = true;
    const bool boxed = at(value).boxed, signed_word = at(value).signed_word;
    if (at(value).place == Place::slot && at(value).slot == number_of_slot) {
        // Computed right into it, or it never left.
        if (boxed) slot.boxed_epoch = slots_epoch_;
        if (signed_word) slot.signed_epoch = slots_epoch_;
        return;
    }
    vacate(number_of_slot);
    Reg integer_copy = Reg::none, fp_copy = Reg::none;
    if (is_general(slot.pinned)) {
        if (is_constant(value))
            emit(MachineOp::mov_imm, 8, slot.pinned, Reg::none, Reg::none,
                 static_cast<i64>(at(value).constant));
        else if (const Slot* from = in_memory(value))
            emit_mem(MachineOp::load, 8, slot.pinned, context_word(from->disp));
        else
            move(slot.pinned, integer(value));
    } else if (slot.pinned != Reg::none) {
        move(slot.pinned, fp(value));
    } else {
        // The slot's bits above a narrower type are zero.
        const bool in_fp = is_in_vector(value) && ir::byte_size(inst.type) == 8;
        if (const i64 bits = static_cast<i64>(at(value).constant);
            is_constant(value) && bits == static_cast<i32>(bits)) {
            emit_mem(MachineOp::store_imm, 8, Reg::none, context_word(slot.disp), bits);
        } else {
            const Reg reg = in_fp ? fp(value) : clean_integer(value);
            emit_mem(in_fp ? MachineOp::fstore : MachineOp::store, 8, reg, context_word(slot.disp));
            if (!is_physical(reg)) {
                (in_fp ? fp_copy : integer_copy) = reg;
                if (i32& home = (*out_)[reg].slot_home; home == 0) home = slot.disp;
            }
        }
    }
    slot.cached_epoch = slots_epoch_;
    slot.integer = integer_copy;
    slot.fp = fp_copy;
    slot.boxed_epoch = boxed ? slots_epoch_ : 0;
    slot.signed_epoch = signed_word ? slots_epoch_ : 0;
    slot.living = ValueId::none;
}

}  // namespace kiln::emit

// Selection of values of 128 bits, integers and vectors: two integer registers each. Bitwise operations are two; other
// operations on vectors are called (select_operation.cpp), since no guest that there is has them.
#include "abi/operation.h"
#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

Reg Selector::kept_integer(ValueId value) {
    const Reg reg = integer(value);
    if (!is_physical(reg)) return reg;
    const Reg copy = out_->new_value(false);
    move(copy, reg);
    return copy;
}

Reg Selector::high_half(ValueId value) {
    KILN_CHECK(is_wide(type(value)));
    const Value& v = at(value);
    if (v.place == Place::value) return v.high;
    unsupported("a value that no path defines");
    return rax;
}

void Selector::settle_pair(ValueId id, Reg low, Reg high) {
    Value& v = at(id);
    v.place = Place::value;
    v.integer = low;
    v.high = high;
}

void Selector::wide(ValueId id, const Inst& inst) {
    const auto both = [&](MachineOp op) {
        const ValueId a = inst.args[0], b = inst.args[1];
        const auto half = [&](Reg first, Reg second) {
            const Reg to = out_->new_value(false);
            move(to, first);
            emit(op, 8, to, second);
            return to;
        };
        const Reg low = half(integer(a), integer(b));
        settle_pair(id, low, half(high_half(a), high_half(b)));
    };
    switch (inst.op) {
        case Op::pair: {
            const Reg low = kept_integer(inst.args[0]);
            return settle_pair(id, low, kept_integer(inst.args[1]));
        }
        case Op::low: return settle(id, integer(inst.args[0]));
        case Op::high: return settle(id, high_half(inst.args[0]));
        case Op::bitcast: {
            const Reg low = integer(inst.args[0]);
            return settle_pair(id, low, high_half(inst.args[0]));
        }
        case Op::vand: return both(MachineOp::and_);
        case Op::vor: return both(MachineOp::or_);
        case Op::vxor: return both(MachineOp::xor_);
        default: return operate(id, inst);
    }
}

void Selector::get_wide(ValueId id, u16 slot) {
    const Reg low = out_->new_value(false), high = out_->new_value(false);
    emit_mem(MachineOp::load, 8, low, context_word(slots_[slot].disp));
    emit_mem(MachineOp::load, 8, high, context_word(slots_[slot].disp + 8));
    settle_pair(id, low, high);
}

void Selector::put_wide(u16 slot, ValueId value) {
    emit_mem(MachineOp::store, 8, integer(value), context_word(slots_[slot].disp));
    emit_mem(MachineOp::store, 8, high_half(value), context_word(slots_[slot].disp + 8));
}

void Selector::load_wide(ValueId id, const Inst& inst) {
    const Address mem = guest_address(inst.args[0], inst.imm);
    const Reg low = out_->new_value(false), high = out_->new_value(false);
    const u32 where = frame_site(inst);
    MachineInst& load = emit_mem(MachineOp::load_wide, 16, low, mem);
    load.r[1] = high;
    load.site = where;
    settle_pair(id, low, high);
}

void Selector::store_wide(const Inst& inst) {
    const Reg low = integer(inst.args[1]), high = high_half(inst.args[1]);
    const Address mem = guest_address(inst.args[0], inst.imm);
    const u32 where = frame_site(inst);
    MachineInst& store = emit_mem(MachineOp::store_wide, 16, low, mem);
    store.r[1] = high;
    store.r[2] = out_->new_value(true);
    store.site = where;
    if (inst.order() == ir::Order::seq_cst) emit(MachineOp::full_fence);
}

/// The host's instruction takes rbx, which is pinned: what is expected, what is desired, and the guest's register
/// meanwhile, are in the words for operands.
void Selector::cas_wide(ValueId id, const Inst& inst) {
    const auto word = [](unsigned number) {
        return i32{abi::operand_words} - context_bias + 8 * static_cast<i32>(number);
    };
    for (unsigned i = 0; i < 2; ++i) {
        emit_mem(MachineOp::store, 8, integer(inst.args[1 + i]), context_word(word(2 * i)));
        emit_mem(MachineOp::store, 8, high_half(inst.args[1 + i]), context_word(word(2 * i + 1)));
    }
    const Address mem = guest_address(inst.args[0], 0);
    const Reg address = out_->new_value(false);
    emit_mem(MachineOp::lea, 8, address, {.base = mem.base, .index = mem.index, .disp = mem.disp});
    FaultSite own = out_->sites[frame_site(inst)];
    // What the slot of rbx holds if the access faults. Frame values stand together: those of this site are the last.
    if (own.value_count == 0) own.first_value = static_cast<u32>(out_->frame_values.size());
    for (const Slot& slot : slots_)
        if (slot.pinned == rbx) {
            const SlotCopy kept{static_cast<u32>(slot.disp + context_bias),
                                static_cast<u32>(word(4) + context_bias)};
            // A frame state that names the slot comes behind it.
            out_->frame_values.insert(out_->frame_values.begin() + own.first_value, kept);
            ++own.value_count;
        }
    out_->sites.push_back(own);
    MachineInst& cas =
        emit_mem(MachineOp::cmpxchg_wide, 16, rax, {.base = address, .memory = Memory::guest}, word(0));
    cas.r[1] = rcx;
    cas.r[2] = rdx;
    cas.site = static_cast<u32>(out_->sites.size() - 1);
    const Reg low = out_->new_value(false), high = out_->new_value(false);
    move(low, rax);
    move(high, rdx);
    settle_pair(id, low, high);
}

}  // namespace kiln::emit

// Selection of what happens where a unit is left in the middle of a guest instruction: guards, and frame states, the
// values of slots that are not up to date there.
//
// Where code finds out that the unit must be left, it puts them into their slots first. An access that faults cannot do
// that: their values stand in words of the context before it, and whoever handles the fault takes them from there
// (abi::FrameValue).
#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Type;
using ir::ValueId;

std::vector<Selector::FrameRegs> Selector::frame_registers(const Inst& inst) {
    std::vector<FrameRegs> frame;
    if (!ir::Function::has_frame(inst)) return frame;
    // A pinned register may be the source of one slot and another one's place.
    const auto apart = [&](Reg reg) {
        if (!is_physical(reg)) return reg;
        const Reg copy = out_->new_value(is_vector(reg));
        move(copy, reg);
        return copy;
    };
    for (const ir::FrameEntry& entry : f_->frame(inst.frame)) {
        FrameRegs& regs = frame.emplace_back(FrameRegs{static_cast<u16>(entry.slot)});
        regs.low = apart(clean_integer(entry.value));
        if (is_wide(type(entry.value))) regs.high = apart(high_half(entry.value));
    }
    return frame;
}

u32 Selector::frame_site(const Inst& inst) {
    if (region_) return site(inst);
    const auto frame = frame_registers(inst);
    const u32 number = site(inst);
    if (frame.empty()) return number;
    if (frame.size() * 2 > frame_words) {
        unsupported("a frame state of so many slots");
        return number;
    }
    FaultSite own = out_->sites[number];
    own.first_value = static_cast<u32>(out_->frame_values.size());
    i32 disp = frame_disp;
    const auto keep = [&](Reg reg, i32 slot_disp) {
        emit_mem(MachineOp::store, 8, reg, context_word(disp));
        out_->frame_values.push_back(
            {static_cast<u32>(slot_disp + context_bias), static_cast<u32>(disp + context_bias)});
        ++own.value_count;
        disp += 8;
    };
    for (const FrameRegs& regs : frame) {
        keep(regs.low, slots_[regs.slot].disp);
        if (regs.high != Reg::none) keep(regs.high, slots_[regs.slot].disp + 8);
    }
    out_->sites.push_back(own);
    return static_cast<u32>(out_->sites.size() - 1);
}

void Selector::leave_unless(const Inst& inst, const Departure& departure,
                            const std::function<Condition()>& compare) {
    const auto frame = frame_registers(inst);
    const u32 on = new_label();
    const Condition holds = compare();
    MachineInst& jump = emit(MachineOp::jump_if);
    jump.cond = holds;
    jump.target = on;
    const auto header = [&](std::size_t offset) {
        return context_word(static_cast<i32>(offset) - context_bias);
    };
    if (departure.reason == abi::ExitReason::side_exit) {
        const Reg number = out_->new_value(false);
        emit(MachineOp::mov_imm, 8, number, Reg::none, Reg::none, static_cast<i64>(departure.side_exit));
        emit_mem(MachineOp::store, 8, number, header(offsetof(abi::Context, exit_detail)));
    } else if (departure.misaligned != Reg::none) {
        constexpr std::size_t fault = offsetof(abi::Context, fault);
        emit_mem(MachineOp::store, 8, departure.misaligned, header(fault + offsetof(abi::Fault, address)));
        emit_mem(MachineOp::store_imm, 1, Reg::none, header(fault + offsetof(abi::Fault, kind)),
                 static_cast<i64>(abi::FaultKind::misaligned));
    }
    for (const FrameRegs& regs : frame) {
        const Slot& slot = slots_[regs.slot];
        if (slot.pinned == Reg::none) {
            emit_mem(MachineOp::store, 8, regs.low, context_word(slot.disp));
            if (regs.high != Reg::none) emit_mem(MachineOp::store, 8, regs.high, context_word(slot.disp + 8));
        } else if (is_vector(slot.pinned)) {
            emit(MachineOp::to_vector, 8, slot.pinned, regs.low);
        } else {
            move(slot.pinned, regs.low);
        }
    }
    leave(departure.reason, (*f_)[inst.origin].raw, retired(inst) - 1);
    emit(MachineOp::label).target = on;
}

void Selector::guard(ValueId id, const Inst& inst) {
    leave_unless(inst, {.reason = abi::ExitReason::side_exit, .side_exit = inst.imm},
                 [&] { return truth(inst.args[0], id); });
}

u32 Selector::new_label() {
    out_->predecessors.push_back(1);
    return static_cast<u32>(out_->predecessors.size() - 1);
}

}  // namespace kiln::emit

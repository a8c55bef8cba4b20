// Selection of operations that the host has no instructions for: they are called (abi/operation.h).
#include "abi/helpers.h"
#include "abi/operation.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Rounding;
using ir::Type;
using ir::ValueId;

namespace {

constexpr i32 operand_disp(unsigned operand) {
    return static_cast<i32>(abi::operand_word(operand)) - context_bias;
}
static_assert(operand_disp(0) >= rounding_disp + 16 &&
              operand_disp(0) + i32{abi::operand_bytes} <= spills_disp);

bool rounds_dynamically(const Inst& inst) {
    return ir::info(inst.op).attrs[0] == ir::AttrGroup::Rounding && inst.rounding() == Rounding::dyn;
}

}  // namespace

void Selector::store_word(ValueId value, i32 disp) {
    if (is_constant(value) && static_cast<i32>(at(value).constant) == static_cast<i64>(at(value).constant))
        emit_mem(MachineOp::store_imm, 8, Reg::none, context_word(disp),
                 static_cast<i64>(at(value).constant));
    else if (is_in_vector(value))
        emit_mem(MachineOp::fstore, 8, fp(value), context_word(disp));
    else
        emit_mem(MachineOp::store, 8, clean_integer(value), context_word(disp));
}

void Selector::operate(ValueId id, const Inst& inst) {
    for (unsigned i = 0; i < ir::info(inst.op).args; ++i) {
        store_word(inst.args[i], operand_disp(i));
        if (is_wide(type(inst.args[i])))
            emit_mem(MachineOp::store, 8, high_half(inst.args[i]), context_word(operand_disp(i) + 8));
    }
    const abi::Operation operation{inst.op,    inst.type,  type(inst.args[0]),
                                   inst.attr0, inst.attr1, static_cast<u8>(inst.imm)};
    const Reg packed = out_->new_value(false);
    emit(MachineOp::mov_imm, 8, packed, Reg::none, Reg::none, static_cast<i64>(operation.packed()));
    emit_mem(MachineOp::store, 8, packed, context_word(call_arguments_disp));
    if (rounds_dynamically(inst)) {
        const Reg mode = slot_integer(static_cast<u16>(layout_->rounding));
        if (!rounding_changed_) guarded_ = true;
        // Else nobody has looked at it where the unit was entered.
        if (rounding_changed_)
            leave_unless(inst, {.reason = abi::ExitReason::illegal}, [&] {
                emit(MachineOp::cmp_imm, 8, mode, Reg::none, Reg::none, static_cast<i64>(Rounding::rmm));
                return Condition::below_equal;
            });
        emit_mem(MachineOp::store, 8, mode, context_word(call_arguments_disp + 8));
    }
    emit(MachineOp::call_helper, 8, Reg::none, Reg::none, Reg::none,
         static_cast<i64>(abi::helper::Number::operate))
        .target = retired(inst);

    const Type result_type = f_->result_type(id);
    if (lives_in_vector(result_type)) {
        const Reg to = result(id, true);
        emit_mem(MachineOp::fload, static_cast<u8>(ir::byte_size(result_type)), to,
                 context_word(operand_disp(0)));
        return settle(id, to, true);
    }
    if (is_wide(result_type)) {
        const Reg low = out_->new_value(false), high = out_->new_value(false);
        emit_mem(MachineOp::load, 8, low, context_word(operand_disp(0)));
        emit_mem(MachineOp::load, 8, high, context_word(operand_disp(0) + 8));
        return settle_pair(id, low, high);
    }
    const Reg to = result(id);
    emit_mem(MachineOp::load, 8, to, context_word(operand_disp(0)));
    settle(id, to);
}

}  // namespace kiln::emit

// Selection of floating point on the host's vector unit: binary32 and binary64. A unit that rounds dynamically is guarded
// at its entry, which makes MXCSR round as the guest's mode says, unless that is ties away from zero or none at all:
// then the unit is not for it. Around an operation that names its rounding itself MXCSR is changed. Results that
// are NaNs become the canonical one. What the host lacks (binary16, ties away from zero, extensions) is called.
#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Rounding;
using ir::Type;
using ir::ValueId;

namespace {

u8 width_of(Type type) { return static_cast<u8>(ir::byte_size(type)); }

/// As MXCSR and ROUNDSD number them.
i64 host_rounding(Rounding rounding) {
    switch (rounding) {
        case Rounding::rne: return 0;
        case Rounding::rdn: return 1;
        case Rounding::rup: return 2;
        case Rounding::rtz: return 3;
        case Rounding::rmm:
        case Rounding::dyn: break;
    }
    KILN_UNREACHABLE();
}

}  // namespace

bool Selector::in_hardware(const Inst& inst) {
    const Type operand = type(inst.args[0]);
    if (inst.type == Type::f16 || operand == Type::f16) return false;
    if (ir::info(inst.op).attrs[0] == ir::AttrGroup::Rounding) {
        if (inst.rounding() == Rounding::rmm) return false;
        // MXCSR still rounds as before.
        if (inst.rounding() == Rounding::dyn && rounding_changed_) return false;
        guarded_ |= inst.rounding() == Rounding::dyn;
    }
    switch (inst.op) {
        case Op::fma: return features_.fma;
        case Op::fround: return features_.sse41;
        case Op::fcvt_from_u: return operand == Type::i32 || features_.avx512;
        case Op::fcvt_to_u: return features_.avx512;
        default: return true;
    }
}

template <class EmitOperation>
void Selector::rounded(const Inst& inst, const EmitOperation& emit_operation, bool exact) {
    if (exact || inst.rounding() == Rounding::dyn) return emit_operation();
    emit(MachineOp::set_rounding, 4, Reg::none, Reg::none, Reg::none, host_rounding(inst.rounding()));
    emit_operation();
    emit(MachineOp::restore_rounding, 4, out_->new_value(false));
}

void Selector::canonical_nan(Reg reg, Type type) { emit(MachineOp::canonical_nan, width_of(type), reg); }

void Selector::fp_binary(ValueId id, const Inst& inst, MachineOp op) {
    const Reg a = fp(inst.args[0]), b = fp(inst.args[1]);
    const Reg to = result(id, true);
    rounded(inst, [&] { emit(op, width_of(inst.type), to, a, b); });
    canonical_nan(to, inst.type);
    settle(id, to, true);
}

/// Those gathered outside translated code, and those in MXCSR since: bits 0, 2, 3, 4 and 5 there are invalid, divide by zero,
/// overflow, underflow and inexact.
void Selector::get_fp_flags(ValueId id) {
    struct Bit {
        u8 mxcsr, flag;
    };
    constexpr Bit bits[] = {{0, 4}, {2, 3}, {3, 2}, {4, 1}, {5, 0}};
    const Reg raw = out_->new_value(false);
    emit(MachineOp::read_mxcsr, 4, raw);
    Reg flags = out_->new_value(false);
    emit_mem(MachineOp::load, 8, flags, context_word(fp_flags_disp));
    for (const Bit bit : bits) {
        const Reg one = out_->new_value(false);
        move(one, raw);
        if (bit.mxcsr > bit.flag)
            emit(MachineOp::shr_imm, 4, one, Reg::none, Reg::none, bit.mxcsr - bit.flag);
        else if (bit.mxcsr < bit.flag)
            emit(MachineOp::shl_imm, 4, one, Reg::none, Reg::none, bit.flag - bit.mxcsr);
        emit(MachineOp::and_imm, 4, one, Reg::none, Reg::none, i64{1} << bit.flag);
        emit(MachineOp::or_, 4, flags, one);
    }
    const Reg to = result(id);
    move(to, flags);
    settle(id, to);
}

void Selector::set_fp_flags(const Inst& inst) {
    const Reg flags = out_->new_value(false);
    move(flags, integer(inst.args[0]));
    emit(MachineOp::and_imm, 4, flags, Reg::none, Reg::none, 31);
    emit_mem(MachineOp::store, 8, flags, context_word(fp_flags_disp));
    emit(MachineOp::clear_mxcsr, 4);
}

void Selector::floating(ValueId id, const Inst& inst) {
    const u8 width = width_of(inst.type);
    const auto settle_vector = [&](Reg to) { settle(id, to, true); };
    if (!in_hardware(inst)) return operate(id, inst);
    switch (inst.op) {
        case Op::fadd: return fp_binary(id, inst, MachineOp::fadd);
        case Op::fsub: return fp_binary(id, inst, MachineOp::fsub);
        case Op::fmul: return fp_binary(id, inst, MachineOp::fmul);
        case Op::fdiv: return fp_binary(id, inst, MachineOp::fdiv);
        case Op::fsqrt: {
            const Reg a = fp(inst.args[0]);
            const Reg to = result(id, true);
            rounded(inst, [&] { emit(MachineOp::fsqrt, width, to, a); });
            canonical_nan(to, inst.type);
            return settle_vector(to);
        }
        case Op::fma: {
            const Reg a = fp(inst.args[0]), b = fp(inst.args[1]), c = fp(inst.args[2]);
            Reg to = result(id, true);
            if (to == a || to == b) to = out_->new_value(true);
            rounded(inst, [&] { emit(MachineOp::fma, width, to, a, b).r[3] = c; });
            return settle_vector(to);
        }
        case Op::fmin:
        case Op::fmax: {
            const Reg a = fp(inst.args[0]), b = fp(inst.args[1]);
            Reg to = result(id, true);
            if (to == a || to == b) to = out_->new_value(true);
            emit(inst.op == Op::fmin ? MachineOp::fmin : MachineOp::fmax, width, to, a, b,
                 static_cast<i64>(inst.min_max()));
            return settle_vector(to);
        }
        case Op::fcmp: {
            const Reg a = fp(inst.args[0]), b = fp(inst.args[1]);
            const Reg to = result(id);
            emit(MachineOp::fcmp, width, to, a, b, static_cast<i64>(inst.fp_cond()));
            return settle(id, to);
        }
        case Op::fcvt: {
            const Reg a = fp(inst.args[0]);
            const Reg to = result(id, true);
            const bool widens = width == 8;
            rounded(
                inst, [&] { emit(widens ? MachineOp::fwiden : MachineOp::fnarrow, width, to, a); }, widens);
            canonical_nan(to, inst.type);
            return settle_vector(to);
        }
        case Op::fcvt_from_s:
        case Op::fcvt_from_u: {
            const bool is_signed = inst.op == Op::fcvt_from_s;
            const Type from = type(inst.args[0]);
            const Reg a = is_signed ? integer(inst.args[0]) : clean_integer(inst.args[0]);
            const Reg to = result(id, true);
            // A clean u32 is an i64 that is not negative.
            const bool as_signed = is_signed || from == Type::i32;
            const MachineOp op = as_signed ? MachineOp::from_int : MachineOp::from_unsigned;
            const i64 bytes = is_signed && from == Type::i32 ? 4 : 8;
            rounded(inst, [&] { emit(op, width, to, a, Reg::none, bytes); }, width == 8 && from == Type::i32);
            return settle_vector(to);
        }
        case Op::fcvt_to_s:
        case Op::fcvt_to_u: {
            const bool is_signed = inst.op == Op::fcvt_to_s;
            const bool truncates = inst.rounding() == Rounding::rtz;
            const Reg a = fp(inst.args[0]);
            const Reg to = result(id);
            const MachineOp op = is_signed ? MachineOp::to_int : MachineOp::to_unsigned;
            const u8 from = width_of(type(inst.args[0]));
            rounded(inst, [&] { emit(op, from, to, a, Reg::none, width | (truncates ? 16 : 0)); }, truncates);
            return settle(id, to);
        }
        case Op::fround: {
            constexpr i64 as_mxcsr = 4, no_inexact = 8;
            const i64 direction =
                inst.rounding() == Rounding::dyn ? as_mxcsr : host_rounding(inst.rounding());
            const Reg a = fp(inst.args[0]);
            const Reg to = result(id, true);
            emit(MachineOp::fround, width, to, a, Reg::none,
                 direction | (inst.exactness() == ir::Exactness::silent ? no_inexact : 0));
            canonical_nan(to, inst.type);
            return settle_vector(to);
        }
        default: KILN_UNREACHABLE();
    }
}

}  // namespace kiln::emit

// Selection of guest memory accesses. Each is one machine instruction with a fault site; loads and stores need no
// fence, the host's order being the stronger one, but for a seq_cst store.
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

u32 Selector::retired(const Inst& inst) const {
    return pending_ + (inst.origin == ir::OriginId::none ? 0 : ir::index(inst.origin) + 1);
}

u32 Selector::site(const Inst& inst) {
    FaultSite site{(*f_)[inst.origin], retired(inst) - 1};
    site.state = frame_of(inst);
    // Accesses of one guest instruction share their site; in regions, each has a frame of its own.
    if (region_ || out_->sites.empty() || out_->sites.back() != site) out_->sites.push_back(site);
    return static_cast<u32>(out_->sites.size() - 1);
}

Address Selector::guest_address(ValueId address, u64 disp) {
    const i64 offset = static_cast<i64>(disp);
    if (is_constant(address)) {
        const u64 sum = at(address).constant + disp;
        if (sum <= 0x7fffffff) return {.memory = Memory::guest, .disp = static_cast<i32>(sum)};
        const Reg reg = out_->new_value(false);
        emit(MachineOp::mov_imm, 8, reg, Reg::none, Reg::none, static_cast<i64>(sum));
        return {.base = reg, .memory = Memory::guest};
    }
    const Reg base = integer(address);
    if (offset == static_cast<i32>(offset))
        return {.base = base, .memory = Memory::guest, .disp = static_cast<i32>(offset)};
    const Reg far = out_->new_value(false);
    emit(MachineOp::mov_imm, 8, far, Reg::none, Reg::none, offset);
    return {.base = base, .index = far, .memory = Memory::guest};
}

void Selector::check_aligned(const Inst& inst, ValueId address) {
    const unsigned bytes = ir::byte_size(inst.type);
    if (bytes == 1) return;
    Reg reg = integer(address);
    if (inst.imm != 0) {
        const Address exact = guest_address(address, inst.imm);
        reg = out_->new_value(false);
        emit_mem(MachineOp::lea, 8, reg, {.base = exact.base, .index = exact.index, .disp = exact.disp});
    }
    if (region_) {
        emit(MachineOp::test_imm, 4, reg, Reg::none, Reg::none, bytes - 1);
        return leave_misaligned(inst, Condition::not_equal, reg);
    }
    if (inst.frame.count != 0)
        return leave_unless(inst, {.reason = abi::ExitReason::fault, .misaligned = reg}, [&] {
            emit(MachineOp::test_imm, 8, reg, Reg::none, Reg::none, bytes - 1);
            return Condition::equal;
        });
    emit(MachineOp::check_aligned, 8, reg, Reg::none, Reg::none, bytes - 1).site = site(inst);
}

void Selector::load(ValueId id, const Inst& inst) {
    const u8 width = static_cast<u8>(ir::byte_size(inst.type));
    if (inst.order() != ir::Order::relaxed) check_aligned(inst, inst.args[0]);
    if (is_wide(inst.type)) return load_wide(id, inst);
    const Address mem = guest_address(inst.args[0], inst.imm);
    const u32 where = frame_site(inst);
    Value& v = at(id);
    if (lives_in_vector(inst.type)) {
        const Reg to = out_->new_value(true);
        emit_mem(MachineOp::fload, width, to, mem).site = where;
        return settle(id, to, true);
    }
    // A value that is only put to a vector register's slot is loaded there. (An f64 slot's load is one of an i64.)
    if (region_ && width == 8 && fp_uses_[ir::index(id)] != 0) {
        const Reg to = out_->new_value(true);
        emit_mem(MachineOp::fload, 8, to, mem).site = where;
        return settle(id, to, true);
    }
    if (width == 8 && v.home != no_slot && !v.escapes && is_vector(slots_[v.home].pinned)) {
        const Reg to = result(id, true);
        emit_mem(MachineOp::fload, 8, to, mem).site = where;
        return settle(id, to, true);
    }
    ValueId target = id;
    bool is_signed = false;
    if (inst.next != ValueId::none && feeds_only(id, inst.next)) {
        const Inst& next = (*f_)[inst.next];
        is_signed = next.op == Op::sext && next.type == Type::i64;
        if (is_signed || next.op == Op::zext) target = fused_ = inst.next;
    }
    at(target).signed_word = is_signed || (target != id && width < 4);
    const Reg to = result(target);
    emit_mem(is_signed ? MachineOp::load_signed : MachineOp::load, width, to, mem).site = where;
    settle(target, to);
}

void Selector::store(const Inst& inst) {
    const u8 width = static_cast<u8>(ir::byte_size(inst.type));
    if (inst.order() != ir::Order::relaxed) check_aligned(inst, inst.args[0]);
    if (is_wide(inst.type)) return store_wide(inst);
    const ValueId value = inst.args[1];
    const bool ordered = inst.order() == ir::Order::seq_cst;
    const bool in_fp = width >= 4 && !ordered && is_in_vector(value);
    if (fits_imm(value) && !ordered) {
        const Address mem = guest_address(inst.args[0], inst.imm);
        const u32 where = frame_site(inst);
        emit_mem(MachineOp::store_imm, width, Reg::none, mem, constant(value)).site = where;
        return;
    }
    const Reg from = in_fp ? fp(value) : integer(value);
    const Address mem = guest_address(inst.args[0], inst.imm);
    const u32 where = frame_site(inst);
    if (ordered) {
        const Reg exchanged = out_->new_value(false);
        move(exchanged, from);
        emit_mem(MachineOp::xchg, width, exchanged, mem).site = where;
    } else {
        emit_mem(in_fp ? MachineOp::fstore : MachineOp::store, width, from, mem).site = where;
    }
}

void Selector::atomic_rmw(ValueId id, const Inst& inst) {
    check_aligned(inst, inst.args[0]);
    const u8 width = static_cast<u8>(ir::byte_size(inst.type));
    const Reg operand = integer(inst.args[1]);
    const Address mem = guest_address(inst.args[0], 0);
    const u32 where = frame_site(inst);
    Reg old = Reg::none;
    if (inst.rmw() == ir::Rmw::add || inst.rmw() == ir::Rmw::swap) {
        old = out_->new_value(false);
        move(old, operand);
        emit_mem(inst.rmw() == ir::Rmw::add ? MachineOp::lock_xadd : MachineOp::xchg, width, old, mem).site =
            where;
    } else {
        MachineInst& rmw = emit_mem(MachineOp::rmw, width, operand, mem, static_cast<i64>(inst.rmw()));
        rmw.site = where;
        rmw.r[1] = rax;
        rmw.r[2] = out_->new_value(false);
        old = out_->new_value(false);
        move(old, rax);
    }
    at(id).clean = width == 8;
    settle(id, old);
}

void Selector::atomic_cas(ValueId id, const Inst& inst) {
    check_aligned(inst, inst.args[0]);
    if (is_wide(inst.type)) return cas_wide(id, inst);
    const u8 width = static_cast<u8>(ir::byte_size(inst.type));
    const Reg expected = integer(inst.args[1]), desired = integer(inst.args[2]);
    const Address mem = guest_address(inst.args[0], 0);
    const u32 where = frame_site(inst);
    move(rax, expected);
    MachineInst& cas = emit_mem(MachineOp::cmpxchg, width, desired, mem);
    cas.r[1] = rax;
    cas.site = where;
    const Reg old = out_->new_value(false);
    move(old, rax);
    at(id).clean = width == 8;
    settle(id, old);
}

}  // namespace kiln::emit

#include "emit/select.h"

#include <algorithm>

#include "base/bits.h"
#include "base/check.h"
#include "ir/dominators.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

/// Operations that are computed into a register of our choice.
bool computes(Op op) {
    return !ir::may_alias(op) && op != Op::iconst && op != Op::get_state && op != Op::param;
}

}  // namespace

Result<void> Selector::select(const ir::Function& f, MachineFunction& out) {
    begin(f, out);
    region_ = false;
    pending_ = 0;
    if (!order_blocks()) return fail("control goes backwards");
    walk();
    if (failure_ != nullptr) return fail(failure_);
    if (guarded_) guard_entry();
    return {};
}

void Selector::begin(const ir::Function& f, MachineFunction& out) {
    f_ = &f;
    out_ = &out;
    out.clear();
    out.entry = f.entry();
    failure_ = nullptr;
    fused_ = ValueId::none;
    guarded_ = rounding_changed_ = false;
    changes_rounding_.reset();
    if (layout_ != f.env().layout) set_layout(*f.env().layout);
    values_.assign(f.value_count(), Value{});
    params_.assign(f.value_count(), Param{});
}

/// The backward walk over all blocks, and the forward walk.
void Selector::walk() {
    u32 position = f_->value_count() + 1;
    for (std::size_t i = order_.size(); i-- > 0;) position = analyze_block(order_[i], position);
    forget_slots();
    position_ = position;
    for (place_ = 0; place_ < order_.size() && failure_ == nullptr; ++place_)
        region_ ? region_block(order_[place_]) : block(order_[place_]);
}

void Selector::guard_entry() {
    out_->code.insert(out_->code.begin(), MachineInst{.op = MachineOp::entry_guard});
    out_->code.front().imm = context_word((*layout_)[layout_->rounding].offset - context_bias).disp;
}

void Selector::set_layout(const ir::StateLayout& layout) {
    layout_ = &layout;
    slots_.assign(layout.slots.size(), Slot{});
    for (std::size_t i = 0; i < slots_.size(); ++i)
        slots_[i].disp = static_cast<i32>(layout.slots[i].offset) - context_bias;
    for (std::size_t i = 0; i < std::min(layout.hot_integer.size(), pinned_integer.size()); ++i)
        slots_[static_cast<u16>(layout.hot_integer[i])].pinned = pinned_integer[i];
    for (std::size_t i = 0; i < std::min(layout.hot_fp.size(), pinned_fp.size()); ++i)
        slots_[static_cast<u16>(layout.hot_fp[i])].pinned = pinned_fp[i];
}

/// False if control can go backwards in every order.
bool Selector::order_blocks() {
    const ir::Function& f = *f_;
    const u32 count = f.block_count();
    in_place_.assign(count, 0);
    out_->predecessors.assign(count, 0);
    // Lifters number blocks as they are executed; passes may not.
    order_.clear();
    bool ordered = true;
    for (u32 b = 0; b < count; ++b) {
        for (ir::EdgeId e : f.edges_of(f[f[ir::BlockId(b)].last])) {
            ordered &= ir::index(f[e].target) > b;
            ++out_->predecessors[ir::index(f[e].target)];
        }
    }
    for (u32 b = 1; b < count; ++b) ordered &= out_->predecessors[b] != 0;
    if (ordered)
        for (u32 b = 0; b < count; ++b) order_.push_back(ir::BlockId(b));
    else if (!order_anew())
        return false;
    // A way out that only branches lead to is taken by them at once.
    std::vector<u8>& jumped_to = in_place_;
    for (ir::BlockId b : order_) {
        const Inst& last = f[f[b].last];
        if (last.op == Op::br_if) continue;
        for (ir::EdgeId e : f.edges_of(last)) jumped_to[ir::index(f[e].target)] = 1;
    }
    for (ir::BlockId b : order_) {
        u8& in_place = in_place_[ir::index(b)];
        in_place = b != ir::BlockId(0) && !in_place && bare_exit(b) != nullptr;
    }
    std::erase_if(order_, [&](ir::BlockId b) { return in_place_[ir::index(b)] != 0; });
    return true;
}

/// The blocks that can be reached, each behind those that lead to it; false if there is a loop.
bool Selector::order_anew() {
    const ir::Function& f = *f_;
    order_ = ir::Dominators(f).reverse_postorder();
    std::vector<u32> places(f.block_count(), 0);
    for (u32 i = 0; i < order_.size(); ++i) places[ir::index(order_[i])] = i;
    out_->predecessors.assign(f.block_count(), 0);
    for (u32 i = 0; i < order_.size(); ++i)
        for (ir::EdgeId e : f.edges_of(f[f[order_[i]].last])) {
            const u32 target = ir::index(f[e].target);
            if (places[target] <= i) return false;
            ++out_->predecessors[target];
        }
    return true;
}

// ---- What is known before anything is selected ----

struct Selector::Rules : ir::UseRules {
    Selector& selector;
    explicit Rules(Selector& s) : selector(s) {}

    static constexpr bool drops_unused = true;
    static bool computes(Op op) { return emit::computes(op); }
    static u16 number(ir::SlotId slot) { return static_cast<u16>(slot); }
    /// A unit is only entered in a rounding mode that it is for: no arithmetic faults, unless the unit changes the mode.
    bool observes(const Inst& inst, const ir::Effects& effects) const {
        if (effects.any || effects.terminator) return true;
        if (!effects.may_fault) return false;
        if (ir::info(inst.op).attrs[0] != ir::AttrGroup::Rounding) return true;
        return inst.rounding() == ir::Rounding::dyn && selector.changes_rounding();
    }
    template <class Visit>
    void operands(const ir::Function& f, const Inst& inst, Value& own, const Visit& visit) const {
        if (selector.find_idiom(inst, own))
            visit(own.source, own.idiom == Idiom::rotate);
        else
            ir::UseRules::operands(f, inst, own, visit);
    }
};

bool Selector::changes_rounding() {
    if (!changes_rounding_) {
        changes_rounding_ = false;
        for (ir::BlockId block : order_)
            f_->for_each(block, [&](ValueId, const Inst& inst) {
                *changes_rounding_ |= inst.op == Op::put_state && inst.slot == layout_->rounding;
            });
    }
    return *changes_rounding_;
}

u32 Selector::analyze_block(ir::BlockId block, u32 position) {
    return ir::find_uses(*f_, block, position, std::span(values_), std::span(slots_), epoch_, Rules(*this));
}

bool Selector::feeds_only(ValueId value, ValueId user) const {
    return ir::feeds_only(*f_, at(value), value, user);
}

// ---- The forward walk ----

void Selector::block(ir::BlockId id) {
    ++epoch_;
    const u32 predecessors = out_->predecessors[ir::index(id)];
    if (place_ > 0) {
        // What the only way here leaves in registers is still there.
        const Inst& before = inst_of((*f_)[order_[place_ - 1]].last);
        bool falls_in = false;
        for (ir::EdgeId e : f_->edges_of(before)) falls_in |= (*f_)[e].target == id;
        if (predecessors != 1 || !falls_in) forget_slots();
        emit(MachineOp::label).target = ir::index(id);
    }
    for (ValueId p : (*f_)[id].params) {
        const Param param = params_[ir::index(p)];
        if (param.low == Reg::none) continue;  // no way here is taken
        at(p).place = Place::value;
        (lives_in_vector(type(p)) ? at(p).fp : at(p).integer) = param.low;
        at(p).high = param.high;
    }
    instructions(id);
}

void Selector::instructions(ir::BlockId id) {
    for (ValueId i = (*f_)[id].first; i != ValueId::none && failure_ == nullptr;
         i = inst_of(i).next, ++position_) {
        if (i == fused_)
            fused_ = ValueId::none;
        else
            instruction(i);
    }
}

void Selector::instruction(ValueId id) {
    const Inst& inst = (*f_)[id];
    const ir::Effects& effects = f_->effects(id);
    if (at(id).unseen || (effects.pure && at(id).uses == 0)) return;
    if (at(id).idiom != Idiom::none) return idiom(id, inst);
    if (ir::info(inst.op).spaced && inst.space != ir::Space::flat)
        return unsupported("memory other than the guest's");
    if (region_ && (is_wide(inst.type) || inst.type == Type::v128 || inst.type == Type::f16))
        return unsupported("an operation on a type of 16 bits or more than 64, in a region");
    switch (inst.op) {
        case Op::param: break;
        case Op::iconst: set_constant(id, inst.imm); break;
        case Op::get_state: {
            if (region_) return region_get_state(id, inst);
            const u16 slot = static_cast<u16>(inst.slot);
            if (is_wide(inst.type)) return get_wide(id, slot);
            live_in(id, slot);
            at(id).boxed = slots_[slot].boxed_epoch == slots_epoch_;
            at(id).signed_word = slots_[slot].signed_epoch == slots_epoch_;
            if (at(id).escapes) vacate(slot);
            break;
        }
        case Op::put_state: region_ ? region_put_state(inst) : put_state(inst); break;

        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::mulh_s:
        case Op::mulh_u:
        case Op::mulh_su:
        case Op::div_s:
        case Op::div_u:
        case Op::rem_s:
        case Op::rem_u:
        case Op::and_:
        case Op::or_:
        case Op::xor_:
        case Op::andn:
        case Op::orn:
        case Op::xnor:
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::rotl:
        case Op::rotr:
        case Op::min_s:
        case Op::max_s:
        case Op::min_u:
        case Op::max_u:
        case Op::clmul:
        case Op::clmulh: binary(id, inst); break;
        case Op::clz:
        case Op::ctz:
        case Op::popcnt:
        case Op::bswap:
        case Op::brev8:
        case Op::orcb: unary(id, inst); break;
        case Op::icmp: comparison(id, inst); break;
        case Op::select: select_op(id, inst); break;
        case Op::trunc:
        case Op::zext:
        case Op::sext:
        case Op::bitcast:
        case Op::nan_box:
        case Op::nan_unbox: conversion(id, inst); break;
        case Op::vadd:
        case Op::vsub:
        case Op::vmul:
        case Op::vshl:
        case Op::vshr:
        case Op::vsar:
        case Op::vmin_s:
        case Op::vmax_s:
        case Op::vmin_u:
        case Op::vmax_u:
        case Op::vcmp:
        case Op::vand:
        case Op::vor:
        case Op::vxor:
        case Op::vandn:
        case Op::vshuffle:
        case Op::vsplat:
        case Op::vinsert:
        case Op::vextract:
        case Op::pair:
        case Op::low:
        case Op::high: wide(id, inst); break;

        case Op::load: load(id, inst); break;
        case Op::store: store(inst); break;
        case Op::atomic_rmw: atomic_rmw(id, inst); break;
        case Op::atomic_cas: atomic_cas(id, inst); break;
        case Op::fence:
            if (inst.order() == ir::Order::seq_cst) emit(MachineOp::full_fence);
            break;

        case Op::fadd:
        case Op::fsub:
        case Op::fmul:
        case Op::fdiv:
        case Op::fsqrt:
        case Op::fma:
        case Op::fmin:
        case Op::fmax:
        case Op::fcmp:
        case Op::fcvt:
        case Op::fcvt_from_s:
        case Op::fcvt_from_u:
        case Op::fcvt_to_s:
        case Op::fcvt_to_u:
        case Op::fround: floating(id, inst); break;
        case Op::fp_get_flags: get_fp_flags(id); break;
        case Op::fp_set_flags: set_fp_flags(inst); break;

        case Op::call: call(id, inst); break;
        case Op::guard: region_ ? unsupported("a guard in a region") : guard(id, inst); break;
        case Op::count:
            if (!region_) return unsupported("a count of instructions");
            pending_ += static_cast<u32>(inst.imm);
            break;
        case Op::poll: poll(id); break;
        case Op::br: region_ ? region_br(inst) : br(inst); break;
        case Op::br_if: region_ ? region_br_if(id, inst) : br_if(id, inst); break;
        case Op::switch_: region_ ? unsupported("a switch in a region") : switch_to(inst); break;
        case Op::goto_pc: emit(MachineOp::exit_direct).target = add_exit(inst); break;
        case Op::goto_ind: {
            const Reg target = integer(inst.args[0]);
            const u32 number = add_exit(inst);
            emit(MachineOp::exit_indirect, 8, target, out_->new_value(false)).target = number;
            break;
        }
        case Op::syscall: leave(abi::ExitReason::syscall, inst.imm, retired(inst)); break;
        case Op::sync_code: leave(abi::ExitReason::sync_code, inst.imm, retired(inst)); break;
        case Op::trap: {
            const bool illegal = inst.trap() == ir::Trap::illegal;
            leave(illegal ? abi::ExitReason::illegal : abi::ExitReason::breakpoint, (*f_)[inst.origin].raw,
                  retired(inst) - 1);
            break;
        }
    }
}

// ---- Emission ----

MachineInst& Selector::emit(MachineOp op, u8 width, Reg r0, Reg r1, Reg r2, i64 imm) {
    MachineInst& inst = out_->code.emplace_back(MachineInst{.op = op});
    inst.width = width;
    inst.r[0] = r0;
    inst.r[1] = r1;
    inst.r[2] = r2;
    inst.imm = imm;
    return inst;
}

MachineInst& Selector::emit_mem(MachineOp op, u8 width, Reg r0, const Address& mem, i64 imm) {
    MachineInst& inst = emit(op, width, r0, Reg::none, Reg::none, imm);
    inst.mem = mem;
    return inst;
}

Address Selector::context_word(i32 disp) const { return {.base = context_register, .disp = disp}; }

void Selector::move(Reg to, Reg from) {
    const auto in_fp = [&](Reg r) { return is_physical(r) ? is_vector(r) : (*out_)[r].fp; };
    emit(in_fp(to) ? MachineOp::fmov : MachineOp::mov, 8, to, from);
}

}  // namespace kiln::emit

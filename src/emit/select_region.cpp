// Selection for regions (lift/region.h). Loops stay together in the line of blocks, each behind the blocks that lead to
// it; ways out are at the end. State slots are values: what they hold at the entry is in place there, and each way out
// and fault site lists what they must hold, for the allocator.
//
// Budget: a way into a block that others lead to, too, takes from the budget what it has counted more than the first of
// them, so that from there on counting is the same for all; a way back polls when it has done that.
#include <algorithm>

#include "base/check.h"
#include "emit/select.h"
#include "ir/dominators.h"
#include "ir/loops.h"

namespace kiln::emit {

using ir::BlockId;
using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

Result<void> Selector::select_region(const ir::Function& f, MachineFunction& out) {
    begin(f, out);
    region_ = out.region = true;
    // Slots are nowhere in particular.
    pinned_.clear();
    for (Slot& slot : slots_) pinned_.push_back(std::exchange(slot.pinned, Reg::none));
    order_region_blocks();
    find_fp_uses();
    define_entry_values();
    define_parameters();
    walk();
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].pinned = pinned_[i];
    if (failure_ != nullptr) return fail(failure_);
    if (guarded_) guard_entry();
    return {};
}

// ---- The order of blocks ----

namespace {

/// Blocks in postorder, those of loops behind what comes after the loop.
class Postorder {
  public:
    Postorder(const ir::Function& f, std::span<const u32> depths)
        : f_(f), depths_(depths), seen_(f.block_count()) {
        visit(BlockId(0));
    }
    std::vector<BlockId> take() { return std::move(blocks_); }

  private:
    void visit(BlockId b) {
        seen_[ir::index(b)] = 1;
        // The deepest last, the first one among equals.
        std::vector<std::pair<u32, BlockId>> targets;
        for (ir::EdgeId e : f_.edges_of(f_[f_[b].last]))
            targets.push_back({depths_[ir::index(f_[e].target)], f_[e].target});
        if (targets.size() == 2 && targets[0].first >= targets[1].first) std::swap(targets[0], targets[1]);
        for (const auto& [depth, target] : targets)
            if (seen_[ir::index(target)] == 0) visit(target);
        blocks_.push_back(b);
    }

    const ir::Function& f_;
    const std::span<const u32> depths_;
    std::vector<u8> seen_;
    std::vector<BlockId> blocks_;
};

}  // namespace

void Selector::order_region_blocks() {
    const ir::Function& f = *f_;
    const ir::Dominators dominators(f);
    out_->loop_depths = ir::loop_depths(f, dominators);
    order_ = Postorder(f, out_->loop_depths).take();
    std::ranges::reverse(order_);
    const auto leaves = [&](BlockId b) { return f.edges_of(f[f[b].last]).empty(); };
    std::vector<BlockId> ways_out;
    std::ranges::copy_if(order_, std::back_inserter(ways_out), leaves);
    std::erase_if(order_, leaves);
    order_.insert(order_.end(), ways_out.begin(), ways_out.end());
    out_->predecessors.assign(f.block_count(), 0);
    for (BlockId b : order_)
        for (ir::EdgeId e : f.edges_of(f[f[b].last])) ++out_->predecessors[ir::index(f[e].target)];
    in_place_.assign(f.block_count(), 0);
    counted_.assign(f.block_count(), std::nullopt);
    counted_[0] = 0;
}

// ---- Values from block to block ----

/// Whether a value is kept in vector registers from block to block.
bool Selector::is_fp_value(ValueId value) const {
    const Inst& inst = inst_of(value);
    if (ir::is_fp(type(value))) return true;
    return inst.slot != ir::SlotId::none && is_fp_slot(inst.slot);
}

/// Whether a slot holds floating-point numbers.
bool Selector::is_fp_slot(ir::SlotId slot) const {
    return std::ranges::find(layout_->hot_fp, slot) != layout_->hot_fp.end();
}

/// Finds the values that are only used as floating-point numbers, though they are i64: best loaded as such.
void Selector::find_fp_uses() {
    constexpr u8 as_fp = 1, as_integer = 2;
    std::vector<u8>& uses = fp_uses_;
    uses.assign(f_->value_count(), 0);
    for (BlockId b : order_)
        f_->for_each(b, [&](ValueId, const Inst& inst) {
            const bool converts =
                (inst.op == Op::bitcast || inst.op == Op::nan_unbox) && ir::is_fp(inst.type);
            const bool to_fp = converts || (inst.op == Op::put_state && is_fp_slot(inst.slot));
            for (unsigned i = 0; i < ir::info(inst.op).args; ++i) {
                if (inst.op == Op::store && i == 1) continue;  // either will do
                uses[ir::index(inst.args[i])] |= to_fp ? as_fp : as_integer;
            }
            for (ir::EdgeId e : f_->edges_of(inst)) {
                const auto args = f_->values((*f_)[e].args);
                for (std::size_t i = 0; i < args.size(); ++i)
                    uses[ir::index(args[i])] |=
                        is_fp_value((*f_)[(*f_)[e].target].params[i]) ? as_fp : as_integer;
            }
        });
    for (u8& use : uses) use = use == as_fp;
}

void Selector::define_parameters() {
    for (BlockId b : order_)
        for (ValueId p : (*f_)[b].params) {
            const Reg param = params_[ir::index(p)].low = out_->new_value(is_fp_value(p));
            if (inst_of(p).slot != ir::SlotId::none) belongs((*out_)[param], inst_of(p).slot);
        }
}

void Selector::define_entry_values() {
    for (u16 slot = 0; slot < slots_.size(); ++slot)
        if (pinned_[slot] != Reg::none)
            out_->entry_values.push_back(
                {out_->new_value(is_vector(pinned_[slot])), pinned_[slot], layout_->slots[slot].offset});
}

void Selector::region_get_state(ValueId id, const Inst& inst) {
    const bool first = inst.prev == ValueId::none || inst_of(inst.prev).op == Op::get_state;
    if (inst.block != BlockId(0) || !first)
        return unsupported("a read of a state slot behind a region's entry");
    if (ir::byte_size(inst.type) != 8) return unsupported("a state slot of less than 64 bits");
    const Reg entry = entry_value(inst.slot);
    Value& v = at(id);
    v.place = Place::value;
    ((*out_)[entry].fp ? v.fp : v.integer) = entry;
}

/// What the slot holds at the entry.
Reg Selector::entry_value(ir::SlotId slot) {
    const u32 offset = (*layout_)[slot].offset;
    const auto entry = std::ranges::find(out_->entry_values, offset, &EntryValue::offset);
    if (entry != out_->entry_values.end()) return entry->value;
    const Reg value = out_->new_value(is_fp_slot(slot));
    out_->entry_values.push_back({value, Reg::none, offset});
    return value;
}

void Selector::region_block(BlockId id) {
    ++epoch_;
    forget_slots();
    puts_.clear();
    emit(MachineOp::label).target = ir::index(id);
    for (ValueId p : (*f_)[id].params) {
        at(p).place = Place::value;
        const Reg param = params_[ir::index(p)].low;
        ((*out_)[param].fp ? at(p).fp : at(p).integer) = param;
    }
    KILN_CHECK(counted_[ir::index(id)].has_value());
    pending_ = *counted_[ir::index(id)];
    instructions(id);
}

// ---- State for those who look ----

/// Notes which slot a value is for: the first that is said.
void Selector::belongs(VirtualRegister& value, ir::SlotId slot) {
    if (value.slot != 0) return;
    value.slot = (*layout_)[slot].offset;
    value.wanted = pinned_[static_cast<u16>(slot)];
}

StateValue Selector::state_value(ir::SlotId slot, ValueId value) {
    const u32 offset = (*layout_)[slot].offset;
    entry_value(slot);  // where nobody has written the slot, it is looked at, too
    if (is_constant(value)) return {offset, Reg::none, at(value).constant};
    const Value& v = at(value);
    const bool in_fp = v.fp != Reg::none && (v.integer == Reg::none || is_fp_value(value));
    const Reg reg = in_fp ? v.fp : integer(value);
    if (!is_physical(reg)) belongs((*out_)[reg], slot);
    return {offset, reg};
}

ValueRange Selector::frame_of(const Inst& inst) {
    if (!region_) return {};
    const u32 begin = static_cast<u32>(out_->state.size());
    for (const ir::FrameEntry& entry : f_->frame(inst.frame))
        out_->state.push_back(state_value(entry.slot, entry.value));
    return {begin, static_cast<u32>(out_->state.size()) - begin};
}

void Selector::region_put_state(const Inst& inst) {
    if (ir::byte_size(inst.type) != 8) return unsupported("a state slot of less than 64 bits");
    const Inst& next = inst_of(inst.next);
    const bool leaves = ir::info(next.op).effects.terminator && f_->edges_of(next).empty();
    if (next.op != Op::put_state && !leaves)
        return unsupported("a write of a state slot before a region's way out");
    if (inst.slot == layout_->rounding) return unsupported("a change of the rounding mode in a region");
    puts_.push_back(state_value(inst.slot, inst.args[0]));
}

ValueRange Selector::take_puts() {
    if (!region_) return {};
    const u32 begin = static_cast<u32>(out_->state.size());
    out_->state.insert(out_->state.end(), puts_.begin(), puts_.end());
    return {begin, static_cast<u32>(puts_.size())};
}

void Selector::leave_misaligned(const Inst& inst, Condition condition, Reg address) {
    ValueRange state = frame_of(inst);
    constexpr u32 fault = offsetof(abi::Context, fault);
    out_->state.push_back({fault + static_cast<u32>(offsetof(abi::Fault, address)), address});
    out_->state.push_back({fault + static_cast<u32>(offsetof(abi::Fault, kind)), Reg::none,
                           static_cast<u64>(abi::FaultKind::misaligned)});
    state.count += 2;
    leave_if(condition, abi::ExitReason::fault, inst, state);
}

void Selector::leave_if(Condition condition, abi::ExitReason reason, const Inst& inst, ValueRange state) {
    out_->exits.push_back({.kind = Exit::Kind::leave,
                           .reason = reason,
                           .retired = retired(inst) - 1,
                           .pc = (*f_)[inst.origin].raw,
                           .state = state});
    MachineInst& leave = emit(MachineOp::side_exit);
    leave.cond = condition;
    leave.target = static_cast<u32>(out_->exits.size() - 1);
}

// ---- Ways on ----

void Selector::poll(ValueId id) {
    if (!region_ || inst_of(inst_of(id).next).op != Op::br)
        return unsupported("a poll that no way back follows");
    polls_ = id;
}

void Selector::region_br(const Inst& inst) {
    const ir::Edge& edge = (*f_)[inst.edges[0]];
    const u32 target = ir::index(edge.target);
    // Values first: what they take may change the flags.
    const auto args = f_->values(edge.args);
    const auto& params = (*f_)[edge.target].params;
    std::vector<EdgeValue> values;
    for (std::size_t i = 0; i < args.size(); ++i) {
        const Reg param = params_[ir::index(params[i])].low;
        const bool in_fp = (*out_)[param].fp;
        if (is_constant(args[i]) && !in_fp)
            values.push_back({param, Reg::none, at(args[i]).constant});
        else
            values.push_back({param, in_fp ? fp(args[i]) : clean_integer(args[i])});
    }
    if (!counted_[target]) counted_[target] = pending_;
    const auto more = static_cast<i32>(pending_ - *counted_[target]);
    const ValueId poll = std::exchange(polls_, ValueId::none);
    if (more != 0)
        emit(MachineOp::sub_imm, 8, budget_register, Reg::none, Reg::none, more);
    else if (poll != ValueId::none)
        emit(MachineOp::test, 8, budget_register, budget_register);
    if (poll != ValueId::none) {
        pending_ = *counted_[target];
        leave_if(Condition::sign, abi::ExitReason::poll, inst_of(poll), frame_of(inst_of(poll)));
    }
    MachineInst& jump = emit(MachineOp::jump);
    jump.target = target;
    jump.imm = pack({static_cast<u32>(out_->edge_values.size()), static_cast<u32>(values.size())});
    out_->edge_values.insert(out_->edge_values.end(), values.begin(), values.end());
}

void Selector::region_br_if(ValueId id, const Inst& inst) {
    for (ir::EdgeId e : {inst.edges[0], inst.edges[1]}) {
        const ir::Edge& edge = (*f_)[e];
        if (out_->predecessors[ir::index(edge.target)] != 1 || edge.args.count != 0)
            return unsupported("a branch to a block that others lead to");
        counted_[ir::index(edge.target)] = pending_;
    }
    Condition condition = truth(inst.args[0], id);
    BlockId first = (*f_)[inst.edges[0]].target, second = (*f_)[inst.edges[1]].target;
    if (place_ + 1 < order_.size() && first == order_[place_ + 1]) {
        std::swap(first, second);
        condition = opposite(condition);
    }
    MachineInst& branch = emit(MachineOp::jump_if);
    branch.cond = condition;
    branch.target = ir::index(first);
    MachineInst& jump = emit(MachineOp::jump);
    jump.target = ir::index(second);
    jump.imm = pack({});
}

}  // namespace kiln::emit

#include "ir/builder.h"

namespace kiln::ir {
namespace {

Inst make(Op op, Type type, std::initializer_list<ValueId> args, u8 attr0 = 0, u8 attr1 = 0) {
    Inst inst(op, type);
    unsigned i = 0;
    for (ValueId v : args) inst.args[i++] = v;
    inst.attr0 = attr0;
    inst.attr1 = attr1;
    return inst;
}

}  // namespace

ValueId Builder::add(Inst inst) {
    inst.origin = origin_;
    return f_.append(block_, inst);
}

ValueId Builder::iconst(Type t, u64 value) {
    Inst inst(Op::iconst, t);
    inst.imm = value & type_mask(t);
    return add(inst);
}

ValueId Builder::get_state(SlotId slot) {
    Inst inst(Op::get_state, (*f_.env().layout)[slot].type);
    inst.slot = slot;
    return add(inst);
}

void Builder::put_state(SlotId slot, ValueId value) {
    Inst inst = make(Op::put_state, type(value), {value});
    inst.slot = slot;
    add(inst);
}

ValueId Builder::unary(Op op, ValueId a, u8 attr0, u8 attr1) {
    return add(make(op, info(op).shape == Shape::half ? Type::i64 : type(a), {a}, attr0, attr1));
}

ValueId Builder::binary(Op op, ValueId a, ValueId b, u8 attr0) {
    return add(make(op, type(a), {a, b}, attr0));
}

ValueId Builder::ternary(Op op, ValueId a, ValueId b, ValueId c, u8 attr0) {
    return add(make(op, type(a), {a, b, c}, attr0));
}

ValueId Builder::convert(Op op, Type to, ValueId a, u8 attr0) { return add(make(op, to, {a}, attr0)); }

ValueId Builder::icmp(Cond cond, ValueId a, ValueId b) {
    return add(make(Op::icmp, type(a), {a, b}, static_cast<u8>(cond)));
}

ValueId Builder::fcmp(FpCond cond, ValueId a, ValueId b) {
    return add(make(Op::fcmp, type(a), {a, b}, static_cast<u8>(cond)));
}

ValueId Builder::select(ValueId condition, ValueId if_true, ValueId if_false) {
    return add(make(Op::select, type(if_true), {condition, if_true, if_false}));
}

ValueId Builder::pair(ValueId low, ValueId high) { return add(make(Op::pair, Type::i128, {low, high})); }

ValueId Builder::load(Type t, ValueId address, i64 offset, Order order) {
    Inst inst = make(Op::load, t, {address}, static_cast<u8>(order));
    inst.imm = static_cast<u64>(offset);
    return add(inst);
}

void Builder::store(ValueId address, i64 offset, ValueId value, Order order) {
    Inst inst = make(Op::store, type(value), {address, value}, static_cast<u8>(order));
    inst.imm = static_cast<u64>(offset);
    add(inst);
}

ValueId Builder::atomic_rmw(Rmw rmw, Order order, ValueId address, ValueId value) {
    return add(
        make(Op::atomic_rmw, type(value), {address, value}, static_cast<u8>(rmw), static_cast<u8>(order)));
}

ValueId Builder::atomic_cas(Order order, ValueId address, ValueId expected, ValueId desired) {
    return add(make(Op::atomic_cas, type(desired), {address, expected, desired}, static_cast<u8>(order)));
}

void Builder::fence(Order order) { add(make(Op::fence, Type::none, {}, static_cast<u8>(order))); }

ValueId Builder::fp_get_flags() { return add(Inst(Op::fp_get_flags, Type::i64)); }
void Builder::fp_set_flags(ValueId flags) { add(make(Op::fp_set_flags, Type::i64, {flags})); }

ValueId Builder::call(HelperId helper, std::initializer_list<ValueId> args) {
    const HelperSig& sig = f_.env()[helper];
    Inst inst(Op::call, sig.result);
    inst.helper = helper;
    inst.list = f_.add_values({args.begin(), args.size()});
    const ValueId id = add(inst);
    return sig.result == Type::none ? ValueId::none : id;
}

void Builder::guard(ValueId condition, u64 exit, std::span<const FrameEntry> frame) {
    Inst inst = make(Op::guard, Type::none, {condition});
    inst.imm = exit;
    inst.frame = f_.add_frame(frame);
    add(inst);
}

void Builder::br(BlockId target, std::initializer_list<ValueId> args) {
    Inst inst(Op::br);
    inst.edges[0] = f_.add_edge(target, {args.begin(), args.size()});
    inst.edges[1] = EdgeId::none;
    add(inst);
}

void Builder::br_if(ValueId condition, BlockId if_true, BlockId if_false) {
    Inst inst = make(Op::br_if, Type::none, {condition});
    inst.edges[0] = f_.add_edge(if_true, {});
    inst.edges[1] = f_.add_edge(if_false, {});
    add(inst);
}

void Builder::goto_pc(GuestAddr target, Hint hint, GuestAddr return_address) {
    Inst inst = make(Op::goto_pc, Type::none, {}, static_cast<u8>(hint));
    inst.imm = target.raw;
    inst.imm2 = return_address.raw;
    add(inst);
}

void Builder::goto_ind(ValueId target, Hint hint, GuestAddr return_address) {
    Inst inst = make(Op::goto_ind, Type::none, {target}, static_cast<u8>(hint));
    inst.imm2 = return_address.raw;
    add(inst);
}

void Builder::syscall(GuestAddr next) {
    Inst inst(Op::syscall);
    inst.imm = next.raw;
    add(inst);
}

void Builder::sync_code(GuestAddr next) {
    Inst inst(Op::sync_code);
    inst.imm = next.raw;
    add(inst);
}

void Builder::trap(Trap kind) { add(make(Op::trap, Type::none, {}, static_cast<u8>(kind))); }

}  // namespace kiln::ir

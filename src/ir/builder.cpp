#include "ir/builder.h"

namespace kiln::ir {

Inst& Builder::make(Op op, Type type, std::initializer_list<ValueId> args, u8 attr0, u8 attr1) {
    Inst& inst = f_.append(block_, op, type);
    unsigned i = 0;
    for (ValueId v : args) inst.args[i++] = v;
    inst.attr0 = attr0;
    inst.attr1 = attr1;
    inst.origin = origin_;
    return inst;
}

ValueId Builder::last() const { return ValueId(f_.value_count() - 1); }

ValueId Builder::iconst(Type t, u64 value) {
    Inst& inst = make(Op::iconst, t);
    inst.imm = value & type_mask(t);
    return last();
}

ValueId Builder::get_state(SlotId slot) {
    Inst& inst = make(Op::get_state, (*f_.env().layout)[slot].type);
    inst.slot = slot;
    return last();
}

void Builder::put_state(SlotId slot, ValueId value) {
    Inst& inst = make(Op::put_state, type(value), {value});
    inst.slot = slot;
}

ValueId Builder::unary(Op op, ValueId a, u8 attr0, u8 attr1) {
    make(op, info(op).shape == Shape::half ? Type::i64 : type(a), {a}, attr0, attr1);
    return last();
}

ValueId Builder::binary(Op op, ValueId a, ValueId b, u8 attr0) {
    make(op, type(a), {a, b}, attr0);
    return last();
}

ValueId Builder::ternary(Op op, ValueId a, ValueId b, ValueId c, u8 attr0) {
    make(op, type(a), {a, b, c}, attr0);
    return last();
}

ValueId Builder::convert(Op op, Type to, ValueId a, u8 attr0) {
    make(op, to, {a}, attr0);
    return last();
}

ValueId Builder::icmp(Cond cond, ValueId a, ValueId b) {
    make(Op::icmp, type(a), {a, b}, static_cast<u8>(cond));
    return last();
}

ValueId Builder::fcmp(FpCond cond, ValueId a, ValueId b) {
    make(Op::fcmp, type(a), {a, b}, static_cast<u8>(cond));
    return last();
}

ValueId Builder::select(ValueId condition, ValueId if_true, ValueId if_false) {
    make(Op::select, type(if_true), {condition, if_true, if_false});
    return last();
}

ValueId Builder::pair(ValueId low, ValueId high) {
    make(Op::pair, Type::i128, {low, high});
    return last();
}

ValueId Builder::vcmp(Lane lane, Cond cond, ValueId a, ValueId b) {
    make(Op::vcmp, Type::v128, {a, b}, static_cast<u8>(lane), static_cast<u8>(cond));
    return last();
}

ValueId Builder::vinsert(Lane lane, ValueId vector, unsigned number, ValueId value) {
    make(Op::vinsert, Type::v128, {vector, value}, static_cast<u8>(lane)).imm = number;
    return last();
}

ValueId Builder::vextract(Lane lane, ValueId vector, unsigned number) {
    make(Op::vextract, lane_type(lane), {vector}).imm = number;
    return last();
}

ValueId Builder::load(Type t, ValueId address, i64 offset, Order order) {
    Inst& inst = make(Op::load, t, {address}, static_cast<u8>(order));
    inst.space = space_;
    inst.imm = static_cast<u64>(offset);
    return last();
}

void Builder::store(ValueId address, i64 offset, ValueId value, Order order) {
    Inst& inst = make(Op::store, type(value), {address, value}, static_cast<u8>(order));
    inst.space = space_;
    inst.imm = static_cast<u64>(offset);
}

ValueId Builder::atomic_rmw(Rmw rmw, Order order, ValueId address, ValueId value) {
    make(Op::atomic_rmw, type(value), {address, value}, static_cast<u8>(rmw), static_cast<u8>(order)).space =
        space_;
    return last();
}

ValueId Builder::atomic_cas(Order order, ValueId address, ValueId expected, ValueId desired) {
    make(Op::atomic_cas, type(desired), {address, expected, desired}, static_cast<u8>(order)).space = space_;
    return last();
}

void Builder::fence(Order order) { make(Op::fence, Type::none, {}, static_cast<u8>(order)); }

ValueId Builder::fp_get_flags() {
    make(Op::fp_get_flags, Type::i64);
    return last();
}
void Builder::fp_set_flags(ValueId flags) { make(Op::fp_set_flags, Type::i64, {flags}); }

ValueId Builder::call(HelperId helper, std::initializer_list<ValueId> args) {
    const HelperSig& sig = f_.env()[helper];
    Inst& inst = make(Op::call, sig.result);
    inst.helper = helper;
    inst.list = f_.add_values({args.begin(), args.size()});
    const ValueId id = last();
    return sig.result == Type::none ? ValueId::none : id;
}

void Builder::guard(ValueId condition, u64 exit, std::span<const FrameEntry> frame) {
    Inst& inst = make(Op::guard, Type::none, {condition});
    inst.imm = exit;
    inst.frame = f_.add_frame(frame);
}

void Builder::br(BlockId target, std::initializer_list<ValueId> args) {
    Inst& inst = make(Op::br, Type::none);
    inst.edges[0] = f_.add_edge(target, {args.begin(), args.size()});
    inst.edges[1] = EdgeId::none;
}

void Builder::br_if(ValueId condition, BlockId if_true, BlockId if_false) {
    Inst& inst = make(Op::br_if, Type::none, {condition});
    inst.edges[0] = f_.add_edge(if_true, {});
    inst.edges[1] = f_.add_edge(if_false, {});
}

void Builder::switch_(ValueId value, BlockId otherwise, std::span<const Case> cases) {
    Inst& inst = make(Op::switch_, type(value), {value});
    std::vector<SwitchCase> ways;
    for (const Case& c : cases) ways.push_back({c.value & type_mask(inst.type), f_.add_edge(c.target, {})});
    inst.ways = f_.add_ways(f_.add_edge(otherwise, {}), ways);
}

void Builder::goto_pc(GuestAddr target, Hint hint, GuestAddr return_address) {
    Inst& inst = make(Op::goto_pc, Type::none, {}, static_cast<u8>(hint));
    inst.imm = target.raw;
    inst.imm2 = return_address.raw;
}

void Builder::goto_ind(ValueId target, Hint hint, GuestAddr return_address) {
    Inst& inst = make(Op::goto_ind, Type::none, {target}, static_cast<u8>(hint));
    inst.imm2 = return_address.raw;
}

void Builder::syscall(GuestAddr next) {
    Inst& inst = make(Op::syscall, Type::none);
    inst.imm = next.raw;
}

void Builder::sync_code(GuestAddr next) {
    Inst& inst = make(Op::sync_code, Type::none);
    inst.imm = next.raw;
}

void Builder::trap(Trap kind) { make(Op::trap, Type::none, {}, static_cast<u8>(kind)); }

}  // namespace kiln::ir

// Building IR at the end of a block. Values are made in the order in which they are computed.
// Every function here appends one instruction (or none, where it says so) and returns its value.
#pragma once

#include <initializer_list>

#include "ir/function.h"

namespace kiln::ir {

class Builder {
  public:
    explicit Builder(Function& f) : f_(f) {}

    Function& function() { return f_; }
    BlockId block() const { return block_; }
    /// Later instructions go to the end of `block`.
    void at(BlockId block) { block_ = block; }
    /// Later instructions come from the guest instruction at `pc`.
    void origin(GuestAddr pc) { origin_ = f_.add_origin(pc); }

    ValueId iconst(Type type, u64 value);
    ValueId get_state(SlotId slot);
    void put_state(SlotId slot, ValueId value);

    /// For the shapes unary and half (the operand's type is the instruction's, or i128).
    ValueId unary(Op op, ValueId a, u8 attr0 = 0, u8 attr1 = 0);
    ValueId binary(Op op, ValueId a, ValueId b, u8 attr0 = 0);
    ValueId ternary(Op op, ValueId a, ValueId b, ValueId c, u8 attr0 = 0);
    /// For the shape convert.
    ValueId convert(Op op, Type to, ValueId a, u8 attr0 = 0);
    ValueId icmp(Cond cond, ValueId a, ValueId b);
    ValueId fcmp(FpCond cond, ValueId a, ValueId b);
    ValueId select(ValueId condition, ValueId if_true, ValueId if_false);
    ValueId pair(ValueId low, ValueId high);
    ValueId vcmp(Lane lane, Cond cond, ValueId a, ValueId b);
    ValueId vinsert(Lane lane, ValueId vector, unsigned number, ValueId value);
    ValueId vextract(Lane lane, ValueId vector, unsigned number);

    // Accesses are in space(), flat to begin with.
    void space(Space space) { space_ = space; }
    ValueId load(Type type, ValueId address, i64 offset = 0, Order order = Order::relaxed);
    void store(ValueId address, i64 offset, ValueId value, Order order = Order::relaxed);
    ValueId atomic_rmw(Rmw rmw, Order order, ValueId address, ValueId value);
    ValueId atomic_cas(Order order, ValueId address, ValueId expected, ValueId desired);
    void fence(Order order);

    ValueId fp_get_flags();
    void fp_set_flags(ValueId flags);

    /// The helper's result; ValueId::none when it has none.
    ValueId call(HelperId helper, std::initializer_list<ValueId> args);
    void guard(ValueId condition, u64 exit, std::span<const FrameEntry> frame);

    void br(BlockId target, std::initializer_list<ValueId> args = {});
    void br_if(ValueId condition, BlockId if_true, BlockId if_false);
    struct Case {
        u64 value;
        BlockId target;
    };
    void switch_(ValueId value, BlockId otherwise, std::span<const Case> cases);
    void goto_pc(GuestAddr target, Hint hint = Hint::plain, GuestAddr return_address = {});
    void goto_ind(ValueId target, Hint hint = Hint::plain, GuestAddr return_address = {});
    void syscall(GuestAddr next);
    void sync_code(GuestAddr next);
    void trap(Trap kind);

    Type type(ValueId v) const { return f_.result_type(v); }

  private:
    /// Appends an instruction; what is not given here is filled in by the caller.
    Inst& make(Op op, Type type, std::initializer_list<ValueId> args = {}, u8 attr0 = 0, u8 attr1 = 0);
    /// The instruction made last.
    ValueId last() const;

    Function& f_;
    BlockId block_ = BlockId::none;
    OriginId origin_ = OriginId::none;
    Space space_ = Space::flat;
};

}  // namespace kiln::ir

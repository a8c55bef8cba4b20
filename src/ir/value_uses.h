// What makers of code find out about the values of a block by walking it backwards, before they make anything: how often
// a value is used and where last, and which state slot it may be computed right into. The flattener (src/interp) and the
// selector of tier 1 (src/emit) keep more of their own in what derives from these.
#pragma once

#include <algorithm>
#include <span>

#include "ir/function.h"

namespace kiln::ir {

struct ValueUse {
    static constexpr u16 no_slot = 0xffff;

    u32 last = 0;                  ///< position of the last use in its block
    ValueId user = ValueId::none;  ///< some use; the only one if `uses` is 1
    u16 home = no_slot;            ///< the slot it may be computed into, by the number of `number`
    u16 open_put = no_slot;        ///< the slot that the next put is to, while that may become home
    u8 uses = 0;                   ///< 2: several
    bool escapes = false;          ///< used in another block
};

struct SlotUse {
    u64 put_epoch = 0;
    ValueId put = ValueId::none;  ///< in put_epoch: the value that the next put puts here
};

/// Operations whose result may be the very place of their operand.
constexpr bool may_alias(Op op) {
    return op == Op::trunc || op == Op::zext || op == Op::bitcast || op == Op::nan_box ||
           op == Op::nan_unbox || op == Op::low || op == Op::high || op == Op::pair;
}

/// Aliases that most often share the place of a value just computed, which then belongs where they are put.
constexpr bool passes_on(Op op) { return op == Op::nan_box || op == Op::bitcast || op == Op::zext; }

/// Walks `block` backwards, its end being at `position`; gives the position of its start. `computes(op)`: whether a
/// result of `op` can be made in a place of choice; `number(slot)` indexes `slots`. `epoch` counts places where the
/// guest's state is looked at, and goes up with each block.
template <class Value, class Slot, class Computes, class Number>
u32 find_uses(const Function& f, BlockId block, u32 position, std::span<Value> values, std::span<Slot> slots,
              u64& epoch, const Computes& computes, const Number& number) {
    const auto open_put = [&](u16 slot, ValueId value) {
        slots[slot].put = value;
        slots[slot].put_epoch = epoch;
        values[index(value)].open_put = slot;
    };
    ++epoch;
    for (ValueId id = f[block].last; id != ValueId::none; id = f[id].prev) {
        const Inst& inst = f[id];
        Value& own = values[index(id)];
        --position;
        // A value may be computed right into the slot it is put to, if nobody looks at the slot in between.
        if (own.open_put != ValueUse::no_slot) {
            const Slot& slot = slots[own.open_put];
            if (slot.put == id && slot.put_epoch == epoch) {
                if (computes(inst.op) || passes_on(inst.op)) own.home = own.open_put;
                if (passes_on(inst.op)) open_put(own.open_put, inst.args[0]);
            }
        }
        const Effects& effects = f.effects(id);
        if (effects.any || effects.may_fault || effects.terminator) ++epoch;
        if (inst.op == Op::get_state || inst.op == Op::put_state) {
            const u16 slot = number(inst.slot);
            slots[slot].put = ValueId::none;
            if (inst.op == Op::put_state && f[inst.args[0]].block == block) open_put(slot, inst.args[0]);
        }
        // Who shares a place with its operand keeps the operand alive.
        const u32 end = may_alias(inst.op) && !own.escapes ? std::max(position, own.last) : position;
        f.for_each_use(inst, [&](ValueId v) {
            Value& used = values[index(v)];
            used.user = id;
            used.uses = static_cast<u8>(std::min(used.uses + 1, 2));
            if (f[v].block == block)
                used.last = std::max(used.last, end);
            else
                used.escapes = true;
        });
    }
    return position;
}

/// Whether `value` is only the first operand of `user`, right behind it.
inline bool feeds_only(const Function& f, const ValueUse& use, ValueId value, ValueId user) {
    return use.uses == 1 && !use.escapes && f[value].next == user && f[user].args[0] == value;
}

}  // namespace kiln::ir

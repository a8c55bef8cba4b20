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
    bool wide = false;             ///< some use looks at more than the low 32 bits
    bool unseen = false;           ///< a put: another comes before anybody can look
};

struct SlotUse {
    u64 put_epoch = 0;
    ValueId put = ValueId::none;  ///< in put_epoch: the value that the next put puts here
    u64 overwritten_epoch = 0;    ///< in it, the next access is a put
};

/// Operations whose result may be the very place of their operand.
constexpr bool may_alias(Op op) {
    return op == Op::trunc || op == Op::zext || op == Op::bitcast || op == Op::nan_box ||
           op == Op::nan_unbox || op == Op::low || op == Op::high || op == Op::pair;
}

/// Aliases that most often share the place of a value just computed, which then belongs where they are put.
constexpr bool passes_on(Op op) { return op == Op::nan_box || op == Op::bitcast || op == Op::zext; }

/// Whether operands of an instruction, whose own result is looked at as `use` says, are looked at above their low 32
/// bits.
inline bool uses_high_bits(const Function& f, const Inst& inst, const ValueUse& use) {
    switch (inst.op) {
        case Op::trunc: return false;  // to i32 or less
        case Op::put_state: return !use.unseen;
        case Op::add:
        case Op::sub:
        case Op::mul: return use.wide;
        case Op::and_: {
            const Inst& mask = f[inst.args[1]];
            return use.wide && !(mask.op == Op::iconst && mask.imm <= 0xffffffff);
        }
        case Op::or_:
        case Op::xor_:
        case Op::andn:
        case Op::orn:
        case Op::xnor:
        case Op::shl: return use.wide;
        default: return true;
    }
}

/// What a maker of code does not say otherwise, for find_uses().
struct UseRules {
    /// Whether instructions without a use, and puts that nobody sees, are left out.
    static constexpr bool drops_unused = false;
    /// Whether the guest's state can be looked at from an instruction.
    bool observes(const Inst&, const Effects& effects) const {
        return effects.any || effects.may_fault || effects.terminator;
    }
    /// Calls visit(value, whether its high half matters) for what is used when `inst`, of the value `own`, is made.
    template <class Visit>
    void operands(const Function& f, const Inst& inst, ValueUse& own, const Visit& visit) const {
        const bool wide = uses_high_bits(f, inst, own);
        f.for_each_use(inst, [&](ValueId v) { visit(v, wide); });
    }
};

/// Walks `block` backwards, its end being at `position`; gives the position of its start. `rules` has the members of
/// UseRules and two more: computes(op), whether a result of `op` can be made in a place of choice, and number(slot),
/// which indexes `slots`. `epoch` counts places where the guest's state is looked at, and goes up with each block.
template <class Value, class Slot, class Rules>
u32 find_uses(const Function& f, BlockId block, u32 position, std::span<Value> values, std::span<Slot> slots,
              u64& epoch, const Rules& rules) {
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
                if (rules.computes(inst.op) || passes_on(inst.op)) own.home = own.open_put;
                if (passes_on(inst.op)) open_put(own.open_put, inst.args[0]);
            }
        }
        const Effects& effects = f.effects(id);
        if (rules.observes(inst, effects)) ++epoch;
        if (inst.op == Op::get_state || inst.op == Op::put_state) {
            const u16 number = rules.number(inst.slot);
            Slot& slot = slots[number];
            const bool puts = inst.op == Op::put_state;
            own.unseen = puts && rules.drops_unused && slot.overwritten_epoch == epoch;
            slot.overwritten_epoch = puts ? epoch : 0;
            slot.put = ValueId::none;
            if (puts && f[inst.args[0]].block == block) open_put(number, inst.args[0]);
        }
        if (rules.drops_unused && (own.unseen || (effects.pure && own.uses == 0))) continue;
        // Who shares a place with its operand keeps the operand alive.
        const u32 end = may_alias(inst.op) && !own.escapes ? std::max(position, own.last) : position;
        rules.operands(f, inst, own, [&](ValueId v, bool wide) {
            Value& used = values[index(v)];
            used.user = id;
            used.wide |= wide;
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
    return use.uses == 1 && !use.escapes && use.user == user && f[value].next == user &&
           f[user].args[0] == value;
}

}  // namespace kiln::ir

// Who can see, or change, guest state slots besides get_state and put_state: finer than the effects column,
// which does not know attributes.
#pragma once

#include "ir/function.h"

namespace kiln::opt {

/// Whether `inst` rounds as the layout's rounding slot says: then it reads that slot, and traps when the slot
/// holds no rounding mode.
inline bool rounds_dynamically(const ir::Inst& inst) {
    return ir::info(inst.op).attrs[0] == ir::AttrGroup::Rounding && inst.rounding() == ir::Rounding::dyn;
}

/// Whether an instruction may leave the unit before its end. Floating-point operations do so only because of
/// a dynamic rounding mode.
inline bool can_fault(const ir::Inst& inst) {
    const ir::OpInfo& op = ir::info(inst.op);
    return op.effects.may_fault && (op.attrs[0] != ir::AttrGroup::Rounding || rounds_dynamically(inst));
}

/// Whether an instruction other than put_state may change slots; nobody knows which.
inline bool clobbers_state(const ir::Effects& effects) { return effects.any || effects.writes_state; }

/// Whether an instruction other than get_state, a fault or a way out may read slots; nobody knows which.
/// One that may change some counts: what it leaves alone stays observable through it.
inline bool looks_at_state(const ir::Effects& effects) {
    return effects.any || effects.reads_state || effects.writes_state;
}

}  // namespace kiln::opt

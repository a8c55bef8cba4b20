// The lift functions: one for each row of the instruction table that is lifted as itself, of the row's id.
// What such a function emits is the meaning of the instruction, written nowhere else.
#pragma once

#include "lift/riscv64/lifter.h"

namespace kiln::riscv64::lift {

void illegal(Lifter& l, const Decoded& d);
#define RV_INST(id, bits, format, lift_as, ...) void lift_as(Lifter& l, const Decoded& d);
#include "isa/riscv64/instructions.def"
#undef RV_INST

}  // namespace kiln::riscv64::lift

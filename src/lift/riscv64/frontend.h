// The riscv64 lifter behind the interface that every guest architecture has.
#pragma once

#include "abi/frontend.h"

namespace kiln::riscv64 {

/// Lifts riscv64 code: see abi::Frontend. Follows what abi/riscv64/state.h says of the state.
const abi::Frontend& frontend();

}  // namespace kiln::riscv64

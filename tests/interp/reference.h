// The reference evaluator: walks a function instruction by instruction with a map of values, as ops.def
// reads. No part of it knows how the interpreter stores values or which cells it makes.
#pragma once

#include "ir/function.h"
#include "run_ir.h"

namespace kiln::test {

/// What running `f`, a well-formed riscv64 function, on `initial` gives. Memory is that of irtool::Runner.
irtool::Outcome evaluate(const ir::Function& f, const irtool::GuestState& initial);

}  // namespace kiln::test

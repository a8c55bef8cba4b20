// The reference evaluator: walks a function instruction by instruction with a map of values, as ops.def
// reads. No part of it knows how the interpreter stores values or which cells it makes.
#pragma once

#include "ir/function.h"
#include "run_ir.h"

namespace kiln::test {

/// What running `f`, a well-formed function for irtool::env, on `initial` gives. Memory is that of
/// irtool::Runner; nothing is known of Space::host.
irtool::Outcome evaluate(const ir::Function& f, const irtool::GuestState& initial);

}  // namespace kiln::test

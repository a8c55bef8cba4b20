// Random riscv64 functions in which values change places: few slots that are read and written all the time,
// chains of operations that share a word with their operand, branches to bare ways out, diamonds with
// parameters. Wider in operations but thinner in such places: tests/ir/random_ir.h.
#pragma once

#include <random>

#include "ir/function.h"

namespace kiln::test {

/// Replaces what `f` holds. Blocks need not be numbered in the order in which they are executed.
void random_places(ir::Function& f, std::mt19937_64& random);

}  // namespace kiln::test

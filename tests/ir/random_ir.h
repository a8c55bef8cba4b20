// Random well-formed functions for irtool::env: a tree or a forward graph of blocks with parameters, every kind of
// operation, reads and writes of a few hot slots, accesses in and around the memory window of run_ir.h,
// guards and frame states.
#pragma once

#include <random>

#include "ir/function.h"

namespace kiln::test {

enum class BlockShape : u8 {
    tree,   ///< each block has one way into it, as lifters make them
    graph,  ///< joins with parameters; edges go forward
};

/// Replaces what `f`, a function for irtool::env, holds.
void random_function(ir::Function& f, BlockShape shape, std::mt19937_64& random);

}  // namespace kiln::test

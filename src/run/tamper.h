// Fault injection, for tests of what is to find faults: makes the engine do something wrong on purpose. Off in kiln itself;
// tests/debug/faulty_kiln.cpp switches it on.
#pragma once

#include "ir/function.h"

namespace kiln::run {

enum class TamperPoint : u8 {
    compiling,  ///< the compiling tier is about to make code of the function
    passes,     ///< `count` passes have run over it
};

using Tamper = void (*)(ir::Function& f, TamperPoint point, u64 count);
inline constinit Tamper tamper = nullptr;

}  // namespace kiln::run

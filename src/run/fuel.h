// Limits on what is made in a way that may be wrong: tools/bisect finds the first wrong unit or pass by them.
#pragma once

#include "base/types.h"

namespace kiln::run {

struct Fuel {
    static constexpr u64 endless = ~u64{0};
    u64 units = endless;      ///< that the compiling tier makes; what comes after is interpreted
    u64 passes = endless;     ///< that run over a function, the first ones
    u64 templates = endless;  ///< units put together from templates; what comes after is lifted
    /// The compiling tier makes units that begin in here only.
    GuestAddr begin{0}, end{~u64{0}};
};

}  // namespace kiln::run

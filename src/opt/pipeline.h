// The order of the passes, and how much of it runs.
#pragma once

#include <functional>
#include <string_view>

#include "opt/passes.h"

namespace kiln::opt {

enum class Level : u8 {
    none,    ///< no pass
    tier0,   ///< the cheap ones, some 75 ns per IR instruction, shaped for an engine that reads slots at no
             ///< cost
    full,    ///< everything, for code worth compiling
    region,  ///< for regions (lift/region.h): state becomes values from block to block
};
// Measured on real guest programs, tier0 does not pay in the interpreter: 16 % fewer cells, but loops run
// within 5 % of what they do without passes, and a short program spends up to 25 % more.

struct PipelineOptions {
    /// Verifies before the first and after each pass; a failure prints the pass, the violation and the IR to
    /// standard error and aborts.
    bool verify_each = false;
    /// So many of the level's passes, the first ones.
    u64 most = ~u64{0};
    /// Called after each pass, with its name.
    std::function<void(const ir::Function&, std::string_view)> after;
};

/// Runs the passes of `level` over a well-formed function; how many those were.
u64 run_pipeline(ir::Function& f, Level level, const PipelineOptions& options = {});

/// Verifies `f`; on failure prints `after`, the violation and the IR to standard error and aborts.
void check_after(const ir::Function& f, std::string_view after);

}  // namespace kiln::opt

// The order of the passes, and how much of it runs.
#pragma once

#include "opt/passes.h"

namespace kiln::opt {

enum class Level : u8 {
    none,   ///< no pass
    tier0,  ///< what pays for itself when a unit is run once: every unit before its first execution
    full,   ///< everything, for code worth compiling
};

struct PipelineOptions {
    /// Verifies before the first and after each pass; a failure prints the pass, the violation and the IR to
    /// standard error and aborts.
    bool verify_each = false;
};

/// Runs the passes of `level` over a well-formed function.
void run_pipeline(ir::Function& f, Level level, const PipelineOptions& options = {});

/// Verifies `f`; on failure prints `after`, the violation and the IR to standard error and aborts.
void check_after(const ir::Function& f, std::string_view after);

}  // namespace kiln::opt

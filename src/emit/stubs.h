// The code around units: entering translated code, leaving it, calling helpers.
#pragma once

#include "abi/unit_code.h"
#include "ir/env.h"

namespace kiln::emit {

/// Which host registers hold which slots of a guest of this layout.
std::vector<abi::PinnedRegister> pinned_registers(const ir::StateLayout& layout);

/// The stubs for that layout.
abi::StubCode make_stubs(const ir::StateLayout& layout);

}  // namespace kiln::emit

// A difference, for a person: the listing, the state before, and the states after side by side.
#pragma once

#include <string>

#include "fuzz/riscv64/oracle.h"

namespace kiln::fuzz {

/// Runs `stream`'s first input alone and describes what the engines make of it: rows that differ are marked
/// with a `*`, rows that nobody changed are left out.
std::string describe_difference(Oracle& oracle, const Stream& stream);

}  // namespace kiln::fuzz

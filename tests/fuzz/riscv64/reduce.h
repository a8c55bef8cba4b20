// Making a difference small: fewer streams, then fewer instructions, then simpler values.
#pragma once

#include <optional>
#include <vector>

#include "fuzz/riscv64/oracle.h"

namespace kiln::fuzz {

/// One of `streams` on which the engines do not agree when it is run alone, the reference's failures included;
/// nothing if that needs company.
std::optional<size_t> find_differing_stream(Oracle& oracle, const std::vector<Stream>& streams);

/// `stream`, which differs alone, with one input, what is not needed replaced by no-operations of the same
/// length, and zeros for the values that do not matter.
Stream reduced(Oracle& oracle, Stream stream);

/// Whether the item does nothing: what reduced() puts.
bool is_nop(const Item& item);

}  // namespace kiln::fuzz

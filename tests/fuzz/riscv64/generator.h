// Random streams: which instructions, with which operands, in which order.
//
// The instructions come from the encoding table, so a new row is tested without a word here; what this knows
// besides is which ones access memory, transfer control or touch CSRs, and how to keep the laws of stream.h.
#pragma once

#include <vector>

#include "fuzz/riscv64/random.h"
#include "fuzz/riscv64/stream.h"

namespace kiln::fuzz {

/// The rows of the table that streams of this scope are made of.
std::vector<riscv64::InstId> rows_in_scope(Scope scope);

struct StreamShape {
    Scope scope = Scope::qemu;
    unsigned min_items = 8, max_items = 40;
    unsigned inputs = 4;
    unsigned faulting_percent = 10;  ///< how many streams contain what may fault
};

/// A stream with its inputs.
Stream random_stream(Random& random, const StreamShape& shape);

}  // namespace kiln::fuzz

// Reading the text form of IR (print.h).
#pragma once

#include <string_view>

#include "ir/function.h"

namespace kiln::ir {

/// Reads one function from the start of `text` into `f`, whose Env gives the slots and helpers, and takes
/// what it read (comments and blank lines before it too) off `text`. The error names the line, counted from 1
/// at the start of `text` as given, and what was expected. The result is not verified: see verify.h.
Result<void> parse(std::string_view& text, Function& f);

}  // namespace kiln::ir

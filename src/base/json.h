// Text as JSON has it (RFC 8259).
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// In quotation marks, with what must be escaped escaped.
std::string quoted(std::string_view text);

}  // namespace kiln

#include "base/json.h"

#include <fmt/format.h>

#include <iterator>

#include "base/types.h"

namespace kiln {

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            (out += '\\') += c;
        } else if (static_cast<u8>(c) < ' ') {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
        } else {
            out += c;
        }
    }
    return out += '"';
}

}  // namespace kiln

// Finding the code of one symbol in a 64-bit little-endian ELF file: just what `irtool lift` needs. The
// loader that runs programs is linux/loader.h.
#pragma once

#include "input.h"

namespace kiln::irtool {

struct SymbolCode {
    GuestAddr address;
    std::vector<u8> bytes;  ///< from the symbol to the end of what its section holds
};

/// Unusable when the file is not such an ELF file or has no such symbol.
SymbolCode find_symbol(const std::string& path, std::string_view symbol);

}  // namespace kiln::irtool

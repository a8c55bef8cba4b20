// LLVM's disassembler as an oracle, run as a separate program.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace kiln::test {

/// What llvm-mc makes of each word: its text without aliases, one space after the mnemonic, or "" where it
/// knows no instruction. A word whose low two bits are not 11 is shown to it as 16 bits. An error if the
/// program is missing or its output does not account for every word. Takes about 5 µs a word.
Result<std::vector<std::string>> llvm_disassemble(std::span<const u32> words);

}  // namespace kiln::test

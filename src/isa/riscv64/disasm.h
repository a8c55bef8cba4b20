// Assembly text of riscv64 instructions.
#pragma once

#include <string>

#include "base/types.h"
#include "isa/riscv64/decode.h"

namespace kiln::riscv64 {

/// The instruction without aliases, as LLVM 19 writes it (llvm-mc -M no-aliases) but with one space after the
/// mnemonic: "addi sp, sp, -16", "c.bnez a0, -8". Branch targets are offsets in bytes. An illegal word is
/// data:
/// ".half 0x0000" or ".word 0xffffffff".
std::string disassemble(const Decoded& instruction);

/// The same, with branch targets as addresses, for an instruction at `pc`: "c.bnez a0, 0x103f8".
std::string disassemble(const Decoded& instruction, GuestAddr pc);

/// "a0", "fa0": register `number`, 0 to 31, by its name in the psABI.
const char* integer_register_name(unsigned number);
const char* float_register_name(unsigned number);

/// The name of a CSR, or its number in decimal if it has none.
std::string csr_name(unsigned number);

}  // namespace kiln::riscv64

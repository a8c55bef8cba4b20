// Decoding and encoding of riscv64 instructions, both driven by the instruction table.
//
// A reserved encoding is illegal here; a HINT is the instruction it is encoded as. Which CSRs exist and what
// an instruction does is the lifter's matter.
#pragma once

#include "base/types.h"
#include "isa/riscv64/table.h"

namespace kiln::riscv64 {

/// One decoded instruction. Operands that the encoding implies are filled in (x2 for the base of c_lwsp, x1
/// for the link of c_jalr, -1 for the mask of c_not), so that the instruction `lift_as` needs no case for
/// them. What an instruction has not is 0.
struct Decoded {
    InstId id = InstId::illegal;
    InstId lift_as = InstId::illegal;
    u8 length = 0;  ///< in bytes: 2 or 4, also for an illegal word
    u8 rd = 0;      ///< register numbers, integer or floating point as the instruction says
    u8 rs1 = 0;     ///< for csrrwi, csrrsi, csrrci: the five-bit immediate
    u8 rs2 = 0;
    u8 rs3 = 0;
    u8 rm = 0;     ///< rounding mode, 0 to 4 or 7 (dynamic); only where the encoding has the field
    u8 aq_rl = 0;  ///< bit 1: aq, bit 0: rl
    bool imm_chooses = false;  ///< imm is not a number but chooses what is done
    i32 imm = 0;  ///< sign-extended and scaled: bytes for offsets, the finished value for lui and auipc,
                  ///< the CSR number, fm:pred:succ of a fence, n of a may-be-operation, row of fli's table
    u32 raw = 0;  ///< the word; for a compressed instruction its 16 bits

    bool operator==(const Decoded&) const = default;
};
static_assert(sizeof(Decoded) <= 24);

/// The instruction in the low bits of `word`; of a compressed one (low two bits not 11) only 16 bits are
/// read. `id` is illegal, and only `length` and `raw` are set, when no row matches or the encoding is
/// reserved. Allocates nothing; measured 12 ns for a repeated word, 20 ns in a random mix (2.5 GHz).
Decoded decode(u32 word);

/// The word of instruction.id with the operands given; those it has no field for are ignored, as is raw, and
/// bits that do not fit their field are cut off. For what decode() gave, decode(encode(d)) equals d but for
/// raw, which loses the bits that mean nothing. `id` must not be illegal; where one field is rd and rs1 at
/// once, both must be given and equal.
u32 encode(const Decoded& instruction);

}  // namespace kiln::riscv64

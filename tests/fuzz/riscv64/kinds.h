// What a generator of random code must know of an instruction beyond its encoding. Derived from the
// instruction table's operands and names, so that new rows need nothing here.
#pragma once

#include <vector>

#include "isa/riscv64/decode.h"

namespace kiln::fuzz {

enum class Kind : u8 {
    compute,     ///< reads and writes integer registers, or does nothing that a state shows
    crypto,      ///< the same, of Zk
    fp,          ///< floating point, but its memory accesses
    compressed,  ///< of 16 bits, and none of the kinds below
    load,
    store,
    atomic,       ///< AMO, and in --self those of Zacas and cache blocks: an aligned address, no offset
    reserve,      ///< LR
    conditional,  ///< SC
    branch,       ///< direct transfers: branches, JAL
    jump,         ///< JALR
    csr,
    fence,
    breakpoint,
    unusable,  ///< no stream contains it
};

/// The kind of a row of the table.
Kind kind_of(riscv64::InstId id);

/// How many bytes a load, store or atomic accesses: as its mnemonic's b, h, w, d or q says; 64 for a cache
/// block.
u32 access_bytes(riscv64::InstId id);

/// The integer registers that `inst` writes, as bits.
u32 written_registers(const riscv64::Decoded& inst);

}  // namespace kiln::fuzz

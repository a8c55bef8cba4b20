// Registers of emit/convention.h as the assembler library's operands.
#pragma once

#include <asmjit/x86.h>

#include "base/check.h"
#include "emit/convention.h"

namespace kiln::emit {

inline asmjit::x86::Gp gpq(Reg r) {
    KILN_CHECK(number(r) < 16);
    return asmjit::x86::gpq(number(r));
}
inline asmjit::x86::Gp gpd(Reg r) {
    KILN_CHECK(number(r) < 16);
    return asmjit::x86::gpd(number(r));
}
/// The low `bytes` (1, 2, 4 or 8) of a general register.
inline asmjit::x86::Gp sized(Reg r, u8 bytes) {
    KILN_CHECK(number(r) < 16);
    switch (bytes) {
        case 1: return asmjit::x86::gpb_lo(number(r));
        case 2: return asmjit::x86::gpw(number(r));
        case 4: return asmjit::x86::gpd(number(r));
        default: return asmjit::x86::gpq(number(r));
    }
}
inline asmjit::x86::Xmm vec(Reg r) {
    KILN_CHECK(number(r) >= 16 && number(r) < 32);
    return asmjit::x86::xmm(number(r) - 16u);
}

}  // namespace kiln::emit

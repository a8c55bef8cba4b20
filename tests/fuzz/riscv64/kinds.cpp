// Kinds of instructions, their access sizes and the integer registers they write.
#include "fuzz/riscv64/kinds.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "isa/riscv64/table.h"

namespace kiln::fuzz {

using riscv64::Decoded;
using riscv64::Extension;
using riscv64::InstId;

namespace {

/// The row that says what a row does: that of its expansion.
const riscv64::InstInfo& meaning(InstId id) { return riscv64::info(riscv64::info(id).encoding().lift_as); }

bool is_crypto(Extension extension) {
    switch (extension) {
        case Extension::zknd:
        case Extension::zkne:
        case Extension::zknh:
        case Extension::zksed:
        case Extension::zksh: return true;
        default: return false;
    }
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// The kind without a look at the length.
Kind expanded_kind(const riscv64::InstInfo& row) {
    switch (row.id) {
        case InstId::jal:
        case InstId::beq:
        case InstId::bne:
        case InstId::blt:
        case InstId::bge:
        case InstId::bltu:
        case InstId::bgeu: return Kind::branch;
        case InstId::jalr: return Kind::jump;
        case InstId::csrrw:
        case InstId::csrrs:
        case InstId::csrrc:
        case InstId::csrrwi:
        case InstId::csrrsi:
        case InstId::csrrci: return Kind::csr;
        case InstId::fence:
        case InstId::fence_i:
        case InstId::pause:
        case InstId::wrs_nto:
        case InstId::wrs_sto: return Kind::fence;
        case InstId::ebreak: return Kind::breakpoint;
        case InstId::ecall: return Kind::unusable;
        case InstId::lr_w:
        case InstId::lr_d: return Kind::reserve;
        case InstId::sc_w:
        case InstId::sc_d: return Kind::conditional;
        default: break;
    }
    if (contains(row.operands, "imm(rs1)"))
        return row.operands.starts_with("rd") || row.operands.starts_with("fd") ? Kind::load : Kind::store;
    if (contains(row.operands, "(rs1)")) return Kind::atomic;
    if (contains(row.operands, "fd") || contains(row.operands, "fs1")) return Kind::fp;
    return is_crypto(row.extension) ? Kind::crypto : Kind::compute;
}

}  // namespace

Kind kind_of(InstId id) {
    const Kind kind = expanded_kind(meaning(id));
    return kind == Kind::compute && riscv64::info(id).encoding().length == 2 ? Kind::compressed : kind;
}

u32 access_bytes(InstId id) {
    std::string_view name = meaning(id).mnemonic();
    if (name.starts_with("cbo.")) return 64;
    if (name.ends_with('u')) name.remove_suffix(1);
    switch (name.back()) {
        case 'b': return 1;
        case 'h': return 2;
        case 'w': return 4;
        case 'd': return 8;
        case 'q': return 16;
        default: KILN_UNREACHABLE();
    }
}

u32 written_registers(const Decoded& inst) {
    if (!meaning(inst.id).operands.starts_with("rd")) return 0;
    const u32 bit = u32{1} << inst.rd;
    // A pair, unless it is x0.
    const u32 pair = inst.lift_as == InstId::amocas_q ? bit << 1 : 0;
    return (bit | pair) & ~u32{1};
}

}  // namespace kiln::fuzz

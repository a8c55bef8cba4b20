// The riscv64 instruction table as data: ids, encodings with their fields, and what to print.
//
// Everything here is derived at compile time from instructions.def, formats.def and extensions.def; there is
// no start-up work. Decoding is in decode.h, assembly text in disasm.h, the meaning of instructions in
// lift/riscv64.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/types.h"

namespace kiln::riscv64 {

/// An instruction of the table, or `illegal`: no instruction, or a reserved encoding.
enum class InstId : u16 {
    illegal,
#define RV_INST(id, ...) id,
#include "isa/riscv64/instructions.def"
#undef RV_INST
};

enum class Extension : u8 {
#define RV_EXTENSION(id, ...) id,
#include "isa/riscv64/extensions.def"
#undef RV_EXTENSION
};

/// The extension's name as ISA strings spell it: "I", "Zba".
std::string_view extension_name(Extension extension);

/// What the fields of a matching word must obey, or it is reserved.
enum class Rule : u8 { always, rd_not_x0, rs1_not_x0, imm_not_0, even_pairs, rnum_up_to_10 };

/// A register operand: ((word >> low) & mask) + bias. A mask of 0 means that the encoding has no such field
/// and implies the register x<bias>, which is x0 where it has no such operand either.
struct RegField {
    u8 low = 0;
    u8 mask = 0;
    u8 bias = 0;

    bool operator==(const RegField&) const = default;
};

/// `width` bits of the word at `word_low`, which are the bits of the immediate at `imm_low`.
struct ImmPiece {
    u8 word_low = 0;
    u8 width = 0;
    u8 imm_low = 0;

    bool operator==(const ImmPiece&) const = default;
};

/// Where an encoding's operands are, and what they must obey.
struct Fields {
    RegField rd, rs1, rs2, rs3;
    bool has_rm = false;     ///< bits 14 to 12 are a rounding mode
    bool has_aq_rl = false;  ///< bits 26 and 25 are aq and rl
    Rule rule = Rule::always;
    u8 imm_sign_shift = 0;     ///< 32 minus the immediate's width if it is signed, else 0
    i16 imm_implied = 0;       ///< immediate bits that the encoding implies
    bool imm_chooses = false;  ///< the immediate is no number
    u8 imm_pieces = 0;
    std::array<ImmPiece, 8> imm{};

    bool operator==(const Fields&) const = default;
};

/// An encoding: a word matches if (word & mask) == value.
struct Encoding {
    u32 mask = 0;
    u32 value = 0;
    InstId id = InstId::illegal;
    InstId lift_as = InstId::illegal;
    u8 length = 0;  ///< in bytes: 2 or 4
    Fields fields;
};

/// A row of the table.
struct InstInfo {
    InstId id{};
    Extension extension{};
    std::array<char, 13> mnemonic_text{};
    std::string_view bits;      ///< as in the row
    std::string_view operands;  ///< as in the row
    std::string_view meaning;   ///< as in the row

    /// The manual's mnemonic: "c.addi4spn", "and". A final ".n" stands for the immediate: "mop.r.n".
    constexpr std::string_view mnemonic() const { return mnemonic_text.data(); }

    const Encoding& encoding() const;
};

/// The row of `id`; that of `illegal` has mnemonic "illegal", matches nothing and is not in
/// all_instructions().
const InstInfo& info(InstId id);

/// Every row, in the order of InstId. A random word of a row is value | (random & ~mask) of its encoding():
/// it decodes to the row unless its fields break the row's rule or hit a more specific row.
std::span<const InstInfo> all_instructions();

}  // namespace kiln::riscv64

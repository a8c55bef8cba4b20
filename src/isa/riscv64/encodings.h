// Reads the bit strings of the instruction table at compile time: the one place that knows their letters.
//
// Internal to isa/riscv64: table.cpp and decode.cpp derive their tables from `encodings`; others use table.h.
#pragma once

#include <string_view>

#include "base/check.h"
#include "isa/riscv64/table.h"

namespace kiln::riscv64::detail {

enum class Sign : u8 { unsigned_, signed_, choice_ };

struct Format {
    Sign sign;
    std::string_view imm_bits;
    u8 rd;
    u8 rs1;
    i16 imm;
    Rule rule;
};

namespace formats {
#define RV_FORMAT(id, sign, imm_bits, rd, rs1, imm, rule, meaning) \
    constexpr Format id = {Sign::sign##_, imm_bits, rd, rs1, imm, Rule::rule};
#include "isa/riscv64/formats.def"
#undef RV_FORMAT
}  // namespace formats

/// Reads "12|10:5|4:1|11" from the left, a run of consecutive bits at a time.
class ImmBits {
  public:
    constexpr explicit ImmBits(std::string_view text) : text_(text) {}

    /// The immediate bit that the next i letter stands for.
    constexpr unsigned next() {
        if (high_ < low_) {
            high_ = number();
            low_ = high_;
            if (!text_.empty() && text_.front() == ':') {
                text_.remove_prefix(1);
                low_ = number();
            }
            if (!text_.empty()) text_.remove_prefix(1);
        }
        return static_cast<unsigned>(high_--);
    }
    constexpr bool at_end() const { return text_.empty() && high_ < low_; }

  private:
    constexpr int number() {
        int value = 0;
        KILN_CHECK(!text_.empty());
        while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') {
            value = value * 10 + (text_.front() - '0');
            text_.remove_prefix(1);
        }
        return value;
    }

    std::string_view text_;
    int high_ = -1;
    int low_ = 0;
};

/// Grows `field` downwards by the bit `at`.
constexpr void add_register_bit(RegField& field, unsigned at) {
    KILN_CHECK(field.mask == 0 || field.low == at + 1);
    field.low = static_cast<u8>(at);
    field.mask = static_cast<u8>(field.mask << 1 | 1);
}

/// Three-bit register fields name x8 to x15.
constexpr void finish_register(RegField& field, u8 implied) {
    KILN_CHECK(field.mask == 0 || field.mask == 7 || field.mask == 31);
    KILN_CHECK(field.mask == 0 || implied == 0);
    field.bias = field.mask == 7 ? 8 : implied;
}

constexpr void add_immediate_bit(Fields& fields, unsigned at, unsigned imm_bit) {
    if (fields.imm_pieces > 0) {
        ImmPiece& last = fields.imm[fields.imm_pieces - 1u];
        if (last.word_low == at + 1 && last.imm_low == imm_bit + 1) {
            last = {static_cast<u8>(at), static_cast<u8>(last.width + 1), static_cast<u8>(imm_bit)};
            return;
        }
    }
    fields.imm[fields.imm_pieces++] = {static_cast<u8>(at), 1, static_cast<u8>(imm_bit)};
}

constexpr Encoding read_encoding(InstId id, InstId lift_as, std::string_view text, const Format& format) {
    Encoding encoding;
    Fields& fields = encoding.fields;
    unsigned count = 0;
    for (char letter : text) count += letter != ' ';
    KILN_CHECK(count == 16 || count == 32);
    encoding.id = id;
    encoding.lift_as = lift_as;
    encoding.length = static_cast<u8>(count / 8);
    fields.rule = format.rule;
    fields.imm_implied = format.imm;
    fields.imm_chooses = format.sign == Sign::choice_;

    ImmBits imm_bits(format.imm_bits);
    unsigned imm_top = 0;
    unsigned at = count;
    for (char letter : text) {
        if (letter == ' ') continue;
        --at;
        switch (letter) {
            case '0': encoding.mask |= 1u << at; break;
            case '1':
                encoding.mask |= 1u << at;
                encoding.value |= 1u << at;
                break;
            case '.': break;
            case 'd': add_register_bit(fields.rd, at); break;
            case 's': add_register_bit(fields.rs1, at); break;
            case 't': add_register_bit(fields.rs2, at); break;
            case 'u': add_register_bit(fields.rs3, at); break;
            case 'x':
                add_register_bit(fields.rd, at);
                add_register_bit(fields.rs1, at);
                break;
            case 'i': {
                unsigned imm_bit = imm_bits.next();
                imm_top = imm_bit > imm_top ? imm_bit : imm_top;
                add_immediate_bit(fields, at, imm_bit);
                break;
            }
            case 'm':
                KILN_CHECK(at >= 12 && at <= 14);
                fields.has_rm = true;
                break;
            case 'q':
                KILN_CHECK(at == 25 || at == 26);
                fields.has_aq_rl = true;
                break;
            default: KILN_UNREACHABLE();
        }
    }
    KILN_CHECK(imm_bits.at_end());
    if (format.sign == Sign::signed_) fields.imm_sign_shift = static_cast<u8>(31 - imm_top);
    finish_register(fields.rd, format.rd);
    finish_register(fields.rs1, format.rs1);
    finish_register(fields.rs2, 0);
    finish_register(fields.rs3, 0);
    return encoding;
}

/// Indexed by InstId.
inline constexpr Encoding encodings[] = {
    [] {
        Encoding nothing;  // A fixed bit outside the mask: no word matches.
        nothing.value = 1;
        return nothing;
    }(),
#define RV_INST(id, bits, format, lift_as, ...) \
    read_encoding(InstId::id, InstId::lift_as, bits, formats::format),
#include "isa/riscv64/instructions.def"
#undef RV_INST
};

}  // namespace kiln::riscv64::detail

// The decoder: a matcher derived at compile time, then field extraction by the row's Encoding.
//
// The matcher has two levels. A word's opcode and funct3 (for compressed words quadrant, funct3 and bits 12
// to 10) name a group; where a group's rows differ in funct7, that splits it further. A cell so found lists
// its rows, most fixed bits first, so that the first one to match is the one meant.
#include "isa/riscv64/decode.h"

#include <bit>
#include <iterator>

#include "base/check.h"
#include "isa/riscv64/encodings.h"

namespace kiln::riscv64 {
namespace {

using detail::encodings;

constexpr unsigned row_count = std::size(encodings);
constexpr unsigned group_count = 256;  // of 32-bit words; as many again for compressed ones

constexpr bool is_compressed(u32 word) { return (word & 3) != 3; }

/// Bits 6 to 2 and 14 to 12 of a 32-bit word.
constexpr unsigned group_of(u32 word) { return (word >> 2 & 31) << 3 | (word >> 12 & 7); }

/// Bits 1 to 0 and 15 to 10 of a compressed word.
constexpr unsigned compressed_group_of(u32 word) {
    return group_count + ((word & 3) << 6 | (word >> 10 & 63));
}

/// Calls visit(group, word) for each group that words of the row can fall in, with such a word's group bits.
template <class Visit>
constexpr void for_each_group(const Encoding& row, Visit visit) {
    if (row.length == 2) {
        for (u32 high = 0; high < 64; ++high) {
            u32 word = (row.value & 3) | high << 10;
            if (((word ^ row.value) & row.mask & 0xfc03) == 0) visit(compressed_group_of(word));
        }
    } else {
        for (u32 funct3 = 0; funct3 < 8; ++funct3) {
            u32 word = (row.value & 0x7f) | funct3 << 12;
            if (((word ^ row.value) & row.mask & 0x707f) == 0) visit(group_of(word));
        }
    }
}

/// Calls visit(cell) for each cell of the row in a group whose cells start at `base`.
template <class Visit>
constexpr void for_each_cell(const Encoding& row, u32 base, bool is_split, Visit visit) {
    if (!is_split) return visit(base);
    u32 free = ~(row.mask >> 25) & 127;
    u32 chosen = 0;
    do {  // Every subset of the free bits of funct7.
        visit(base + (row.value >> 25 | chosen));
        chosen = (chosen - free) & free;
    } while (chosen != 0);
}

struct Group {
    u16 first_cell = 0;
    u16 funct7_mask = 0;  ///< 127 if split by funct7, else 0
};

constexpr std::array<Group, 2 * group_count> make_groups() {
    std::array<Group, 2 * group_count> groups{};
    for (const Encoding& row : std::span(encodings).subspan(1)) {
        if (row.length == 4 && row.mask >> 25 != 0) {
            for_each_group(row, [&](unsigned group) { groups[group].funct7_mask = 127; });
        }
    }
    unsigned cell = 0;
    for (Group& group : groups) {
        group.first_cell = static_cast<u16>(cell);
        cell += group.funct7_mask + 1u;
    }
    KILN_CHECK(cell <= 0xffff);
    return groups;
}

constexpr auto groups = make_groups();
constexpr unsigned cell_count = groups.back().first_cell + 1u;

/// How many rows each cell has, at the cell's index plus one.
constexpr std::array<u16, cell_count + 1> make_counts() {
    std::array<u16, cell_count + 1> counts{};
    for (const Encoding& row : std::span(encodings).subspan(1)) {
        for_each_group(row, [&](unsigned group) {
            for_each_cell(row, groups[group].first_cell, groups[group].funct7_mask != 0,
                          [&](unsigned cell) { ++counts[cell + 1]; });
        });
    }
    return counts;
}

constexpr std::array<u16, cell_count + 1> make_cells() {
    std::array<u16, cell_count + 1> cells = make_counts();
    for (unsigned cell = 0; cell < cell_count; ++cell)
        cells[cell + 1] = static_cast<u16>(cells[cell + 1] + cells[cell]);
    return cells;
}

constexpr auto cells = make_cells();

/// Row numbers, most fixed bits first.
constexpr std::array<u16, row_count - 1> rows_by_specificity() {
    std::array<u16, row_count - 1> order{};
    unsigned placed = 0;
    for (int fixed = 32; fixed >= 0; --fixed) {
        for (unsigned row = 1; row < row_count; ++row) {
            if (std::popcount(encodings[row].mask) == fixed) order[placed++] = static_cast<u16>(row);
        }
    }
    return order;
}

constexpr std::array<u16, cells.back()> make_entries() {
    std::array<u16, cells.back()> entries{};
    std::array<u16, cell_count> filled{};
    for (u16 number : rows_by_specificity()) {
        const Encoding& row = encodings[number];
        for_each_group(row, [&](unsigned group) {
            for_each_cell(row, groups[group].first_cell, groups[group].funct7_mask != 0,
                          [&](unsigned cell) { entries[cells[cell] + filled[cell]++] = number; });
        });
    }
    return entries;
}

constexpr auto entries = make_entries();

constexpr u8 read(const RegField& field, u32 word) {
    return static_cast<u8>((word >> field.low & field.mask) + field.bias);
}

constexpr u32 write(const RegField& field, u8 number) {
    return ((number - field.bias) & field.mask) << field.low;
}

constexpr u32 low_bits(unsigned width) { return static_cast<u32>((u64{1} << width) - 1); }

u32 read_piece(const ImmPiece& piece, u32 word) {
    return (word >> piece.word_low & low_bits(piece.width)) << piece.imm_low;
}

i32 read_immediate(const Encoding& row, u32 word) {
    // A piece of no width reads as 0, and four are enough for most: cheaper than a branch on how many there
    // are.
    u32 imm = read_piece(row.imm[0], word) | read_piece(row.imm[1], word) | read_piece(row.imm[2], word) |
              read_piece(row.imm[3], word);
    for (unsigned i = 4; i < row.imm_pieces; ++i) imm |= read_piece(row.imm[i], word);
    i32 extended = static_cast<i32>(imm << row.imm_sign_shift) >> row.imm_sign_shift;
    return extended | row.imm_implied;
}

bool obeys(Rule rule, const Decoded& decoded) {
    switch (rule) {
        case Rule::always: return true;
        case Rule::rd_not_x0: return decoded.rd != 0;
        case Rule::rs1_not_x0: return decoded.rs1 != 0;
        case Rule::imm_not_0: return decoded.imm != 0;
        case Rule::even_pairs: return ((decoded.rd | decoded.rs2) & 1) == 0;
        case Rule::rnum_up_to_10: return decoded.imm <= 10;
    }
    KILN_UNREACHABLE();
}

constexpr bool is_reserved_rounding_mode(u8 rm) { return rm == 5 || rm == 6; }

constexpr Decoded illegal(u8 length, u32 raw) { return {.length = length, .raw = raw}; }

Decoded extract(const Encoding& row, u32 word) {
    Decoded decoded = {
        .id = row.id,
        .lift_as = row.lift_as,
        .length = row.length,
        .rd = read(row.rd, word),
        .rs1 = read(row.rs1, word),
        .rs2 = read(row.rs2, word),
        .rs3 = read(row.rs3, word),
        .rm = static_cast<u8>(word >> 12 & row.rm_mask),
        .aq_rl = static_cast<u8>(word >> 25 & row.aq_rl_mask),
        .imm = read_immediate(row, word),
        .raw = word,
    };
    if (is_reserved_rounding_mode(decoded.rm)) return illegal(row.length, word);
    if (row.rule != Rule::always && !obeys(row.rule, decoded)) return illegal(row.length, word);
    return decoded;
}

}  // namespace

Decoded decode(u32 word) {
    bool compressed = is_compressed(word);
    if (compressed) word &= 0xffff;
    Group group = groups[compressed ? compressed_group_of(word) : group_of(word)];
    unsigned cell = group.first_cell + (word >> 25 & group.funct7_mask);
    for (unsigned i = cells[cell]; i < cells[cell + 1]; ++i) {
        const Encoding& row = encodings[entries[i]];
        if ((word & row.mask) == row.value) return extract(row, word);
    }
    return illegal(compressed ? 2 : 4, word);
}

u32 encode(const Decoded& instruction) {
    KILN_CHECK(instruction.id != InstId::illegal);
    const Encoding& row = encodings[static_cast<std::size_t>(instruction.id)];
    u32 word = row.value;
    word |= write(row.rd, instruction.rd);
    word |= write(row.rs1, instruction.rs1);
    word |= write(row.rs2, instruction.rs2);
    word |= write(row.rs3, instruction.rs3);
    word |= static_cast<u32>(instruction.rm & row.rm_mask) << 12;
    word |= static_cast<u32>(instruction.aq_rl & row.aq_rl_mask) << 25;
    for (unsigned i = 0; i < row.imm_pieces; ++i) {
        const ImmPiece& piece = row.imm[i];
        word |= (static_cast<u32>(instruction.imm) >> piece.imm_low & low_bits(piece.width))
                << piece.word_low;
    }
    return word;
}

}  // namespace kiln::riscv64

// The decoder: a matcher derived at compile time, then field extraction by the row's Encoding.
//
// The matcher has two levels. A word's opcode and funct3 (for compressed words quadrant, funct3 and bits 12
// to 10) name a group; where a group's rows differ in funct7, that splits it further. A cell so found lists
// its rows, most fixed bits first, so that the first one to match is the one meant.
#include "isa/riscv64/decode.h"

#include <bit>
#include <iterator>
#include <utility>

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

/// Calls visit(group) for each group that words of the row can fall in.
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
    return (static_cast<u32>(number - field.bias) & field.mask) << field.low;
}

constexpr u32 low_bits(unsigned width) { return (u32{1} << width) - 1; }

constexpr i32 read_immediate(const Fields& fields, u32 word) {
    u32 imm = 0;
    for (unsigned i = 0; i < fields.imm_pieces; ++i) {
        const ImmPiece& piece = fields.imm[i];
        imm |= (word >> piece.word_low & low_bits(piece.width)) << piece.imm_low;
    }
    return static_cast<i32>(imm << fields.imm_sign_shift) >> fields.imm_sign_shift | fields.imm_implied;
}

constexpr bool obeys(Rule rule, const Decoded& decoded) {
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

/// Decodes a word that matches `row`, whose fields are those of row number `like`: a template, because with
/// the places of the fields as constants it is a dozen plain shifts.
template <unsigned like>
Decoded extract(const Encoding& row, u32 word) {
    constexpr const Fields& fields = encodings[like].fields;
    Decoded decoded = {
        .id = row.id,
        .lift_as = row.lift_as,
        .length = row.length,
        .rd = read(fields.rd, word),
        .rs1 = read(fields.rs1, word),
        .rs2 = read(fields.rs2, word),
        .rs3 = read(fields.rs3, word),
        .rm = static_cast<u8>(fields.has_rm ? word >> 12 & 7 : 0),
        .aq_rl = static_cast<u8>(fields.has_aq_rl ? word >> 25 & 3 : 0),
        .imm_chooses = fields.imm_chooses,
        .imm = read_immediate(fields, word),
        .raw = word,
    };
    if (!obeys(fields.rule, decoded) || is_reserved_rounding_mode(decoded.rm))
        return illegal(row.length, word);
    return decoded;
}

/// The first row whose fields are those of `row`.
consteval unsigned first_like(unsigned row) {
    unsigned first = 0;
    while (!(encodings[first].fields == encodings[row].fields)) ++first;
    return first;
}

using Extract = Decoded (*)(const Encoding& row, u32 word);

template <unsigned... rows>
constexpr std::array<Extract, row_count> make_extractors(std::integer_sequence<unsigned, rows...>) {
    return {extract<first_like(rows)>...};
}

/// Indexed by row.
constexpr auto extractors = make_extractors(std::make_integer_sequence<unsigned, row_count>());

}  // namespace

Decoded decode(u32 word) {
    bool compressed = is_compressed(word);
    if (compressed) word &= 0xffff;
    Group group = groups[compressed ? compressed_group_of(word) : group_of(word)];
    unsigned cell = group.first_cell + (word >> 25 & group.funct7_mask);
    for (unsigned i = cells[cell]; i < cells[cell + 1]; ++i) {
        const Encoding& row = encodings[entries[i]];
        if ((word & row.mask) == row.value) return extractors[entries[i]](row, word);
    }
    return illegal(compressed ? 2 : 4, word);
}

u32 encode(const Decoded& instruction) {
    KILN_CHECK(instruction.id != InstId::illegal);
    const Encoding& row = encodings[static_cast<std::size_t>(instruction.id)];
    const Fields& fields = row.fields;
    u32 word = row.value;
    word |= write(fields.rd, instruction.rd);
    word |= write(fields.rs1, instruction.rs1);
    word |= write(fields.rs2, instruction.rs2);
    word |= write(fields.rs3, instruction.rs3);
    if (fields.has_rm) word |= static_cast<u32>(instruction.rm & 7) << 12;
    if (fields.has_aq_rl) word |= static_cast<u32>(instruction.aq_rl & 3) << 25;
    for (unsigned i = 0; i < fields.imm_pieces; ++i) {
        const ImmPiece& piece = fields.imm[i];
        word |= (static_cast<u32>(instruction.imm) >> piece.imm_low & low_bits(piece.width))
                << piece.word_low;
    }
    return word;
}

}  // namespace kiln::riscv64

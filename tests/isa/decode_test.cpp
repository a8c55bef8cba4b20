// The laws of the instruction table and the decoder, and words whose reading the manual settles.
#include "isa/riscv64/decode.h"

#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace kiln::riscv64 {
namespace {

std::string hex(u32 word) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", word);
    return text;
}

// --- Laws
// -----------------------------------------------------------------------------------------------------

TEST(Table, OverlappingRowsAreNested) {
    for (const InstInfo& a : all_instructions()) {
        for (const InstInfo& b : all_instructions()) {
            const Encoding &x = a.encoding(), &y = b.encoding();
            if (a.id >= b.id || x.length != y.length || ((x.value ^ y.value) & x.mask & y.mask) != 0)
                continue;
            bool nested = (x.mask & y.mask) == x.mask || (x.mask & y.mask) == y.mask;
            EXPECT_TRUE(nested && x.mask != y.mask) << a.mnemonic() << " and " << b.mnemonic();
        }
    }
}

TEST(Table, MnemonicsAreUnique) {
    std::set<std::string_view> seen;
    for (const InstInfo& row : all_instructions())
        EXPECT_TRUE(seen.insert(row.mnemonic()).second) << row.mnemonic();
}

TEST(Table, InstructionsAreLiftedAsThemselvesOrAsOneThatIs) {
    for (const InstInfo& row : all_instructions()) {
        InstId meaning = row.encoding().lift_as;
        EXPECT_EQ(info(meaning).encoding().lift_as, meaning) << row.mnemonic();
        EXPECT_EQ(info(meaning).encoding().length, 4) << row.mnemonic();
        if (row.encoding().length == 2) EXPECT_NE(meaning, row.id) << row.mnemonic();
    }
}

TEST(Table, InfoIsIndexedById) {
    for (const InstInfo& row : all_instructions()) EXPECT_EQ(&info(row.id), &row);
    EXPECT_EQ(info(InstId::illegal).mnemonic(), "illegal");
    EXPECT_EQ(info(InstId::and_).mnemonic(), "and");
    EXPECT_EQ(info(InstId::c_addi4spn).mnemonic(), "c.addi4spn");
    EXPECT_EQ(extension_name(info(InstId::sh1add_uw).extension), "Zba");
}

/// Words of the row that decode to it.
std::vector<u32> words_of(const InstInfo& row, std::mt19937& random) {
    std::vector<u32> words;
    const Encoding& encoding = row.encoding();
    for (int i = 0; i < 2000; ++i) {
        u32 word = encoding.value | (static_cast<u32>(random()) & ~encoding.mask);
        if (encoding.length == 2) word &= 0xffff;
        if (decode(word).id == row.id) words.push_back(word);
    }
    return words;
}

TEST(Decode, EncodingWhatWasDecodedGivesTheSame) {
    std::mt19937 random(1);
    for (const InstInfo& row : all_instructions()) {
        std::vector<u32> words = words_of(row, random);
        EXPECT_GT(words.size(), 300u) << row.mnemonic();
        for (u32 word : words) {
            Decoded decoded = decode(word);
            Decoded again = decode(encode(decoded));
            EXPECT_EQ((again.raw ^ word) & row.encoding().mask, 0u);
            again.raw = decoded.raw;
            ASSERT_EQ(again, decoded) << row.mnemonic() << " " << hex(word);
        }
    }
}

TEST(Decode, ACompressedInstructionIsItsExpansion) {
    // Encoded as the instruction it is lifted as, and decoded again, it has the same operands.
    for (u32 word = 0; word < 0x10000; ++word) {
        Decoded compressed = decode(word);
        if ((word & 3) == 3 || compressed.id == InstId::illegal) continue;
        Decoded expanded = compressed;
        expanded.id = compressed.lift_as;
        expanded = decode(encode(expanded));
        EXPECT_EQ(expanded.lift_as, compressed.lift_as) << hex(word);
        EXPECT_EQ(expanded.length, 4);
        EXPECT_EQ(std::tie(expanded.rd, expanded.rs1, expanded.rs2, expanded.imm),
                  std::tie(compressed.rd, compressed.rs1, compressed.rs2, compressed.imm))
            << hex(word);
    }
}

TEST(Decode, OfACompressedWordOnly16BitsAreRead) {
    std::mt19937 random(2);
    for (u32 word = 0; word < 0x10000; ++word) {
        if ((word & 3) != 3)
            ASSERT_EQ(decode(word | static_cast<u32>(random()) << 16), decode(word)) << hex(word);
    }
}

// --- Words
// ----------------------------------------------------------------------------------------------------

struct Case {
    u32 word;
    Decoded expected;  ///< raw is the word
};

class DecodedWord : public testing::TestWithParam<Case> {};

TEST_P(DecodedWord, IsAsInTheManual) {
    Decoded expected = GetParam().expected;
    expected.raw = GetParam().word;
    Decoded actual = decode(GetParam().word);
    expected.imm_chooses = actual.imm_chooses;  // not the manual's
    EXPECT_EQ(actual, expected) << hex(GetParam().word) << " is " << info(actual.id).mnemonic() << " rd "
                                << +actual.rd << " rs1 " << +actual.rs1 << " rs2 " << +actual.rs2 << " rs3 "
                                << +actual.rs3 << " rm " << +actual.rm << " aq_rl " << +actual.aq_rl
                                << " imm " << actual.imm;
}

using enum InstId;

INSTANTIATE_TEST_SUITE_P(
    Base, DecodedWord,
    testing::Values(
        Case{0xfff00093, {.id = addi, .lift_as = addi, .length = 4, .rd = 1, .imm = -1}},
        Case{0x800000b7, {.id = lui, .lift_as = lui, .length = 4, .rd = 1, .imm = INT32_MIN}},
        Case{0xfffff517, {.id = auipc, .lift_as = auipc, .length = 4, .rd = 10, .imm = -4096}},
        Case{0x8000006f, {.id = jal, .lift_as = jal, .length = 4, .imm = -1048576}},
        Case{0x7ffff0ef, {.id = jal, .lift_as = jal, .length = 4, .rd = 1, .imm = 1048574}},
        Case{0x80b50063, {.id = beq, .lift_as = beq, .length = 4, .rs1 = 10, .rs2 = 11, .imm = -4096}},
        Case{0x7eb51fe3, {.id = bne, .lift_as = bne, .length = 4, .rs1 = 10, .rs2 = 11, .imm = 4094}},
        Case{0x80b53023, {.id = sd, .lift_as = sd, .length = 4, .rs1 = 10, .rs2 = 11, .imm = -2048}},
        Case{0x7eb53fa3, {.id = sd, .lift_as = sd, .length = 4, .rs1 = 10, .rs2 = 11, .imm = 2047}},
        Case{0x43f5d513, {.id = srai, .lift_as = srai, .length = 4, .rd = 10, .rs1 = 11, .imm = 63}},
        Case{0x41f5d51b, {.id = sraiw, .lift_as = sraiw, .length = 4, .rd = 10, .rs1 = 11, .imm = 31}},
        Case{0x0ff0000f, {.id = fence, .lift_as = fence, .length = 4, .imm = 0xff}},
        Case{0x8330000f, {.id = fence_tso, .lift_as = fence, .length = 4, .imm = 0x833}},
        Case{0x0100000f, {.id = pause, .lift_as = pause, .length = 4}},
        Case{0x00100073, {.id = ebreak, .lift_as = ebreak, .length = 4}},
        Case{0xfff5d573, {.id = csrrwi, .lift_as = csrrwi, .length = 4, .rd = 10, .rs1 = 11, .imm = 0xfff}}));

INSTANTIATE_TEST_SUITE_P(
    Extensions, DecodedWord,
    testing::Values(
        Case{0x1005b52f, {.id = lr_d, .lift_as = lr_d, .length = 4, .rd = 10, .rs1 = 11}},
        Case{0x1ec5b52f,
             {.id = sc_d, .lift_as = sc_d, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12, .aq_rl = 3}},
        Case{0x04c5a52f,
             {.id = amoadd_w, .lift_as = amoadd_w, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12, .aq_rl = 2}},
        Case{0x28c7452f, {.id = amocas_q, .lift_as = amocas_q, .length = 4, .rd = 10, .rs1 = 14, .rs2 = 12}},
        Case{0x02c5f543,
             {.id = fmadd_d,
              .lift_as = fmadd_d,
              .length = 4,
              .rd = 10,
              .rs1 = 11,
              .rs2 = 12,
              .rs3 = 0,
              .rm = 7}},
        Case{0xfac58543,
             {.id = fmadd_d, .lift_as = fmadd_d, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12, .rs3 = 31}},
        Case{0xf01f8553, {.id = fli_s, .lift_as = fli_s, .length = 4, .rd = 10, .imm = 31}},
        Case{0xc2859553, {.id = fcvtmod_w_d, .lift_as = fcvtmod_w_d, .length = 4, .rd = 10, .rs1 = 11}},
        Case{0x0805c53b, {.id = zext_h, .lift_as = zext_h, .length = 4, .rd = 10, .rs1 = 11}},
        Case{0x08c5c53b, {.id = packw, .lift_as = packw, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12}},
        Case{0x31a59513,
             {.id = aes64ks1i, .lift_as = aes64ks1i, .length = 4, .rd = 10, .rs1 = 11, .imm = 10}},
        Case{0xf0c58533,
             {.id = sm4ed, .lift_as = sm4ed, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12, .imm = 3}},
        Case{0xfe056013, {.id = prefetch_i, .lift_as = ori, .length = 4, .rs1 = 10, .imm = -32}},
        Case{0xcdf5c573, {.id = mop_r_n, .lift_as = mop_r_n, .length = 4, .rd = 10, .rs1 = 11, .imm = 31}},
        Case{0xcec5c573,
             {.id = mop_rr_n, .lift_as = mop_rr_n, .length = 4, .rd = 10, .rs1 = 11, .rs2 = 12, .imm = 7}}));

INSTANTIATE_TEST_SUITE_P(
    Compressed, DecodedWord,
    testing::Values(
        Case{0x0001, {.id = c_nop, .lift_as = addi, .length = 2}},
        Case{0x157d, {.id = c_addi, .lift_as = addi, .length = 2, .rd = 10, .rs1 = 10, .imm = -1}},
        Case{0x1101, {.id = c_addi, .lift_as = addi, .length = 2, .rd = 2, .rs1 = 2, .imm = -32}},
        Case{0x7101, {.id = c_addi16sp, .lift_as = addi, .length = 2, .rd = 2, .rs1 = 2, .imm = -512}},
        Case{0x1fe8, {.id = c_addi4spn, .lift_as = addi, .length = 2, .rd = 10, .rs1 = 2, .imm = 1020}},
        Case{0x557d, {.id = c_li, .lift_as = addi, .length = 2, .rd = 10, .imm = -1}},
        Case{0x7501, {.id = c_lui, .lift_as = lui, .length = 2, .rd = 10, .imm = -131072}},
        Case{0x5f5c, {.id = c_lw, .lift_as = lw, .length = 2, .rd = 15, .rs1 = 14, .imm = 60}},
        Case{0x50fe, {.id = c_lwsp, .lift_as = lw, .length = 2, .rd = 1, .rs1 = 2, .imm = 252}},
        Case{0x70fe, {.id = c_ldsp, .lift_as = ld, .length = 2, .rd = 1, .rs1 = 2, .imm = 504}},
        Case{0x2002, {.id = c_fldsp, .lift_as = fld, .length = 2, .rs1 = 2}},
        Case{0xff86, {.id = c_sdsp, .lift_as = sd, .length = 2, .rs1 = 2, .rs2 = 1, .imm = 504}},
        Case{0x8502, {.id = c_jr, .lift_as = jalr, .length = 2, .rs1 = 10}},
        Case{0x9502, {.id = c_jalr, .lift_as = jalr, .length = 2, .rd = 1, .rs1 = 10}},
        Case{0x9002, {.id = c_ebreak, .lift_as = ebreak, .length = 2}},
        Case{0x852e, {.id = c_mv, .lift_as = add, .length = 2, .rd = 10, .rs2 = 11}},
        Case{0x952e, {.id = c_add, .lift_as = add, .length = 2, .rd = 10, .rs1 = 10, .rs2 = 11}},
        Case{0xb001, {.id = c_j, .lift_as = jal, .length = 2, .imm = -2048}},
        Case{0xaffd, {.id = c_j, .lift_as = jal, .length = 2, .imm = 2046}},
        Case{0xd101, {.id = c_beqz, .lift_as = beq, .length = 2, .rs1 = 10, .imm = -256}},
        Case{0x8528, {.id = c_lhu, .lift_as = lhu, .length = 2, .rd = 10, .rs1 = 10, .imm = 2}},
        Case{0x8128, {.id = c_lbu, .lift_as = lbu, .length = 2, .rd = 10, .rs1 = 10, .imm = 2}},
        Case{0x8148, {.id = c_lbu, .lift_as = lbu, .length = 2, .rd = 10, .rs1 = 10, .imm = 1}},
        Case{0x9d61, {.id = c_zext_b, .lift_as = andi, .length = 2, .rd = 10, .rs1 = 10, .imm = 255}},
        Case{0x9d71, {.id = c_zext_w, .lift_as = add_uw, .length = 2, .rd = 10, .rs1 = 10}},
        Case{0x9d75, {.id = c_not, .lift_as = xori, .length = 2, .rd = 10, .rs1 = 10, .imm = -1}},
        Case{0x6781, {.id = c_mop_n, .lift_as = addi, .length = 2, .imm = 15}}));

// HINTs are legal and write nothing.
INSTANTIATE_TEST_SUITE_P(
    Hints, DecodedWord,
    testing::Values(Case{0x0005, {.id = c_nop, .lift_as = addi, .length = 2, .imm = 1}},
                    Case{0x4005, {.id = c_li, .lift_as = addi, .length = 2, .imm = 1}},
                    Case{0x6005, {.id = c_lui, .lift_as = lui, .length = 2, .imm = 4096}},
                    Case{0x802a, {.id = c_mv, .lift_as = add, .length = 2, .rs2 = 10}},
                    Case{0x9002 | 10 << 2, {.id = c_add, .lift_as = add, .length = 2, .rs2 = 10}},
                    Case{0x0006, {.id = c_slli, .lift_as = slli, .length = 2, .imm = 1}},
                    Case{0x0502, {.id = c_slli64, .lift_as = slli, .length = 2, .rd = 10, .rs1 = 10}}));

// No instruction, or reserved.
INSTANTIATE_TEST_SUITE_P(Illegal, DecodedWord,
                         testing::Values(Case{0x0000, {.length = 2}},      // the zero word
                                         Case{0x0004, {.length = 2}},      // c.addi4spn, imm = 0
                                         Case{0x2001, {.length = 2}},      // c.addiw, rd = x0
                                         Case{0x6101, {.length = 2}},      // c.addi16sp, imm = 0
                                         Case{0x6501, {.length = 2}},      // c.lui, imm = 0
                                         Case{0x4002, {.length = 2}},      // c.lwsp, rd = x0
                                         Case{0x6002, {.length = 2}},      // c.ldsp, rd = x0
                                         Case{0x8002, {.length = 2}},      // c.jr, rs1 = x0
                                         Case{0x9c79, {.length = 2}},      // quadrant 1, reserved
                                         Case{0xffffffff, {.length = 4}},  // longer than 32 bits
                                         Case{0x0000001f, {.length = 4}},  // longer than 32 bits
                                         Case{0x00c5d553, {.length = 4}},  // fadd.s, rounding mode 5
                                         Case{0x00c5e553, {.length = 4}},  // fadd.s, rounding mode 6
                                         Case{0x0205959b, {.length = 4}},  // slliw by 32
                                         Case{0x28c5c5af, {.length = 4}},  // amocas.q, odd rd
                                         Case{0x28d5c52f, {.length = 4}},  // amocas.q, odd rs2
                                         Case{0x31b59513, {.length = 4}},  // aes64ks1i, round 11
                                         Case{0x1015a52f, {.length = 4}},  // lr.w, rs2 not 0
                                         Case{0xc2858553, {.length = 4}},  // fcvtmod.w.d, not towards zero
                                         Case{0x30200073, {.length = 4}},  // mret
                                         Case{0x10500073, {.length = 4}}   // wfi
                                         ));

}  // namespace
}  // namespace kiln::riscv64

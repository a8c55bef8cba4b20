// Decoder and disassembler against LLVM 19's: the same words are legal, and they have the same text, but for
// the stated differences of oracle_differences.h.
//
// The quick run, 1.4 million words in 10 seconds: every compressed one; words of every row with random
// fields, and near misses of them; random words; and every combination of the bits that select an instruction
// (opcode, funct3, and bits 31 to 20). KILN_ISA_ORACLE=full (the ctest entry isa_oracle_full) takes 49
// million in some 7 minutes: the combinations with 24 choices of rd and rs1, and more of the rest.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "isa/riscv64/disasm.h"
#include "llvm_mc.h"
#include "oracle_differences.h"

namespace kiln::riscv64 {
namespace {

using Random = std::mt19937_64;

bool is_full_run() {
    const char* choice = std::getenv("KILN_ISA_ORACLE");
    return choice != nullptr && std::string_view(choice) == "full";
}

/// `quick` words, or `full` in the full run.
u64 amount(u64 quick, u64 full) { return is_full_run() ? full : quick; }

/// Our text of a word, "" if it is illegal.
std::string text_of(u32 word) {
    Decoded decoded = decode(word);
    return decoded.id == InstId::illegal ? "" : disassemble(decoded);
}

/// Compares all words of the generator, in shards that keep the temporary files small.
template <class Generate>
void compare(u64 count, Generate generate) {
    constexpr u64 shard_size = 1 << 18;
    u64 differing = 0;
    for (u64 done = 0; done < count; done += shard_size) {
        std::vector<u32> words(std::min(shard_size, count - done));
        for (std::size_t i = 0; i < words.size(); ++i) words[i] = generate(done + i);
        Result<std::vector<std::string>> theirs = test::llvm_disassemble(words);
        ASSERT_TRUE(theirs) << theirs.error().message;
        for (std::size_t i = 0; i < words.size(); ++i) {
            Disagreement disagreement{words[i], text_of(words[i]), (*theirs)[i]};
            if (disagreement.ours == disagreement.theirs || stated_difference(disagreement) != nullptr)
                continue;
            if (++differing <= 20) {
                ADD_FAILURE() << std::hex << "0x" << words[i] << ": ours '" << disagreement.ours
                              << "', LLVM's '" << disagreement.theirs << "'";
            }
        }
    }
    EXPECT_EQ(differing, 0u) << "of " << count;
}

/// A word of a random row with random operands.
u32 word_of_some_row(Random& random) {
    std::span<const InstInfo> rows = all_instructions();
    const Encoding& encoding = rows[random() % rows.size()].encoding();
    u32 word = encoding.value | (static_cast<u32>(random()) & ~encoding.mask);
    return encoding.length == 2 ? word & 0xffff : word;
}

TEST(Oracle, EveryCompressedWord) {
    std::vector<u32> words;
    for (u32 word = 0; word < 0x10000; ++word) {
        if ((word & 3) != 3) words.push_back(word);
    }
    compare(words.size(), [&](u64 i) { return words[i]; });
}

TEST(Oracle, WordsOfEveryRow) {
    Random random(1);
    compare(amount(100'000, 8'000'000), [&](u64) { return word_of_some_row(random); });
}

TEST(Oracle, NearMisses) {
    Random random(2);
    compare(amount(100'000, 8'000'000), [&](u64) { return word_of_some_row(random) ^ 1u << random() % 32; });
}

TEST(Oracle, AnyWord) {
    Random random(3);
    compare(amount(100'000, 8'000'000), [&](u64) { return static_cast<u32>(random()) | 3; });
}

TEST(Oracle, EverySelectionOfAnInstruction) {
    Random random(4);
    constexpr u64 selections = 1 << 20;  // opcode 5 bits, funct3 3 bits, bits 31 to 20
    compare(amount(selections, 24 * selections), [&](u64 i) {
        u32 selection = static_cast<u32>(i % selections);
        u32 operands = static_cast<u32>(random());
        if (i < selections) operands = 0;  // The first round has x0 everywhere.
        return (selection & 31) << 2 | (selection >> 5 & 7) << 12 | selection >> 8 << 20 |
               (operands & 0xf8f80) | 3;
    });
}

TEST(Oracle, EveryStatedDifferenceIsOne) {
    std::vector<u32> examples;
    for (const StatedDifference& difference : stated_differences) examples.push_back(difference.example);
    Result<std::vector<std::string>> theirs = test::llvm_disassemble(examples);
    ASSERT_TRUE(theirs) << theirs.error().message;
    for (std::size_t i = 0; i < examples.size(); ++i) {
        Disagreement disagreement{examples[i], text_of(examples[i]), (*theirs)[i]};
        EXPECT_NE(disagreement.ours, disagreement.theirs) << stated_differences[i].reason;
        EXPECT_EQ(stated_difference(disagreement), &stated_differences[i]) << stated_differences[i].reason;
    }
}

}  // namespace
}  // namespace kiln::riscv64

// Every instruction can be lifted, alone and within units, whatever its operands: the IR is well formed.
// What the IR computes is tested by running guest programs (tests/guest).
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/verify.h"
#include "isa/riscv64/disasm.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::riscv64 {
namespace {

using test::MemoryCode;

constexpr GuestAddr start{0x10000};

/// A word of the row with random operands that the decoder takes for the row.
u32 random_word(const InstInfo& row, std::mt19937_64& random) {
    const Encoding& encoding = row.encoding();
    for (int attempt = 0; attempt < 10'000; ++attempt) {
        u32 word = encoding.value | (static_cast<u32>(random()) & ~encoding.mask);
        if (encoding.length == 2) word &= 0xffff;
        if (decode(word).id == row.id) return word;
    }
    ADD_FAILURE() << "no word decodes to " << row.mnemonic();
    return 0;
}

void append(std::vector<u8>& bytes, u32 word, unsigned length) {
    for (unsigned i = 0; i < length; ++i) bytes.push_back(static_cast<u8>(word >> 8 * i));
}

u32 covered_bytes(const abi::Lifted& lifted) {
    u32 bytes = 0;
    for (const abi::CodeRange& range : lifted.ranges) bytes += range.bytes;
    return bytes;
}

bool has(const ir::Function& f, ir::Op op) {
    for (u32 i = 0; i < f.value_count(); ++i)
        if (f[ir::ValueId(i)].op == op) return true;
    return false;
}

TEST(Lift, EveryInstructionAlone) {
    std::mt19937_64 random(1);
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    for (const InstInfo& row : all_instructions()) {
        for (int i = 0; i < 50; ++i) {
            const u32 word = random_word(row, random);
            std::vector<u8> bytes;
            append(bytes, word, row.encoding().length);
            MemoryCode code(start, bytes);
            frontend().lift(f, start, code, {.max_instructions = 1}, lifted);
            const Result<void> good = ir::verify(f);
            ASSERT_TRUE(good.has_value()) << row.mnemonic() << ": " << good.error().message << ir::print(f);
            EXPECT_EQ(lifted.instructions, 1u) << row.mnemonic();
            EXPECT_EQ(covered_bytes(lifted), row.encoding().length) << row.mnemonic();
            // Only a CSR's number makes an instruction of the table illegal.
            if (row.extension != Extension::zicsr) {
                const bool traps = has(f, ir::Op::trap);
                EXPECT_EQ(traps, decode(word).lift_as == InstId::ebreak) << row.mnemonic();
            }
        }
    }
}

TEST(Lift, RandomUnits) {
    std::mt19937_64 random(2);
    const auto rows = all_instructions();
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    u64 instructions = 0;
    for (int unit = 0; unit < 20'000; ++unit) {
        std::vector<u8> bytes;
        for (int i = 0; i < 40; ++i) {
            const InstInfo& row = rows[random() % rows.size()];
            append(bytes, random_word(row, random), row.encoding().length);
        }
        MemoryCode code(start, bytes);
        const abi::LiftOptions options = {.max_instructions = static_cast<u32>(1 + random() % 64),
                                          .extend = random() % 4 != 0};
        frontend().lift(f, start, code, options, lifted);
        const Result<void> good = ir::verify(f);
        ASSERT_TRUE(good.has_value()) << good.error().message << ir::print(f);
        ASSERT_LE(lifted.instructions, options.max_instructions);
        instructions += lifted.instructions;
    }
    EXPECT_GT(instructions, 60'000u);
}

/// Bytes that are no instruction trap where they are, and the unit depends on them.
TEST(Lift, RandomBytes) {
    std::mt19937_64 random(3);
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    for (int unit = 0; unit < 20'000; ++unit) {
        std::vector<u8> bytes(2 + random() % 128);
        for (u8& byte : bytes) byte = static_cast<u8>(random());
        MemoryCode code(start, bytes);
        frontend().lift(f, start, code, {}, lifted);
        if (lifted.fetch_failed) continue;
        const Result<void> good = ir::verify(f);
        ASSERT_TRUE(good.has_value()) << good.error().message << ir::print(f);
        ASSERT_LE(covered_bytes(lifted), bytes.size());
    }
}

TEST(Lift, FirstByteCannotBeFetched) {
    MemoryCode code(start, {0x13, 0, 0, 0});
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start + 4, code, {}, lifted);
    EXPECT_TRUE(lifted.fetch_failed);
    EXPECT_EQ(lifted.fault.address, start + 4);
    EXPECT_EQ(lifted.fault.kind, abi::FaultKind::unmapped);
}

TEST(Lift, SecondHalfCannotBeFetched) {
    MemoryCode code(start, {0x13, 0});
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, {}, lifted);
    EXPECT_TRUE(lifted.fetch_failed);
    EXPECT_EQ(lifted.fault.address, start + 2);
}

/// A compressed instruction in the last two bytes is whole.
TEST(Lift, CompressedAtTheEnd) {
    MemoryCode code(start, {0x01, 0});
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, {}, lifted);
    EXPECT_FALSE(lifted.fetch_failed);
    EXPECT_EQ(lifted.instructions, 1u);
    EXPECT_EQ(covered_bytes(lifted), 2u);
}

/// addi, then an instruction that runs into memory without code: the unit ends before it.
TEST(Lift, EndsBeforeWhatCannotBeFetched) {
    MemoryCode code(start, {0x13, 0, 0, 0, 0x13, 0});
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, {}, lifted);
    EXPECT_FALSE(lifted.fetch_failed);
    EXPECT_EQ(lifted.instructions, 1u);
    EXPECT_EQ(covered_bytes(lifted), 4u);
    const ir::Inst& last = f[f[ir::BlockId(0)].last];
    EXPECT_EQ(last.op, ir::Op::goto_pc);
    EXPECT_EQ(last.imm, (start + 4).raw);
}

/// An instruction whose halves come from two runs of bytes.
TEST(Lift, StraddlesRuns) {
    MemoryCode code(start, {0x93, 0x02, 0x73, 0x00}, /*run_bytes=*/2);  // addi x5, x6, 7
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, {}, lifted);
    EXPECT_FALSE(lifted.fetch_failed);
    EXPECT_EQ(covered_bytes(lifted), 4u);
    EXPECT_TRUE(has(f, ir::Op::add));
}

/// What a test says of code.
class StatedProfile final : public abi::Profile {
  public:
    explicit StatedProfile(std::map<u64, abi::CodeHistory> code) : code_(std::move(code)) {}
    abi::CodeHistory at(GuestAddr pc) const override {
        const auto found = code_.find(pc.raw);
        return found == code_.end() ? abi::CodeHistory{} : found->second;
    }

  private:
    const std::map<u64, abi::CodeHistory> code_;
};

/// Where the unit of `words` goes on, with that profile.
std::vector<u64> covered(const std::vector<u32>& words, std::map<u64, abi::CodeHistory> known) {
    std::vector<u8> bytes;
    for (u32 word : words) append(bytes, word, 4);
    MemoryCode code(start, bytes);
    const StatedProfile profile(std::move(known));
    abi::LiftOptions options;
    options.profile = &profile;
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, options, lifted);
    EXPECT_TRUE(ir::verify(f).has_value());
    std::vector<u64> addresses;
    for (const abi::CodeRange& range : lifted.ranges)
        for (u32 at = 0; at < range.bytes; at += 4) addresses.push_back((range.begin + at).raw);
    return addresses;
}

// 0x10000: beq a0, a1, 0x1000c; 0x10004: ret; 0x10008: ret; 0x1000c: ret
const std::vector<u32> branch_over = {0x00b50663, 0x00008067, 0x00008067, 0x00008067};
using Addresses = std::vector<u64>;

TEST(LiftProfile, BranchesGoOnWhereControlWent) {
    EXPECT_EQ(covered(branch_over, {{0x10004, {9, 0}}, {0x1000c, {2, 0}}}), (Addresses{0x10000, 0x10004}));
    EXPECT_EQ(covered(branch_over, {{0x10004, {2, 0}}, {0x1000c, {9, 0}}}), (Addresses{0x10000, 0x1000c}));
    EXPECT_EQ(covered(branch_over, {}), (Addresses{0x10000}));
}

TEST(LiftProfile, LongUnitsAreLinkedAndShortOnesCopied) {
    EXPECT_EQ(covered(branch_over, {{0x10004, {9, 64}}}), (Addresses{0x10000}));
    EXPECT_EQ(covered(branch_over, {{0x10004, {9, 1}}}), (Addresses{0x10000, 0x10004}));
    EXPECT_EQ(covered(branch_over, {{0x1000c, {9, 64}}}), (Addresses{0x10000}));
    EXPECT_EQ(covered(branch_over, {{0x1000c, {9, 1}}}), (Addresses{0x10000, 0x1000c}));
    const std::vector<u32> jump = {0x0080006f, 0x00008067, 0x00008067};  // 0x10000: j 0x10008
    EXPECT_EQ(covered(jump, {{0x10008, {9, 64}}}), (Addresses{0x10000}));
    EXPECT_EQ(covered(jump, {{0x10008, {9, 1}}}), (Addresses{0x10000, 0x10008}));
}

TEST(LiftProfile, ALoopsWayBackIsNoWayOn) {
    // 0x10000: addi a0, a0, -1; 0x10004: bnez a0, 0x10000; 0x10008: ret
    const std::vector<u32> loop = {0xfff50513, 0xfe051ee3, 0x00008067};
    EXPECT_EQ(covered(loop, {{0x10000, {99, 0}}, {0x10008, {1, 0}}}), (Addresses{0x10000, 0x10004, 0x10008}));
}

TEST(Lift, Disassembles) {
    const u8 bytes[] = {0x93, 0x02, 0x73, 0x00};
    u32 length = 0;
    EXPECT_EQ(frontend().disassemble(bytes, start, length), "addi t0, t1, 7");
    EXPECT_EQ(length, 4u);
    frontend().disassemble(std::span(bytes).first(2), start, length);
    EXPECT_EQ(length, 0u);
}

/// What an instruction does is checked by programs: each one's mnemonic stands in one of them.
TEST(Lift, EveryInstructionHasAGuestTest) {
    std::set<std::string> words;
    for (const auto& file : std::filesystem::directory_iterator(KILN_SOURCE_DIR "/tests/guest")) {
        if (file.path().extension() != ".S") continue;
        std::ifstream in(file.path());
        const std::string text(std::istreambuf_iterator<char>(in), {});
        static const std::regex word("[a-z][a-z0-9_.]*");
        for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it)
            words.insert(it->str());
    }
    for (const InstInfo& row : all_instructions()) {
        std::string mnemonic(row.mnemonic());
        // A group is tested by its member 1.
        if (mnemonic.ends_with(".n")) mnemonic.back() = '1';
        EXPECT_TRUE(words.contains(mnemonic)) << mnemonic;
    }
}

}  // namespace
}  // namespace kiln::riscv64

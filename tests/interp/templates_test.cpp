// A unit put together from templates has the cells that lifting and flattening give it: for every row of the
// instruction table, alone, with any operands at any pc, and for blocks of random instructions.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <random>
#include <set>

#include "interp/handlers.h"
#include "interp/templates.h"
#include "isa/riscv64/disasm.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::test {
namespace {

using riscv64::Decoded;
using riscv64::InstId;

/// Names words, temporaries by when they were written: which of them are taken may differ.
class Words {
  public:
    std::string read(u16 word) const {
        if (word < first_temporary) return fmt::format("{}", word);
        const auto known = written_.find(word);
        return known == written_.end() ? "undefined" : fmt::format("t{}", known->second);
    }
    std::string write(u16 word) {
        if (word >= first_temporary) written_[word] = ++count_;
        return read(word);
    }

  private:
    static constexpr u16 first_temporary = abi::temps_begin / 8;
    std::map<u16, unsigned> written_;
    unsigned count_ = 0;
};

/// What cells say, with the pointers in them counted from the unit's start.
std::string text_of(interp::Unit& unit) {
    std::string text;
    Words words;
    const u64 cells = reinterpret_cast<u64>(unit.cells().data());
    const u64 sites = reinterpret_cast<u64>(unit.sites().data());
    for (const interp::Code& cell : unit.cells()) {
        std::string reference = fmt::format("{:#x}", cell.imm2);
        if (cell.imm2 - cells < unit.cells().size_bytes())
            reference = fmt::format("cell {}", (cell.imm2 - cells) / sizeof(interp::Code));
        else if (cell.imm2 - sites < unit.sites().size_bytes())
            reference = fmt::format("site {}", (cell.imm2 - sites) / sizeof(interp::FaultSite));
        const std::string a = words.read(cell.a), b = words.read(cell.b), c = words.read(cell.c);
        text += fmt::format("{} dst {} a {} b {} c {} imm {:#x} imm2 {}\n", fmt::ptr(cell.run),
                            words.write(cell.dst), a, b, c, cell.imm, reference);
        if (cell.run == interp::cas_handler(ir::Type::i128)) words.write(static_cast<u16>(cell.dst + 1));
    }
    for (const interp::FaultSite& site : unit.sites())
        text += fmt::format("site pc {:#x} exit {} moves {} pc slot {} behind {}\n", site.pc, site.side_exit,
                            site.move_count, site.pc_slot, site.retired);
    return text + fmt::format("{} moves\n", unit.moves().size());
}

std::string text_of(const abi::Lifted& lifted) {
    std::string text = fmt::format("{} instructions", lifted.instructions);
    for (const abi::CodeRange& range : lifted.ranges)
        text += fmt::format(", {:#x} +{}", range.begin.raw, range.bytes);
    return text;
}

/// With and without what is stored in the program.
class Templates : public testing::TestWithParam<const interp::TemplateTable*> {
  protected:
    /// The unit both ways; what they say of it is equal. False if there is no template for it.
    bool same_both_ways(GuestAddr pc, const std::vector<u8>& bytes, const abi::LiftOptions& options) {
        const abi::Frontend& frontend = riscv64::frontend();
        MemoryCode code(pc, bytes);
        abi::Lifted assembled, lifted;
        const auto unit = assembler_.assemble(pc, code, options, assembled);
        if (unit == nullptr) return false;
        frontend.lift(function_, pc, code, options, lifted);
        const auto reference = flattener_.flatten(function_);
        EXPECT_EQ(text_of(*unit), text_of(**reference));
        EXPECT_EQ(text_of(assembled), text_of(lifted));
        return true;
    }

    u64 below(u64 bound) { return random_() % bound; }
    GuestAddr random_pc() { return GuestAddr(random_() >> below(64) & ~u64{1}); }

    /// A word of the row, its operands random, equal, or all zeros or ones; none if it is of another row.
    std::optional<Decoded> random_instruction(const riscv64::InstInfo& row) {
        const riscv64::Encoding& encoding = row.encoding();
        u32 fields = static_cast<u32>(random_());
        if (below(4) == 0) fields &= static_cast<u32>(random_()) & static_cast<u32>(random_());
        if (below(4) == 0) fields |= static_cast<u32>(random_()) | static_cast<u32>(random_());
        Decoded d = riscv64::decode(encoding.value | (fields & ~encoding.mask));
        if (d.id != row.id) return std::nullopt;
        const u8 registers[] = {d.rd, d.rs1, d.rs2, d.rs3, 0};
        const auto shuffle = [&](u8& number) {
            if (below(3) == 0) number = registers[below(5)];
        };
        shuffle(d.rd), shuffle(d.rs1), shuffle(d.rs2), shuffle(d.rs3);
        d = riscv64::decode(riscv64::encode(d));
        if (d.id != row.id) return std::nullopt;
        return d;
    }

    static void append(std::vector<u8>& bytes, const Decoded& d) {
        const u32 word = riscv64::encode(d);
        for (unsigned i = 0; i < d.length; ++i) bytes.push_back(static_cast<u8>(word >> 8 * i));
    }

    std::mt19937_64 random_{1};
    interp::Flattener flattener_;
    interp::Assembler assembler_{riscv64::frontend(), flattener_, GetParam()};
    ir::Function function_{riscv64::frontend().env()};
};

TEST_P(Templates, EveryInstructionAlone) {
    std::set<std::string_view> without;
    for (const riscv64::InstInfo& row : riscv64::all_instructions()) {
        for (unsigned n = 0; n < 300; ++n) {
            const std::optional<Decoded> d = random_instruction(row);
            if (!d) continue;
            std::vector<u8> bytes;
            append(bytes, *d);
            const GuestAddr pc = random_pc();
            SCOPED_TRACE(fmt::format("{} at {:#x}", riscv64::disassemble(*d, pc), pc.raw));
            for (bool extend : {false, true})
                if (!same_both_ways(pc, bytes, {.max_instructions = 1, .extend = extend}))
                    without.insert(row.mnemonic());
            if (HasFailure()) return;
        }
    }
    // An immediate of these is not used as it is, or is where others have a register.
    EXPECT_EQ(fmt::format("{}", fmt::join(without, " ")), "bclri binvi bseti csrrci csrrsi csrrwi");
}

TEST_P(Templates, RandomUnits) {
    constexpr unsigned length = 30;
    const auto rows = riscv64::all_instructions();
    unsigned made = 0, longest = 0;
    for (unsigned n = 0; n < 2000; ++n) {
        const bool extend = n % 2 != 0;
        std::vector<u8> bytes;
        for (unsigned i = 0; i < length;) {
            std::optional<Decoded> d = random_instruction(rows[below(rows.size())]);
            // Jumps are to near places, calls and returns likely.
            if (below(10) == 0)
                d = Decoded{.id = InstId::jal,
                            .length = 4,
                            .rd = static_cast<u8>(below(2)),
                            .imm = static_cast<i32>(below(40)) * 4 - 40};
            if (below(10) == 0) d = Decoded{.id = InstId::jalr, .length = 4, .rs1 = 1};
            // No jump into an instruction: that might be one of those left out below.
            if (!d || (extend && d->length != 4)) continue;
            // Lifting folds sums of constants, too.
            if ((d->lift_as == InstId::addi || d->lift_as == InstId::addiw) && d->rs1 != 0) continue;
            append(bytes, *d);
            ++i;
        }
        // At the end of a page, or where what can be fetched ends within an instruction.
        const GuestAddr pc(0x10000 + 2 * below(2048));
        SCOPED_TRACE(fmt::format("unit {}", n));
        const abi::LiftOptions options{.max_instructions = static_cast<u32>(1 + below(64)), .extend = extend};
        MemoryCode code(pc, bytes);
        abi::Lifted lifted;
        if (same_both_ways(pc, bytes, options) && assembler_.assemble(pc, code, options, lifted)) {
            ++made;
            longest = std::max(longest, lifted.instructions);
        }
        if (HasFailure()) return;
    }
    EXPECT_GT(made, 1000u);
    EXPECT_GT(longest, 20u);
}

TEST_P(Templates, NothingToFetch) {
    MemoryCode code(GuestAddr(0x1000), {0x13});
    abi::Lifted lifted;
    EXPECT_EQ(assembler_.assemble(GuestAddr(0x2000), code, {}, lifted), nullptr);
    EXPECT_EQ(assembler_.assemble(GuestAddr(0x1000), code, {}, lifted), nullptr) << "cut short";
}

INSTANTIATE_TEST_SUITE_P(Learnt, Templates, testing::Values(nullptr));
INSTANTIATE_TEST_SUITE_P(Stored, Templates, testing::Values(&interp::riscv64_templates));

}  // namespace
}  // namespace kiln::test

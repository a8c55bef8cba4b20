// The functions of file tests, run: what passes made of them (tests/ir/opt) does what they do, and guest code of the
// lifter's cases and of those for code sizes does the same as one unit and instruction by instruction. Right is what the
// reference evaluator says. On the interpreter, or with KILN_RUN_ON=compiler on tier 1.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "abi/access_log.h"
#include "code_cases.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "lift/riscv64/frontend.h"
#include "reference.h"

namespace kiln::test {
namespace {

constexpr unsigned states = 20;

/// Runs `f` on made-up states; it must do what `meant` does.
void check(irtool::Runner& runner, const ir::Function& f, const ir::Function& meant,
           const std::string& where) {
    std::mt19937_64 random(1);
    for (unsigned i = 0; i < states; ++i) {
        const irtool::GuestState initial = irtool::random_state(random);
        const auto outcome = runner.run(f, initial);
        ASSERT_TRUE(outcome) << where << ": " << outcome.error().message;
        const auto different = irtool::difference(initial, evaluate(meant, initial), *outcome);
        ASSERT_FALSE(different) << where << " (first: expected):\n"
                                << *different << ir::print(meant) << ir::print(f);
    }
}

/// The text of a function for the small guest of the files (tests/ir/test_env.h), for a Runner's.
std::string for_runner(std::string text) {
    static const std::pair<std::regex, const char*> names[] = {{std::regex("function test"), "function rv64"},
                                                               {std::regex(R"(\br([0-3])\b)"), "x1$1"},
                                                               {std::regex(R"(\bw0\b)"), "i32_a"},
                                                               {std::regex(R"(\bflag\b)"), "i1_a"},
                                                               {std::regex(R"(\bs0\b)"), "f32_a"},
                                                               {std::regex(R"(\bd0\b)"), "f64_a"},
                                                               {std::regex(R"(\bq0\b)"), "i128_a"},
                                                               {std::regex(R"(\bround\b)"), "frm"},
                                                               {std::regex(R"(\bv0\b)"), "v128_a"},
                                                               {std::regex(R"(\bp0\b)"), "ptr_a"},
                                                               {std::regex(R"(\bo0\b)"), "boxed_a"}};
    for (const auto& [name, replacement] : names) text = std::regex_replace(text, name, replacement);
    return text;
}

/// Whether it does the same each time and ends: no loop, not by its own start either (where tier 1 goes on until the budget is
/// used up), and no result that the host decides.
bool is_repeatable(const ir::Function& f) {
    bool repeatable = true;
    for (u32 block = 0; block < f.block_count(); ++block) {
        for (ir::EdgeId edge : f.edges_of(f[f[ir::BlockId(block)].last]))
            repeatable &= ir::index(f[edge].target) > block;
        f.for_each(ir::BlockId(block), [&](ir::ValueId, const ir::Inst& inst) {
            repeatable &= inst.op != ir::Op::goto_pc || inst.imm != f.entry().raw;
            repeatable &= inst.op != ir::Op::call || !abi::is_logged(f.env()[inst.helper]);
        });
    }
    return repeatable;
}

/// False for what no Runner can run: calls of helpers that only the files know, objects of the runtime, bad input.
bool read_function(const std::string& text, ir::Function& f) {
    if (text.find("call") != text.npos || text.find(".host") != text.npos) return false;
    const std::string renamed = for_runner(text);
    std::string_view rest = renamed;
    return ir::parse(rest, f).has_value() && ir::verify(f).has_value() && is_repeatable(f);
}

TEST(CodeFiles, WhatPassesMadeDoesTheSame) {
    irtool::Runner runner;
    unsigned run = 0, skipped = 0;
    for (const auto& file : std::filesystem::directory_iterator(KILN_SOURCE_DIR "/tests/ir/opt")) {
        std::ifstream in(file.path());
        std::stringstream content;
        content << in.rdbuf();
        const std::string text = content.str();
        for (std::size_t at = text.find("; run: "); at != text.npos;) {
            const std::size_t next = std::min(text.find("; run: ", at + 1), text.size());
            const std::size_t expect = text.find("; expect:\n", at);
            ir::Function before(irtool::env), after(irtool::env);
            const std::size_t line =
                std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
            if (read_function(text.substr(text.find('\n', at), expect - text.find('\n', at)), before) &&
                read_function(text.substr(expect, next - expect), after)) {
                const std::string where = file.path().filename().string() + ":" + std::to_string(line);
                check(runner, before, before, where);
                check(runner, after, before, where);
                ++run;
            } else {
                ++skipped;
            }
            at = next < text.size() ? next : text.npos;
        }
    }
    EXPECT_GT(run, 40u);
    EXPECT_LT(skipped, 25u);
}

/// Lifts the unit at `pc`, of `most` instructions; false when there is no code.
bool lift(ir::Function& f, const CodeCase& c, GuestAddr pc, u32 most, u64& bytes) {
    MemoryCode code(CodeCase::start, c.bytes);
    abi::LiftOptions options = c.options;
    options.max_instructions = std::min(options.max_instructions, most);
    abi::Lifted lifted;
    riscv64::frontend().lift(f, pc, code, options, lifted);
    if (lifted.fetch_failed) return false;
    bytes = lifted.ranges.front().bytes;
    return true;
}

TEST(CodeFiles, GuestCodeInUnitsOfAnySize) {
    irtool::Runner runner;
    unsigned run = 0;
    for (const auto& [folder, word] :
         {std::pair("tests/lift/golden", "lift"), std::pair("tests/emit/sizes", "code")})
        for (const auto& file :
             std::filesystem::directory_iterator(std::filesystem::path(KILN_SOURCE_DIR) / folder))
            for (const CodeCase& c : read_code_cases(file.path(), word)) {
                ir::Function f(irtool::env);
                u64 bytes = 0;
                if (!lift(f, c, CodeCase::start, 64, bytes)) continue;
                if (is_repeatable(f)) check(runner, f, f, c.head);
                for (GuestAddr pc = CodeCase::start; lift(f, c, pc, 1, bytes); pc = pc + bytes)
                    if (is_repeatable(f)) check(runner, f, f, c.head);
                ++run;
            }
    EXPECT_GT(run, 90u);
    if (const char* const on = std::getenv("KILN_RUN_ON");
        on != nullptr && std::string_view(on) == "compiler")
        EXPECT_GT(runner.compiled(), u64{run} * states);
}

}  // namespace
}  // namespace kiln::test

// How much host code tier 1 makes of guest code: golden numbers, so that a change shows what it makes better and worse.
// The files are sizes/*.size; tests/lift/code_cases.h has their form, with `code` for the first word. Expected is a line
// like
//
//   ; 2 guest instructions: 17 host instructions, 71 bytes
//
// Ways out of the unit and what stands behind them are counted. The code is that for a host with every extension but AVX-512,
// whatever this one has. With KILN_BLESS=1 the test writes the lines instead of comparing. `irtool lift` and `irtool emit`
// show the code itself.
#include <gtest/gtest.h>

#include <cstdlib>

#include "code_cases.h"
#include "emit/translate.h"
#include "lift/riscv64/frontend.h"

namespace kiln::test {
namespace {

constexpr emit::HostFeatures features = {
    .bmi = true, .avx = true, .fma = true, .sse41 = true, .clmul = true, .aes = true, .avx512 = false};

/// Instructions in a listing: lines with machine code behind them, and those that are put in as bytes because their
/// target is filled in later. Not those that only align the next.
unsigned count_instructions(const std::string& listing) {
    unsigned count = 0;
    std::istringstream lines(listing);
    for (std::string line; std::getline(lines, line);) {
        const bool is_jump = line.starts_with(".db 0xE9") || line.starts_with(".db 0xE8");
        count += is_jump || (line.find(" ; ") != line.npos && !line.starts_with("nop"));
    }
    return count;
}

std::string sizes(const CodeCase& c) {
    const abi::Frontend& frontend = riscv64::frontend();
    MemoryCode code(CodeCase::start, c.bytes);
    ir::Function f(frontend.env());
    abi::Lifted lifted;
    frontend.lift(f, CodeCase::start, code, c.options, lifted);
    emit::Translator translator(features, {.listing = true});
    abi::UnitCode unit;
    const auto made = translator.translate(f, unit);
    std::ostringstream out;
    out << c.listing(frontend) << "; " << lifted.instructions << " guest instruction"
        << (lifted.instructions == 1 ? "" : "s") << ": ";
    if (made)
        out << count_instructions(unit.listing) << " host instructions, " << unit.bytes.size()
            << " bytes\n\n";
    else
        out << made.error().message << "\n\n";
    return out.str();
}

TEST(Sizes, Files) {
    const bool bless = std::getenv("KILN_BLESS") != nullptr;
    unsigned count = 0;
    for (const auto& file : std::filesystem::directory_iterator(KILN_SOURCE_DIR "/tests/emit/sizes")) {
        std::string blessed;
        for (const CodeCase& c : read_code_cases(file.path(), "code")) {
            const std::string found = sizes(c);
            blessed += c.head + found;
            if (!bless) EXPECT_EQ(found, c.expected) << file.path().filename() << ": " << c.head;
            ++count;
        }
        if (bless) std::ofstream(file.path()) << blessed;
    }
    EXPECT_GT(count, 50u);
}

}  // namespace
}  // namespace kiln::test

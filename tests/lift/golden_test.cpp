// Golden tests of the lifter: guest code in, IR out, as text. The files are golden/*.lift:
//
//   # What the case shows.
//   lift fff58513 8082 [max=N] [single]
//   ; 0x10000: addi a0, a1, -1
//   function rv64 0x10000 { ... }
//   ; covers 0x10000+6
//
// and in golden/regions.region the same of regions (lift/region.h), `max` being RegionOptions' and `single` meaning that
// no call is followed:
//
//   region fff58513 8082 [max=N] [single]
//
// code_cases.h says more of the form. With KILN_BLESS=1 the test writes what comes out instead of comparing.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "code_cases.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "lift/region.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::riscv64 {
namespace {

using test::CodeCase;

constexpr GuestAddr start = CodeCase::start;

/// The listing, the IR, and what it covers.
std::string lift(const CodeCase& c, bool region) {
    test::MemoryCode code(start, c.bytes);
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    if (region)
        lift::RegionFormer(frontend())
            .form(f, start, code,
                  {.max_instructions = c.options.max_instructions, .max_depth = c.options.extend ? 3u : 0u},
                  lifted);
    else
        frontend().lift(f, start, code, c.options, lifted);
    std::ostringstream out;
    out << c.listing(frontend());
    out << ir::print(f) << ";";
    for (const abi::CodeRange& range : lifted.ranges)
        out << " covers 0x" << std::hex << range.begin.raw << "+" << std::dec << range.bytes;
    out << "\n\n";
    const Result<void> good = ir::verify(f);
    EXPECT_TRUE(good.has_value()) << good.error().message;
    return out.str();
}

TEST(Golden, Files) {
    const bool bless = std::getenv("KILN_BLESS") != nullptr;
    unsigned count = 0;
    for (const auto& file : std::filesystem::directory_iterator(KILN_SOURCE_DIR "/tests/lift/golden")) {
        const bool region = file.path().extension() == ".region";
        const std::vector<CodeCase> cases = test::read_code_cases(file.path(), region ? "region" : "lift");
        std::string blessed;
        for (const CodeCase& c : cases) {
            const std::string found = lift(c, region);
            blessed += c.head + found;
            if (!bless) EXPECT_EQ(found, c.expected) << file.path().filename() << ": " << c.head;
            ++count;
        }
        if (bless) std::ofstream(file.path()) << blessed;
    }
    EXPECT_GT(count, 30u);
}

}  // namespace
}  // namespace kiln::riscv64

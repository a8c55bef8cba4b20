// Code quality as a text file: cells.golden says how many cells each snippet of guest code becomes. A line is
// `count : words : text`. With KILN_BLESS=1 in the environment this test writes the file.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "interp/flatten.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::test {
namespace {

constexpr GuestAddr start{0x10000};

std::size_t cells_of(const std::vector<u8>& bytes) {
    MemoryCode code(start, bytes);
    ir::Function f(riscv64::frontend().env());
    abi::Lifted lifted;
    riscv64::frontend().lift(f, start, code, {}, lifted);
    interp::Flattener flattener;
    const auto unit = flattener.flatten(f);
    EXPECT_TRUE(unit) << unit.error().message;
    return unit ? (*unit)->cells().size() - 1 : 0;  // without the header
}

TEST(Cells, AsManyAsTheFileSays) {
    const char* const path = KILN_SOURCE_DIR "/tests/interp/cells.golden";
    std::ifstream file(path);
    std::string line, expected, actual;
    unsigned snippets = 0;
    while (std::getline(file, line)) {
        expected += line + "\n";
        if (line.empty() || line.starts_with(';')) {
            actual += line + "\n";
            continue;
        }
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        ASSERT_NE(second, std::string::npos) << line;
        std::istringstream words(line.substr(first + 1, second - first - 1));
        std::vector<u8> bytes;
        std::string text;
        for (u32 word; words >> std::hex >> word;) {
            for (unsigned i = 0; i < ((word & 3) == 3 ? 4u : 2u); ++i)
                bytes.push_back(static_cast<u8>(word >> 8 * i));
        }
        for (std::size_t at = 0; at < bytes.size();) {
            u32 length = 0;
            if (at > 0) text += "; ";
            text += riscv64::frontend().disassemble(std::span(bytes).subspan(at), start + at, length);
            ASSERT_GT(length, 0u) << line;
            at += length;
        }
        actual +=
            fmt::format("{} :{}: {}\n", cells_of(bytes), line.substr(first + 1, second - first - 1), text);
        ++snippets;
    }
    EXPECT_GT(snippets, 20u);
    if (std::getenv("KILN_BLESS") != nullptr)
        std::ofstream(path) << actual;
    else
        EXPECT_EQ(expected, actual) << "the file should be:\n" << actual;
}

}  // namespace
}  // namespace kiln::test

// Golden tests of the lifter: guest code in, IR out, as text. The files are golden/*.lift:
//
//   # What the case shows.
//   lift fff58513 8082 [max=N] [single]
//   ; 0x10000: addi a0, a1, -1
//   function rv64 0x10000 { ... }
//   ; covers 0x10000+6
//
// The words are instructions of 2 or 4 bytes at 0x10000; max and single (no extension past branches and
// jumps) are LiftOptions. Everything up to the next '#' or `lift` line is expected output: with KILN_BLESS=1
// the test writes it instead of comparing.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/verify.h"
#include "lift/riscv64/frontend.h"
#include "memory_code.h"

namespace kiln::riscv64 {
namespace {

constexpr GuestAddr start{0x10000};

struct Case {
    std::string head;  // comments and the `lift` line
    std::vector<u8> bytes;
    abi::LiftOptions options;
    std::string expected;
};

void read_request(const std::string& line, Case& c) {
    std::istringstream words(line);
    std::string word;
    words >> word;  // "lift"
    while (words >> word) {
        if (word.starts_with("max=")) {
            c.options.max_instructions = static_cast<u32>(std::stoul(word.substr(4)));
        } else if (word == "single") {
            c.options.extend = false;
        } else {
            const unsigned long value = std::stoul(word, nullptr, 16);
            for (std::size_t i = 0; i < word.size() / 2; ++i)
                c.bytes.push_back(static_cast<u8>(value >> 8 * i));
        }
    }
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
    std::vector<Case> cases;
    std::ifstream in(path);
    bool in_head = false;
    for (std::string line; std::getline(in, line);) {
        const bool is_request = line.starts_with("lift ");
        if ((line.starts_with("#") || is_request) && !in_head) {
            cases.emplace_back();
            in_head = true;
        }
        Case& c = cases.back();
        (in_head ? c.head : c.expected) += line + "\n";
        if (is_request) {
            read_request(line, c);
            in_head = false;
        }
    }
    return cases;
}

/// The listing, the IR, and what it covers.
std::string lift(const Case& c) {
    test::MemoryCode code(start, c.bytes);
    ir::Function f(frontend().env());
    abi::Lifted lifted;
    frontend().lift(f, start, code, c.options, lifted);
    std::ostringstream out;
    u32 length = 0;
    for (u64 at = 0; at < c.bytes.size(); at += length) {
        const std::string text = frontend().disassemble(std::span(c.bytes).subspan(at), start + at, length);
        out << "; 0x" << std::hex << (start + at).raw << ": " << text << "\n";
        if (length == 0) break;
    }
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
        const std::vector<Case> cases = read_cases(file.path());
        std::string blessed;
        for (const Case& c : cases) {
            const std::string found = lift(c);
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

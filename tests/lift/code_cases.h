// Cases of guest code in text files, with what must come of it:
//
//   # What the case shows.
//   lift fff58513 8082 [max=N] [single]
//   ; 0x10000: addi a0, a1, -1
//   ...
//
// The first word of the second line is the test's own. The words behind it are instructions of 2 or 4 bytes at 0x10000; max
// and single (no extension past branches and jumps) are LiftOptions. Everything up to the next '#' or such a line is
// expected output.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "abi/frontend.h"
#include "memory_code.h"

namespace kiln::test {

struct CodeCase {
    static constexpr GuestAddr start{0x10000};

    std::string head;  ///< comments and the line with the code
    std::vector<u8> bytes;
    abi::LiftOptions options;
    std::string expected;

    /// The instructions as comments, a line each.
    std::string listing(const abi::Frontend& frontend) const {
        std::ostringstream out;
        u32 length = 0;
        for (u64 at = 0; at < bytes.size(); at += length) {
            const std::string text = frontend.disassemble(std::span(bytes).subspan(at), start + at, length);
            out << "; 0x" << std::hex << (start + at).raw << ": " << text << "\n";
            if (length == 0) break;
        }
        return out.str();
    }
};

/// The cases of a file whose lines with code begin with `word`.
inline std::vector<CodeCase> read_code_cases(const std::filesystem::path& path, const std::string& word) {
    const auto read_request = [](const std::string& line, CodeCase& c) {
        std::istringstream words(line);
        std::string item;
        words >> item;
        while (words >> item) {
            if (item.starts_with("max=")) {
                c.options.max_instructions = static_cast<u32>(std::stoul(item.substr(4)));
            } else if (item == "single") {
                c.options.extend = false;
            } else {
                const unsigned long value = std::stoul(item, nullptr, 16);
                for (std::size_t i = 0; i < item.size() / 2; ++i)
                    c.bytes.push_back(static_cast<u8>(value >> 8 * i));
            }
        }
    };
    std::vector<CodeCase> cases;
    std::ifstream in(path);
    bool in_head = false;
    for (std::string line; std::getline(in, line);) {
        const bool is_request = line.starts_with(word + " ");
        if ((line.starts_with("#") || is_request) && !in_head) {
            cases.emplace_back();
            in_head = true;
        }
        CodeCase& c = cases.back();
        (in_head ? c.head : c.expected) += line + "\n";
        if (is_request) {
            read_request(line, c);
            in_head = false;
        }
    }
    return cases;
}

}  // namespace kiln::test

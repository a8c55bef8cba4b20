// Reading and judging ELF program files. Every field is hostile until checked here: what parse_elf() gives
// can be mapped without a second thought. Mapping is loader.h's part.
//
// Errors name the file, what is wrong with it and what to do, and carry the errno that execve(2) would give.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace kiln::user {

/// What the loader needs to know of a guest architecture.
struct ElfTarget {
    u16 machine = 0;             ///< e_machine
    std::string_view name;       ///< as uname -m says it, for messages
    std::string_view platform;   ///< AT_PLATFORM; empty: none
    u64 hwcap = 0;               ///< AT_HWCAP
    u64 hwcap2 = 0;              ///< AT_HWCAP2; 0: none
    std::string_view sigreturn;  ///< machine code that calls rt_sigreturn
};

/// A part of the file that is to be in memory. Addresses are those of the file: a load bias is added to each.
struct ElfSegment {
    u64 address = 0;       ///< of the first byte; congruent to `offset` modulo the page size
    u64 memory_bytes = 0;  ///< not 0
    u64 offset = 0;        ///< in the file
    u64 file_bytes = 0;    ///< all in the file, at most memory_bytes; the rest is zeros
    int prot = 0;          ///< PROT_*

    u64 end() const { return address + memory_bytes; }
};

struct ElfFile {
    bool position_independent = false;  ///< ET_DYN: may be loaded anywhere
    u64 entry = 0;
    std::vector<ElfSegment> segments;  ///< at least one; by ascending address, not overlapping
    std::string interpreter;           ///< PT_INTERP's path; empty: none
    bool executable_stack = false;
    u64 alignment = 0;        ///< the largest any segment asks for, at least a page
    u64 headers_address = 0;  ///< of the program headers in memory; 0: not loaded
    u16 headers = 0;          ///< how many

    u64 begin() const { return segments.front().address; }
    u64 end() const { return segments.back().end(); }
};

/// Reads the headers of the program file `fd`, called `name` in messages, for a guest whose addresses end at
/// `limit`. The file offset of `fd` does not matter and does not move.
Result<ElfFile> parse_elf(int fd, std::string_view name, const ElfTarget& target, u64 limit);

}  // namespace kiln::user

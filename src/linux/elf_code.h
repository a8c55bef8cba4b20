// What an ELF file tells of its own code without being run: where code is, where it begins, which files it needs. For
// compiling ahead of time, so all of it is a hint: what does not fit is left out, and nothing of it is an error.
// (System V ABI, chapters 4 and 5; Linux Standard Base, Core, 10.6 for .eh_frame_hdr; RISC-V ELF psABI, 8.4 for relocations.)
#pragma once

#include <span>
#include <string>
#include <vector>

#include "linux/elf_file.h"

namespace kiln::user {

/// Addresses are those of the file.
struct ElfCode {
    struct Part {
        u64 begin, end;
    };
    /// Sections of code, ascending; where there are no sections, executable segments.
    std::vector<Part> code;
    /// Where code begins, for all that refers to it from outside or by its address; ascending.
    std::vector<u64> starts;
    std::vector<std::string> needed;     ///< DT_NEEDED
    std::vector<std::string> run_paths;  ///< of DT_RUNPATH, or else DT_RPATH; $ORIGIN as it stands there
    bool is_program = false;  ///< not a library only: it has an interpreter, a fixed place, or says so

    /// Reads data that the program cannot change; false where there is none.
    bool read_constant(u64 address, std::span<u8> to) const;

    /// The segments that cannot be written, as far as they are in the file.
    struct Constant {
        u64 address;
        std::vector<u8> bytes;
    };
    std::vector<Constant> constants;
};

/// Of the file `fd`, whose headers are `elf`.
ElfCode read_elf_code(int fd, const ElfFile& elf);

}  // namespace kiln::user

// Builds small ELF program files, right or wrong in any field, for tests of the loader.
#pragma once

#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/types.h"
#include "linux/elf_file.h"

namespace kiln::test {

/// A riscv64 target as the tests load for: `li a7, 139; ecall` returns from signals.
inline user::ElfTarget riscv64_target() {
    return {.machine = EM_RISCV,
            .name = "riscv64",
            .platform = {},
            .hwcap = 0x112d,
            .hwcap2 = 0,
            .sigreturn = std::string_view("\x93\x08\xb0\x08\x73\x00\x00\x00", 8)};
}

/// An ELF file as its headers and the bytes behind them; every field may be changed before bytes().
struct ElfBuilder {
    Elf64_Ehdr header{};
    std::vector<Elf64_Phdr> rows;
    std::string contents;  ///< at file offset contents_offset

    static constexpr u64 contents_offset = 0x1000;
    static constexpr u64 address = 0x10000;  ///< of file offset 0

    /// One segment of code that makes the guest end with status 0.
    explicit ElfBuilder(u16 type = ET_EXEC) {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = type;
        header.e_machine = EM_RISCV;
        header.e_version = EV_CURRENT;
        header.e_phoff = sizeof header;
        header.e_ehsize = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        const u64 begin = type == ET_DYN ? 0 : address;
        header.e_entry = begin + contents_offset;
        const u32 code[] = {0x05d00893, 0x00000513, 0x00000073};  // li a7, 93; li a0, 0; ecall
        contents.assign(reinterpret_cast<const char*>(code), sizeof code);
        add_load(0, begin, contents_offset + sizeof code, contents_offset + sizeof code, PF_R | PF_X);
    }

    Elf64_Phdr& add_load(u64 offset, u64 at, u64 file_bytes, u64 memory_bytes, u32 flags) {
        rows.push_back({.p_type = PT_LOAD,
                        .p_flags = flags,
                        .p_offset = offset,
                        .p_vaddr = at,
                        .p_paddr = at,
                        .p_filesz = file_bytes,
                        .p_memsz = memory_bytes,
                        .p_align = 0x1000});
        return rows.back();
    }
    /// Appends bytes to the contents and gives their file offset.
    u64 append(std::string_view bytes) {
        const u64 offset = contents_offset + contents.size();
        contents += bytes;
        return offset;
    }
    void add_interpreter(std::string_view path_with_end) {
        const u64 offset = append(path_with_end);
        rows.push_back({.p_type = PT_INTERP,
                        .p_flags = PF_R,
                        .p_offset = offset,
                        .p_filesz = path_with_end.size(),
                        .p_memsz = path_with_end.size(),
                        .p_align = 1});
    }

    std::string bytes() const {
        Elf64_Ehdr first = header;
        if (first.e_phnum == 0) first.e_phnum = static_cast<u16>(rows.size());
        std::string file(contents_offset, '\0');
        std::memcpy(file.data(), &first, sizeof first);
        std::memcpy(file.data() + sizeof first, rows.data(), rows.size() * sizeof rows[0]);
        return file + contents;
    }
};

}  // namespace kiln::test

#include "elf_symbol.h"

#include <elf.h>

#include <cstring>

#include <fmt/format.h>

namespace kiln::irtool {
namespace {

class Elf {
  public:
    explicit Elf(const std::string& path) : path_(path), file_(read_file(path)) {
        if (file_.size() >= sizeof(header_)) header_ = at<Elf64_Ehdr>(0);
        if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_ident[EI_CLASS] != ELFCLASS64 ||
            header_.e_ident[EI_DATA] != ELFDATA2LSB)
            bad("is not a 64-bit little-endian ELF file");
        if (header_.e_machine != EM_RISCV)
            bad(fmt::format("is for ELF machine {}, not riscv64 ({})", header_.e_machine, EM_RISCV));
    }

    unsigned sections() const { return header_.e_shnum; }
    Elf64_Shdr section(unsigned i) const {
        return at<Elf64_Shdr>(header_.e_shoff + u64{i} * sizeof(Elf64_Shdr));
    }
    /// `count` bytes at `offset`.
    std::string_view bytes(u64 offset, u64 count) const {
        if (offset > file_.size() || count > file_.size() - offset) bad("is cut off");
        return std::string_view(file_).substr(offset, count);
    }
    template <class T>
    T at(u64 offset) const {
        T value;
        std::memcpy(&value, bytes(offset, sizeof(T)).data(), sizeof(T));
        return value;
    }
    std::string_view string(u64 offset) const {
        const std::string_view rest = bytes(offset, offset < file_.size() ? file_.size() - offset : 1);
        return rest.substr(0, rest.find('\0'));
    }
    [[noreturn]] void bad(std::string_view what) const { throw Unusable{fmt::format("{} {}", path_, what)}; }

  private:
    std::string path_;
    std::string file_;
    Elf64_Ehdr header_{};
};

SymbolCode code_at(const Elf& elf, u64 address) {
    for (unsigned i = 0; i < elf.sections(); ++i) {
        const Elf64_Shdr s = elf.section(i);
        if (s.sh_type != SHT_PROGBITS || address < s.sh_addr || address - s.sh_addr >= s.sh_size) continue;
        const std::string_view code =
            elf.bytes(s.sh_offset + (address - s.sh_addr), s.sh_size - (address - s.sh_addr));
        return {GuestAddr(address), {code.begin(), code.end()}};
    }
    elf.bad(fmt::format("holds no bytes for address {:#x}: it is no code", address));
}

}  // namespace

SymbolCode find_symbol(const std::string& path, std::string_view symbol) {
    const Elf elf(path);
    for (unsigned i = 0; i < elf.sections(); ++i) {
        const Elf64_Shdr table = elf.section(i);
        if (table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) continue;
        if (table.sh_link >= elf.sections()) elf.bad("has a symbol table without names");
        const u64 names = elf.section(table.sh_link).sh_offset;
        for (u64 at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
            const auto entry = elf.at<Elf64_Sym>(table.sh_offset + at);
            if (entry.st_shndx != SHN_UNDEF && elf.string(names + entry.st_name) == symbol)
                return code_at(elf, entry.st_value);
        }
    }
    elf.bad(fmt::format("has no symbol '{}'", symbol));
}

}  // namespace kiln::irtool

#include "debug/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace kiln::debug {
namespace {

/// A section larger than this is not believed.
constexpr u64 most_bytes = u64{1} << 28;

/// A part of the file; empty when not all of it is there. The file may change meanwhile: so it is not mapped.
std::vector<u8> read_part(int fd, u64 offset, u64 bytes) {
    if (bytes > most_bytes || offset > most_bytes << 10) return {};
    std::vector<u8> part(bytes);
    for (u64 done = 0; done < bytes;) {
        const ssize_t got = pread(fd, part.data() + done, bytes - done, static_cast<off_t>(offset + done));
        if (got <= 0) return {};
        done += static_cast<u64>(got);
    }
    return part;
}

/// `count` Ts at `offset`; none when not all of them are there.
template <class T>
std::vector<T> read_table(int fd, u64 offset, u64 count) {
    const std::vector<u8> part = read_part(fd, offset, count * sizeof(T));
    std::vector<T> table(part.size() / sizeof(T));
    if (!table.empty()) std::memcpy(table.data(), part.data(), table.size() * sizeof(T));
    return table;
}

/// The string that begins at `offset` of a string table; empty when it has no end.
std::string_view string_at(std::span<const u8> table, u64 offset) {
    if (offset >= table.size()) return {};
    const auto* const begin = reinterpret_cast<const char*>(table.data() + offset);
    const void* const end = std::memchr(begin, 0, table.size() - offset);
    if (end == nullptr) return {};
    return {begin, static_cast<size_t>(static_cast<const char*>(end) - begin)};
}

bool is_function(const Elf64_Sym& symbol, std::string_view name) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE || name.empty()) return false;
    const int type = ELF64_ST_TYPE(symbol.st_info);
    // Labels of assembly files have no type; nor have the marks of code and data, and local labels.
    return type == STT_FUNC || type == STT_GNU_IFUNC ||
           (type == STT_NOTYPE && name[0] != '$' && name[0] != '.');
}

}  // namespace

ElfSymbols::ElfSymbols(int fd) {
    const auto headers = read_table<Elf64_Ehdr>(fd, 0, 1);
    if (headers.empty()) return;
    const Elf64_Ehdr& header = headers[0];
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        return;
    for (const Elf64_Phdr& segment : read_table<Elf64_Phdr>(fd, header.e_phoff, header.e_phnum))
        if (segment.p_type == PT_LOAD)
            segments_.push_back({segment.p_offset, segment.p_filesz, segment.p_vaddr});

    std::vector<std::vector<u8>> strings;  // what names point into
    const auto sections = read_table<Elf64_Shdr>(fd, header.e_shoff, header.e_shnum);
    for (u32 type : {SHT_SYMTAB, SHT_DYNSYM}) {
        const auto table = std::ranges::find(sections, type, &Elf64_Shdr::sh_type);
        if (table == sections.end() || table->sh_link >= sections.size()) continue;
        const Elf64_Shdr& names = sections[table->sh_link];
        strings.push_back(read_part(fd, names.sh_offset, names.sh_size));
        for (const Elf64_Sym& symbol :
             read_table<Elf64_Sym>(fd, table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
            const std::string_view name = string_at(strings.back(), symbol.st_name);
            if (is_function(symbol, name)) symbols_.push_back({symbol.st_value, symbol.st_size, name});
        }
    }
    // Of several names for one place the longest symbol, then the shortest name: foo, not __foo_internal.
    std::ranges::sort(symbols_, [](const Symbol& a, const Symbol& b) {
        if (a.address != b.address) return a.address < b.address;
        if (a.bytes != b.bytes) return a.bytes > b.bytes;
        return a.name.size() != b.name.size() ? a.name.size() < b.name.size() : a.name < b.name;
    });
    const auto rest = std::ranges::unique(symbols_, {}, &Symbol::address);
    symbols_.erase(rest.begin(), rest.end());

    size_t bytes = 0;
    for (const Symbol& symbol : symbols_) bytes += symbol.name.size();
    names_.reserve(bytes);  // so that the names do not move
    for (Symbol& symbol : symbols_) {
        const size_t begin = names_.size();
        names_ += symbol.name;
        symbol.name = std::string_view(names_).substr(begin);
    }
}

const ElfSymbols::Symbol* ElfSymbols::find(u64& offset) const {
    const auto segment = std::ranges::find_if(
        segments_, [&](const Segment& s) { return offset >= s.offset && offset - s.offset < s.bytes; });
    if (segment == segments_.end()) return nullptr;
    const u64 address = offset - segment->offset + segment->address;
    auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
    if (after == symbols_.begin()) return nullptr;
    const Symbol& symbol = *--after;
    if (symbol.bytes != 0 && address - symbol.address >= symbol.bytes) return nullptr;
    offset = address - symbol.address;
    return &symbol;
}

Symbols::Symbols(const mem::AddressSpace& space) : space_(space) {}
Symbols::~Symbols() = default;

Symbols::Place Symbols::find(GuestAddr pc) {
    const auto region = space_.find(pc);
    if (!region || region->backing->name.empty()) return {};
    const std::string& path = region->backing->name;
    u64 offset = pc - region->begin + region->offset;
    if (!region->backing->anonymous) {
        auto& file = files_[{region->backing->device, region->backing->inode}];
        if (file == nullptr) {
            const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
            file = std::make_unique<ElfSymbols>(fd);
            if (fd >= 0) close(fd);
        }
        if (const auto* symbol = file->find(offset)) return {std::string(symbol->name), offset};
    }
    return {path.substr(path.find_last_of('/') + 1), offset};
}

std::string Symbols::Place::text() const {
    if (offset == 0 || name.empty()) return name;
    return fmt::format("{}+{:#x}", name, offset);
}

}  // namespace kiln::debug

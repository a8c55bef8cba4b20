#include "debug/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace kiln::debug {
namespace {

/// The content of a file, mapped while this lives.
class MappedFile {
  public:
    explicit MappedFile(const char* path) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0) return;
        struct stat status;
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
            void* const at =
                mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
            if (at != MAP_FAILED) bytes_ = {static_cast<const u8*>(at), static_cast<size_t>(status.st_size)};
        }
        close(fd);
    }
    ~MappedFile() {
        if (!bytes_.empty()) munmap(const_cast<u8*>(bytes_.data()), bytes_.size());
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    std::span<const u8> bytes() const { return bytes_; }

  private:
    std::span<const u8> bytes_;
};

/// The T at `offset`; none if it is not all in the file.
template <class T>
std::optional<T> get(std::span<const u8> file, u64 offset) {
    if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

/// The string that begins at `offset` of the string table; empty when it has no end.
std::string_view string_at(std::span<const u8> file, const Elf64_Shdr& table, u64 offset) {
    if (table.sh_offset > file.size() || table.sh_size > file.size() - table.sh_offset ||
        offset >= table.sh_size)
        return {};
    const auto text = file.subspan(table.sh_offset + offset, table.sh_size - offset);
    const auto* const end = static_cast<const u8*>(std::memchr(text.data(), 0, text.size()));
    if (end == nullptr) return {};
    return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(end - text.data())};
}

bool is_function(const Elf64_Sym& symbol, std::string_view name) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE || name.empty()) return false;
    const int type = ELF64_ST_TYPE(symbol.st_info);
    // Labels of assembly files have no type; nor have the marks of code and data, and local labels.
    return type == STT_FUNC || type == STT_GNU_IFUNC ||
           (type == STT_NOTYPE && name[0] != '$' && name[0] != '.');
}

}  // namespace

ElfSymbols::ElfSymbols(std::span<const u8> file) {
    const auto header = get<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
        return;
    for (u64 i = 0; i < header->e_phnum; ++i)
        if (const auto segment = get<Elf64_Phdr>(file, header->e_phoff + i * sizeof(Elf64_Phdr));
            segment && segment->p_type == PT_LOAD)
            segments_.push_back({segment->p_offset, segment->p_filesz, segment->p_vaddr});

    const auto section = [&](u64 i) {
        return get<Elf64_Shdr>(file, header->e_shoff + i * sizeof(Elf64_Shdr));
    };
    for (u64 i = 0; i < header->e_shnum; ++i) {
        const auto table = section(i);
        if (!table || (table->sh_type != SHT_SYMTAB && table->sh_type != SHT_DYNSYM)) continue;
        const auto strings = section(table->sh_link);
        if (!strings) continue;
        for (u64 at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
            const auto symbol = get<Elf64_Sym>(file, table->sh_offset + at);
            if (!symbol) break;
            const std::string_view name = string_at(file, *strings, symbol->st_name);
            if (is_function(*symbol, name)) symbols_.push_back({symbol->st_value, symbol->st_size, name});
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
        if (file == nullptr) file = std::make_unique<ElfSymbols>(MappedFile(path.c_str()).bytes());
        if (const auto* symbol = file->find(offset)) return {std::string(symbol->name), offset};
    }
    return {path.substr(path.find_last_of('/') + 1), offset};
}

std::string Symbols::Place::text() const {
    if (offset == 0 || name.empty()) return name;
    return fmt::format("{}+{:#x}", name, offset);
}

}  // namespace kiln::debug

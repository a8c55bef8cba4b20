#include "linux/elf_code.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace kiln::user {
namespace {

// More of anything than a file can mean.
constexpr u64 most_bytes = u64{1} << 30;

class Reader {
  public:
    Reader(int fd, const ElfFile& elf) : fd_(fd), elf_(elf) {
        struct stat facts;
        if (fstat(fd, &facts) == 0) file_bytes_ = static_cast<u64>(facts.st_size);
    }

    /// What is at that place of the file; empty if not all of it is.
    std::vector<u8> at_offset(u64 offset, u64 bytes) const {
        if (offset > file_bytes_ || bytes > std::min(file_bytes_ - offset, most_bytes)) return {};
        std::vector<u8> data(bytes);
        for (u64 done = 0; done < bytes;) {
            const ssize_t got =
                pread(fd_, data.data() + done, bytes - done, static_cast<off_t>(offset + done));
            if (got <= 0) return {};
            done += static_cast<u64>(got);
        }
        return data;
    }
    /// The same for an address.
    std::vector<u8> at(u64 address, u64 bytes) const {
        for (const ElfSegment& segment : elf_.segments)
            if (address - segment.address < segment.file_bytes)
                return bytes <= segment.file_bytes - (address - segment.address)
                           ? at_offset(segment.offset + (address - segment.address), bytes)
                           : std::vector<u8>();
        return {};
    }
    template <class Row>
    std::vector<Row> rows(const std::vector<u8>& bytes) const {
        std::vector<Row> list(bytes.size() / sizeof(Row));
        if (!list.empty()) std::memcpy(list.data(), bytes.data(), list.size() * sizeof(Row));
        return list;
    }
    template <class Row>
    std::vector<Row> rows_at(u64 address, u64 bytes) const {
        return rows<Row>(at(address, bytes));
    }

  private:
    const int fd_;
    const ElfFile& elf_;
    u64 file_bytes_ = 0;
};

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(':'), list.size());
        if (end != 0) parts.emplace_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return parts;
}

/// One file's findings under way.
class Finder {
  public:
    Finder(int fd, const ElfFile& elf) : elf_(elf), file_(fd, elf) {}

    ElfCode find() {
        const auto header = file_.rows<Elf64_Ehdr>(file_.at_offset(0, sizeof(Elf64_Ehdr)));
        if (header.empty()) return {};
        read_constants();
        read_sections(header[0]);
        if (found_.code.empty())
            for (const ElfSegment& segment : elf_.segments)
                if (segment.prot & PROT_EXEC)
                    found_.code.push_back({segment.address, segment.address + segment.file_bytes});
        found_.is_program = !elf_.position_independent || !elf_.interpreter.empty();
        add(elf_.entry);
        read_segments(header[0]);
        if (!elf_.position_independent) add_pointers_in_data();
        std::ranges::sort(found_.starts);
        const auto same = std::ranges::unique(found_.starts);
        found_.starts.erase(same.begin(), same.end());
        return std::move(found_);
    }

  private:
    void add(u64 address) {
        const bool is_code = std::ranges::any_of(found_.code, [&](const ElfCode::Part& part) {
            return address >= part.begin && address < part.end;
        });
        if (is_code) found_.starts.push_back(address);
    }

    void add_pointers(const std::vector<u64>& words) {
        for (u64 word : words) add(word);
    }

    void add_symbols(const std::vector<Elf64_Sym>& symbols) {
        for (const Elf64_Sym& symbol : symbols) {
            const auto type = ELF64_ST_TYPE(symbol.st_info);
            if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbol.st_shndx != SHN_UNDEF)
                add(symbol.st_value);
        }
    }

    void read_constants() {
        for (const ElfSegment& segment : elf_.segments)
            if (!(segment.prot & PROT_WRITE) && segment.file_bytes != 0)
                found_.constants.push_back(
                    {segment.address, file_.at_offset(segment.offset, segment.file_bytes)});
    }

    void read_sections(const Elf64_Ehdr& header) {
        if (header.e_shentsize != sizeof(Elf64_Shdr)) return;
        const auto sections =
            file_.rows<Elf64_Shdr>(file_.at_offset(header.e_shoff, u64{header.e_shnum} * sizeof(Elf64_Shdr)));
        for (const Elf64_Shdr& section : sections) {
            const bool is_code = (section.sh_flags & SHF_EXECINSTR) && (section.sh_flags & SHF_ALLOC);
            if (is_code && section.sh_type == SHT_PROGBITS && in_executable_segment(section))
                found_.code.push_back({section.sh_addr, section.sh_addr + section.sh_size});
        }
        std::ranges::sort(found_.code, {}, &ElfCode::Part::begin);
        for (const Elf64_Shdr& section : sections)
            if (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM)
                add_symbols(file_.rows<Elf64_Sym>(file_.at_offset(section.sh_offset, section.sh_size)));
    }

    bool in_executable_segment(const Elf64_Shdr& section) const {
        return std::ranges::any_of(elf_.segments, [&](const ElfSegment& segment) {
            const u64 offset = section.sh_addr - segment.address;
            return (segment.prot & PROT_EXEC) && offset < segment.file_bytes &&
                   section.sh_size <= segment.file_bytes - offset;
        });
    }

    void read_segments(const Elf64_Ehdr& header) {
        const auto rows =
            file_.rows<Elf64_Phdr>(file_.at_offset(header.e_phoff, u64{header.e_phnum} * sizeof(Elf64_Phdr)));
        for (const Elf64_Phdr& row : rows) {
            if (row.p_type == PT_DYNAMIC) read_dynamic(file_.rows_at<Elf64_Dyn>(row.p_vaddr, row.p_filesz));
            if (row.p_type == PT_GNU_EH_FRAME) read_unwinding(row.p_vaddr, row.p_filesz);
        }
    }

    void read_dynamic(const std::vector<Elf64_Dyn>& rows) {
        const auto value = [&](i64 tag) -> std::optional<u64> {
            const auto row = std::ranges::find(rows, tag, &Elf64_Dyn::d_tag);
            return row == rows.end() ? std::nullopt : std::optional<u64>(row->d_un.d_val);
        };
        const auto text = [&](u64 at) {
            const std::vector<u8> strings =
                file_.at(value(DT_STRTAB).value_or(0), value(DT_STRSZ).value_or(0));
            if (at >= strings.size() || strings.back() != 0) return std::string();
            return std::string(reinterpret_cast<const char*>(strings.data() + at));
        };
        for (const Elf64_Dyn& row : rows) {
            if (row.d_tag == DT_NULL) break;
            if (row.d_tag == DT_NEEDED) found_.needed.push_back(text(row.d_un.d_val));
        }
        if (const auto paths = value(DT_RUNPATH); paths || value(DT_RPATH))
            found_.run_paths = split(text(paths ? *paths : *value(DT_RPATH)));
        found_.is_program |= (value(DT_FLAGS_1).value_or(0) & DF_1_PIE) != 0;
        for (i64 tag : {DT_INIT, DT_FINI})
            if (const auto function = value(tag)) add(*function);
        for (const auto& [array, size] : {std::pair{DT_INIT_ARRAY, DT_INIT_ARRAYSZ},
                                          {DT_FINI_ARRAY, DT_FINI_ARRAYSZ},
                                          {DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ}})
            add_pointers(file_.rows_at<u64>(value(array).value_or(0), value(size).value_or(0)));
        read_relocations(file_.rows_at<Elf64_Rela>(value(DT_RELA).value_or(0), value(DT_RELASZ).value_or(0)),
                         value(DT_SYMTAB).value_or(0));
        read_packed_relocations(file_.rows_at<u64>(value(DT_RELR).value_or(0), value(DT_RELRSZ).value_or(0)));
    }

    void read_relocations(const std::vector<Elf64_Rela>& rows, u64 symbols) {
        for (const Elf64_Rela& row : rows) {
            const auto addend = static_cast<u64>(row.r_addend);
            const u32 type = ELF64_R_TYPE(row.r_info);
            if (type == R_RISCV_RELATIVE || type == R_RISCV_IRELATIVE) add(addend);
            if (type != R_RISCV_64) continue;
            const auto symbol = file_.rows_at<Elf64_Sym>(
                symbols + ELF64_R_SYM(row.r_info) * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
            if (!symbol.empty() && symbol[0].st_shndx != SHN_UNDEF) add(symbol[0].st_value + addend);
        }
    }

    // An even word is an address; an odd one says which of the 63 words behind the last are addresses too.
    void read_packed_relocations(const std::vector<u64>& words) {
        constexpr unsigned words_per_map = 63;
        u64 next = 0;
        for (u64 word : words) {
            if (word % 2 == 0) {
                add_pointers(file_.rows_at<u64>(word, sizeof(u64)));
                next = word + sizeof(u64);
                continue;
            }
            for (unsigned bit = 0; bit < words_per_map; ++bit)
                if (word >> (bit + 1) & 1)
                    add_pointers(file_.rows_at<u64>(next + bit * sizeof(u64), sizeof(u64)));
            next += words_per_map * sizeof(u64);
        }
    }

    // The table for binary search, in the one form that linkers give it: it has the beginning of every function, those of
    // stripped files too.
    void read_unwinding(u64 address, u64 bytes) {
        struct Header {
            u8 version, frame_encoding, count_encoding, table_encoding;
            i32 frame;
            u32 count;
        };
        struct Row {
            i32 function, frame;
        };
        constexpr u8 dw_pcrel_sdata4 = 0x1b, dw_udata4 = 0x03, dw_datarel_sdata4 = 0x3b;
        const auto header = file_.rows_at<Header>(address, sizeof(Header));
        if (header.empty() || header[0].version != 1 || header[0].frame_encoding != dw_pcrel_sdata4 ||
            header[0].count_encoding != dw_udata4 || header[0].table_encoding != dw_datarel_sdata4 ||
            bytes < sizeof(Header))
            return;
        const u64 room = (bytes - sizeof(Header)) / sizeof(Row);
        for (const Row& row :
             file_.rows_at<Row>(address + sizeof(Header), std::min<u64>(header[0].count, room) * sizeof(Row)))
            add(address + static_cast<u64>(i64{row.function}));
    }

    // A file for one place needs no relocations: its pointers look like any numbers.
    void add_pointers_in_data() {
        for (const ElfSegment& segment : elf_.segments) {
            if (segment.prot & PROT_EXEC) continue;
            const u64 skipped = -segment.address % sizeof(u64);
            if (segment.file_bytes > skipped)
                add_pointers(file_.rows_at<u64>(segment.address + skipped, segment.file_bytes - skipped));
        }
    }

    const ElfFile& elf_;
    const Reader file_;
    ElfCode found_;
};

}  // namespace

bool ElfCode::read_constant(u64 address, std::span<u8> to) const {
    for (const Constant& constant : constants) {
        const u64 offset = address - constant.address;
        if (offset >= constant.bytes.size()) continue;
        if (to.size() > constant.bytes.size() - offset) return false;
        std::memcpy(to.data(), constant.bytes.data() + offset, to.size());
        return true;
    }
    return false;
}

ElfCode read_elf_code(int fd, const ElfFile& elf) { return Finder(fd, elf).find(); }

}  // namespace kiln::user

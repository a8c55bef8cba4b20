#include "linux/elf_file.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/bits.h"
#include "mem/address_space.h"

namespace kiln::user {
namespace {

using mem::page_bytes;

// Linux's own bound on the table of program headers.
constexpr u64 max_headers_bytes = 65536;
constexpr u64 max_path_bytes = 4096;

// One file being read: the place for all messages.
struct Reader {
    int fd;
    std::string name;
    u64 file_bytes = 0;

    bool read(u64 offset, void* to, u64 bytes) const {
        if (offset > file_bytes || bytes > file_bytes - offset) return false;
        u64 done = 0;
        while (done < bytes) {
            const ssize_t got =
                pread(fd, static_cast<u8*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return false;
            done += static_cast<u64>(got);
        }
        return true;
    }
    tl::unexpected<Error> bad(std::string_view what, int code = ENOEXEC) const {
        return fail(name + ": " + std::string(what), code);
    }
    tl::unexpected<Error> damaged(std::string_view what) const {
        return bad("damaged program file: " + std::string(what) + "; build or fetch it again");
    }
};

std::string_view machine_name(u16 machine) {
    switch (machine) {
        case EM_386: return "i386";
        case EM_X86_64: return "x86-64";
        case EM_ARM: return "32-bit Arm";
        case EM_AARCH64: return "aarch64";
        case EM_RISCV: return "riscv64";
        case EM_MIPS: return "MIPS";
        case EM_PPC64: return "ppc64";
        case EM_S390: return "s390x";
        case EM_LOONGARCH: return "loongarch64";
        default: return "another machine";
    }
}

// Whether this is a program for the target at all, by the first header alone.
Result<Elf64_Ehdr> read_header(const Reader& file, const ElfTarget& target) {
    Elf64_Ehdr header{};
    const u64 bytes = std::min<u64>(file.file_bytes, sizeof header);
    if (bytes == 0) return file.bad("is an empty file, not a program");
    if (!file.read(0, &header, bytes))
        return file.bad(std::string("cannot be read: ") + std::strerror(EIO), EIO);
    const unsigned char* ident = header.e_ident;
    if (bytes >= 2 && ident[0] == '#' && ident[1] == '!')
        return file.bad("is a script, not an ELF program: run its interpreter and give it the script");
    if (bytes < SELFMAG || std::memcmp(ident, ELFMAG, SELFMAG) != 0) return file.bad("is not an ELF program");
    if (bytes < sizeof header) return file.damaged("it ends within the ELF header");
    // e_machine is at the same place in 32-bit files, but in the file's own byte order.
    const bool little = ident[EI_DATA] == ELFDATA2LSB;
    const u16 machine = little ? header.e_machine : static_cast<u16>(__builtin_bswap16(header.e_machine));
    if (ident[EI_CLASS] == ELFCLASS32)
        return file.bad(
            "is a 32-bit program" +
            (machine == target.machine ? std::string() : " for " + std::string(machine_name(machine))) +
            "; kiln runs 64-bit " + std::string(target.name) + " programs");
    if (machine != target.machine)
        return file.bad("is a program for " + std::string(machine_name(machine)) + ", not for " +
                        std::string(target.name));
    if (!little) return file.bad("is a big-endian program; kiln runs little-endian ones");
    if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_VERSION] != EV_CURRENT)
        return file.damaged("its ELF class or version does not exist");
    if (header.e_type == ET_REL) return file.bad("is an object file: link it into a program first");
    if (header.e_type == ET_CORE) return file.bad("is a core dump, not a program");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return file.damaged("its ELF type does not exist");
    return header;
}

int prot_of(u32 flags) {
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

Result<std::string> read_interpreter(const Reader& file, const Elf64_Phdr& row) {
    if (row.p_filesz < 2 || row.p_filesz > max_path_bytes)
        return file.damaged("the path of its interpreter has an impossible length");
    std::string path(row.p_filesz, '\0');
    if (!file.read(row.p_offset, path.data(), path.size()))
        return file.damaged("the path of its interpreter lies outside the file");
    if (path.back() != '\0') return file.damaged("the path of its interpreter has no end");
    path.resize(std::strlen(path.c_str()));
    if (path.empty()) return file.damaged("the path of its interpreter is empty");
    return path;
}

// Adds a PT_LOAD row to `elf`, or says why that is impossible.
Result<void> add_segment(const Reader& file, const Elf64_Phdr& row, u64 limit, ElfFile& elf) {
    if (row.p_filesz > row.p_memsz) return file.damaged("a segment is larger in the file than in memory");
    if (row.p_memsz == 0) return {};
    if (row.p_filesz != 0) {
        if (row.p_offset > file.file_bytes || row.p_filesz > file.file_bytes - row.p_offset)
            return file.damaged("it is truncated, a segment lies beyond its end");
        if ((row.p_vaddr - row.p_offset) % page_bytes != 0)
            return file.damaged("a segment is not aligned, its address and file offset differ within a page");
    }
    if (row.p_vaddr > limit || row.p_memsz > limit - row.p_vaddr)
        return file.bad(
            "needs memory that the guest cannot have: a segment ends beyond the address space of " +
                std::to_string(limit >> 30) + " GiB",
            ENOMEM);
    if (!elf.segments.empty() && row.p_vaddr < elf.segments.back().end())
        return file.damaged("its segments overlap or are out of order");
    if (std::has_single_bit(row.p_align)) elf.alignment = std::max(elf.alignment, row.p_align);
    elf.segments.push_back({.address = row.p_vaddr,
                            .memory_bytes = row.p_memsz,
                            .offset = row.p_offset,
                            .file_bytes = row.p_filesz,
                            .prot = prot_of(row.p_flags)});
    return {};
}

}  // namespace

Result<ElfFile> parse_elf(int fd, std::string_view name, const ElfTarget& target, u64 limit) {
    Reader file{fd, std::string(name)};
    struct stat status;
    if (fstat(fd, &status) != 0)
        return file.bad(std::string("cannot be read: ") + std::strerror(errno), errno);
    file.file_bytes = static_cast<u64>(status.st_size);

    auto header = read_header(file, target);
    if (!header) return tl::unexpected(std::move(header.error()));
    const u64 headers_bytes = u64{header->e_phnum} * sizeof(Elf64_Phdr);
    if (header->e_phnum == 0) return file.damaged("it has no program headers, so nothing to run");
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return file.damaged("its program headers have an impossible size");
    if (headers_bytes > max_headers_bytes) return file.damaged("it has too many program headers");
    std::vector<Elf64_Phdr> rows(header->e_phnum);
    if (!file.read(header->e_phoff, rows.data(), headers_bytes))
        return file.damaged("it is truncated, its program headers lie beyond its end");

    ElfFile elf;
    elf.position_independent = header->e_type == ET_DYN;
    elf.entry = header->e_entry;
    elf.headers = header->e_phnum;
    elf.alignment = page_bytes;
    for (const Elf64_Phdr& row : rows) {
        if (row.p_type == PT_LOAD) {
            if (auto added = add_segment(file, row, limit, elf); !added)
                return tl::unexpected(std::move(added.error()));
        } else if (row.p_type == PT_INTERP && elf.interpreter.empty()) {
            auto path = read_interpreter(file, row);
            if (!path) return tl::unexpected(std::move(path.error()));
            elf.interpreter = std::move(*path);
        } else if (row.p_type == PT_GNU_STACK) {
            elf.executable_stack = row.p_flags & PF_X;
        }
    }
    if (elf.segments.empty()) return file.damaged("it has nothing to load");
    if (elf.alignment > limit) return file.damaged("a segment asks for an impossible alignment");
    for (const ElfSegment& segment : elf.segments) {
        if (segment.offset <= header->e_phoff && header->e_phoff - segment.offset < segment.file_bytes) {
            elf.headers_address = segment.address + (header->e_phoff - segment.offset);
            break;
        }
    }
    return elf;
}

}  // namespace kiln::user

#include "linux/loader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bits.h"
#include "linux/loader_stack.h"

namespace kiln::user {
namespace {

using mem::page_bytes;

tl::unexpected<Error> failed(std::string_view name, std::string_view what, i64 code) {
    return fail(std::string(name) + ": " + std::string(what) + ": " + std::strerror(static_cast<int>(code)),
                static_cast<int>(code));
}

// An open file that is closed again unless it is somebody else's.
class File {
  public:
    File(int descriptor, bool own) : descriptor_(descriptor), own_(own) {}
    File(File&& other) noexcept : descriptor_(other.descriptor_), own_(std::exchange(other.own_, false)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (own_) close(descriptor_);
    }
    int get() const { return descriptor_; }
    /// Absolute host path; `otherwise` where there is no /proc.
    std::string path(const std::string& otherwise) const {
        const std::string link = "/proc/self/fd/" + std::to_string(descriptor_);
        char target[4096];
        const ssize_t bytes = readlink(link.c_str(), target, sizeof target);
        return bytes > 0 ? std::string(target, static_cast<size_t>(bytes)) : otherwise;
    }

  private:
    int descriptor_;
    bool own_;
};

// Opens a file that execve(2) would accept; whoever passes `given` vouches for the permission.
Result<File> open_program(const std::string& path, const std::string& name, int given) {
    struct stat status;
    // Before it is opened: opening a device or a FIFO can do something.
    if ((given >= 0 ? fstat(given, &status) : stat(path.c_str(), &status)) != 0) {
        if (errno == ENOENT) return fail(name + ": no such file", ENOENT);
        return failed(name, "cannot be opened", errno);
    }
    if (S_ISDIR(status.st_mode)) return fail(name + ": is a directory", EACCES);
    if (!S_ISREG(status.st_mode)) return fail(name + ": is not a regular file", EACCES);
    if (given >= 0) return File(given, false);
    if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) {
        if (errno == EACCES) return fail(name + ": no permission to execute it (chmod +x?)", EACCES);
        return failed(name, "cannot be executed", errno);
    }
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return failed(name, "cannot be opened", errno);
    return File(descriptor, true);
}

// Maps one segment; its pages are free or another segment's.
Result<void> map_segment(mem::AddressSpace& memory, int file, const ElfSegment& segment, u64 bias,
                         const std::string& name) {
    const u64 begin = align_down(segment.address + bias, page_bytes);
    const u64 file_end = segment.address + bias + segment.file_bytes;
    const u64 mapped_end = align_up(file_end, page_bytes);
    const u64 end = align_up(segment.end() + bias, page_bytes);
    const bool zeros = segment.memory_bytes > segment.file_bytes;
    u64 anonymous_begin = begin;
    if (segment.file_bytes != 0) {
        // The rest of the last page is the file's until it is zeroed, which needs the right to write.
        const bool patch = zeros && file_end != mapped_end;
        const bool lift = patch && !(segment.prot & PROT_WRITE);
        const i64 mapped =
            memory.map(GuestAddr(begin), mapped_end - begin, lift ? segment.prot | PROT_WRITE : segment.prot,
                       MAP_PRIVATE | MAP_FIXED, file, align_down(segment.offset, page_bytes));
        if (mapped < 0) return failed(name, "cannot map a segment", -mapped);
        if (patch) {
            const u8 zero_page[page_bytes] = {};
            if (!memory.write(GuestAddr(file_end), zero_page, mapped_end - file_end))
                return failed(name, "cannot read a segment", EIO);
            if (lift) {
                const i64 result = memory.protect(GuestAddr(begin), mapped_end - begin, segment.prot);
                if (result < 0) return failed(name, "cannot map a segment", -result);
            }
        }
        anonymous_begin = mapped_end;
    }
    if (anonymous_begin < end) {
        const i64 mapped = memory.map(GuestAddr(anonymous_begin), end - anonymous_begin, segment.prot,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (mapped < 0) {
            return failed(name,
                          "no room for " + std::to_string((end - anonymous_begin) >> 10) +
                              " KiB of zeroed memory that it asks for",
                          -mapped);
        }
    }
    return {};
}

// Takes the addresses of the whole file, for as long as its segments are being mapped; gives the load bias. A
// position independent file goes to `preferred`, or where there is room if that is 0 or taken.
Result<u64> reserve_place(mem::AddressSpace& memory, const ElfFile& elf, u64 preferred,
                          const std::string& name) {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const u64 begin = align_down(elf.begin(), page_bytes);
    const u64 bytes = align_up(elf.end(), page_bytes) - begin;
    if (!elf.position_independent) {
        const i64 result = memory.map(GuestAddr(begin), bytes, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (result == -EPERM) {
            return fail(name + ": wants memory below " + std::to_string(mem::lowest_address >> 10) +
                            " KiB, which no program may have; link it to a higher address",
                        EPERM);
        }
        if (result < 0) return failed(name, "the addresses it is linked to cannot be had", -result);
        return 0;
    }
    // Room for the alignment too; what is too much is given back.
    const u64 slack = elf.alignment - page_bytes;
    if (bytes > memory.limit() - slack) return failed(name, "no room in the address space", ENOMEM);
    const i64 result = memory.map(GuestAddr(preferred), bytes + slack, PROT_NONE, flags, -1, 0);
    if (result < 0) return failed(name, "no room in the address space", -result);
    const u64 room = static_cast<u64>(result);
    // The bias is a multiple of the alignment: `begin` keeps its own place within it.
    const u64 place = room + (begin - room) % elf.alignment;
    if (place != room) memory.unmap(GuestAddr(room), place - room);
    if (place - room != slack) memory.unmap(GuestAddr(place + bytes), slack - (place - room));
    return place - begin;
}

// Maps all segments; gives the load bias.
Result<u64> map_file(mem::AddressSpace& memory, int file, const ElfFile& elf, u64 preferred,
                     const std::string& name) {
    auto bias = reserve_place(memory, elf, preferred, name);
    if (!bias) return bias;
    u64 previous_end = align_down(elf.begin() + *bias, page_bytes);
    for (const ElfSegment& segment : elf.segments) {
        const u64 begin = align_down(segment.address + *bias, page_bytes);
        if (previous_end < begin) memory.unmap(GuestAddr(previous_end), begin - previous_end);
        if (auto mapped = map_segment(memory, file, segment, *bias, name); !mapped)
            return tl::unexpected(std::move(mapped.error()));
        previous_end = align_up(segment.end() + *bias, page_bytes);
    }
    return bias;
}

Result<GuestAddr> map_signal_return(mem::AddressSpace& memory, const ElfTarget& target) {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const i64 page = memory.map(GuestAddr(0), page_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (page < 0) return failed("the page for signal handlers' return", "cannot be mapped", -page);
    const GuestAddr at(static_cast<u64>(page));
    const bool written = memory.write(at, target.sigreturn.data(), target.sigreturn.size());
    const i64 protected_ = memory.protect(at, page_bytes, PROT_READ | PROT_EXEC);
    if (!written || protected_ < 0)
        return failed("the page for signal handlers' return", "cannot be made", EFAULT);
    memory.set_name(at, page_bytes, "[sigpage]");
    return at;
}

Result<void> load_interpreter(mem::AddressSpace& memory, const LoadRequest& request, const ElfFile& elf,
                              LoadedProgram& program) {
    const std::string path = request.sysroot.translate(elf.interpreter);
    const std::string name = request.path + ": its dynamic linker " + path;
    auto file = open_program(path, name, -1);
    if (!file) {
        Error& error = file.error();
        if (error.code != ENOENT) return tl::unexpected(std::move(error));
        return fail(request.path + ": its dynamic linker " + elf.interpreter + " is not there; install the " +
                        std::string(request.target.name) + " C library or name a sysroot that has it (-L)",
                    ENOENT);
    }
    auto linker = parse_elf(file->get(), name, request.target, memory.limit());
    if (!linker) return tl::unexpected(std::move(linker.error()));
    auto bias = map_file(memory, file->get(), *linker, 0, name);
    if (!bias) return tl::unexpected(std::move(bias.error()));
    program.interpreter = file->path(path);
    program.interpreter_base = GuestAddr(*bias);
    program.pc = GuestAddr(linker->entry + *bias);
    return {};
}

Result<LoadedProgram> load(mem::AddressSpace& memory, const LoadRequest& request) {
    const std::string path = request.file >= 0 ? request.path : request.sysroot.translate(request.path);
    auto file = open_program(path, request.path, request.file);
    if (!file) return tl::unexpected(std::move(file.error()));
    auto elf = parse_elf(file->get(), request.path, request.target, memory.limit());
    if (!elf) return tl::unexpected(std::move(elf.error()));

    LoadedProgram program;
    program.executable = file->path(path);
    const u64 preferred = align_down(memory.limit() / 3 * 2, page_bytes);
    auto bias = map_file(memory, file->get(), *elf, preferred, request.path);
    if (!bias) return tl::unexpected(std::move(bias.error()));
    program.load_bias = *bias;
    program.program_entry = program.pc = GuestAddr(elf->entry + *bias);
    program.program_begin = GuestAddr(elf->begin() + *bias);
    program.program_end = GuestAddr(elf->end() + *bias);
    program.brk_start = GuestAddr(align_up(program.program_end.raw, page_bytes));
    memory.set_brk_start(program.brk_start);

    if (!elf->interpreter.empty())
        if (auto linked = load_interpreter(memory, request, *elf, program); !linked)
            return tl::unexpected(std::move(linked.error()));
    if (auto stack = make_stack(memory, request, *elf, program); !stack)
        return tl::unexpected(std::move(stack.error()));
    auto signal_return = map_signal_return(memory, request.target);
    if (!signal_return) return tl::unexpected(std::move(signal_return.error()));
    program.signal_return = *signal_return;
    return program;
}

}  // namespace

Result<LoadedProgram> load_program(mem::AddressSpace& memory, const LoadRequest& request) {
    auto program = load(memory, request);
    if (program) return program;
    memory.clear();
    // One line, whatever name the file gives its dynamic linker.
    std::ranges::replace_if(program.error().message, [](unsigned char c) { return c < ' '; }, '?');
    return program;
}

int exit_status_of(int error_code) {
    switch (error_code) {
        case ENOENT: return 127;
        case ENOMEM:
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case EIO: return 1;
        default: return 126;
    }
}

std::optional<Shebang> parse_shebang(std::string_view head) {
    constexpr size_t looked_at = 256;
    constexpr std::string_view blanks = " \t";
    if (!head.starts_with("#!")) return std::nullopt;
    head = head.substr(0, looked_at).substr(2);
    const size_t line_end = head.find_first_of(std::string_view("\n\0", 2));
    const bool cut = line_end == std::string_view::npos && head.size() + 2 == looked_at;
    std::string_view line = head.substr(0, line_end);
    const size_t begin = line.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return std::nullopt;
    line.remove_prefix(begin);
    const size_t name_end = line.find_first_of(blanks);
    if (name_end == std::string_view::npos) {
        if (cut) return std::nullopt;  // the interpreter's path may go on
        return Shebang{std::string(line), {}};
    }
    Shebang shebang{std::string(line.substr(0, name_end)), {}};
    line.remove_prefix(name_end);
    if (const size_t argument = line.find_first_not_of(blanks); argument != std::string_view::npos)
        shebang.argument = line.substr(argument, line.find_last_not_of(blanks) + 1 - argument);
    return shebang;
}

}  // namespace kiln::user

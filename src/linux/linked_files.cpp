#include "linux/linked_files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bits.h"
#include "linux/elf_code.h"
#include "linux/loader.h"

namespace kiln::user {
namespace {

// Where C libraries look last. (glibc's and musl's defaults, and Debian's and Fedora's for this architecture.)
constexpr std::string_view usual_directories[] = {"/lib/riscv64-linux-gnu",
                                                  "/usr/lib/riscv64-linux-gnu",
                                                  "/lib64/lp64d",
                                                  "/usr/lib64/lp64d",
                                                  "/lib64",
                                                  "/usr/lib64",
                                                  "/usr/local/lib",
                                                  "/lib",
                                                  "/usr/lib"};

class File {
  public:
    explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    const int fd_;
};

std::string without_links(const std::string& path) {
    char real[PATH_MAX];
    return realpath(path.c_str(), real) != nullptr ? std::string(real) : path;
}

std::string_view directory_of(std::string_view path) {
    return path.substr(0, std::min(path.rfind('/'), path.size()));
}

/// Takes the first word off `text`.
std::string_view next_word(std::string_view& text) {
    constexpr std::string_view blanks = " \t\r";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(blanks));
    text.remove_prefix(word.size());
    return word;
}

/// The path with what stands for its file's directory replaced.
std::string with_origin(std::string path, std::string_view directory) {
    for (std::string_view name : {"$ORIGIN", "${ORIGIN}"})
        if (const std::size_t at = path.find(name); at != path.npos) path.replace(at, name.size(), directory);
    return path;
}

}  // namespace

Linker::Linker(mem::AddressSpace& memory, const Sysroot& sysroot, const ElfTarget& target, u64 stack_bytes)
    : memory_(memory), sysroot_(sysroot), target_(target), stack_bytes_(stack_bytes) {
    read_configuration("/etc/ld.so.conf", 0);
    directories_.insert(directories_.end(), std::begin(usual_directories), std::end(usual_directories));
}

void Linker::read_configuration(const std::string& path, int depth) {
    constexpr int deepest = 4;
    if (depth > deepest) return;
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(sysroot_.translate(path).c_str(), "re"),
                                                     std::fclose);
    char line[PATH_MAX];
    while (file != nullptr && std::fgets(line, sizeof line, file.get()) != nullptr) {
        std::string_view rest(line, std::strcspn(line, "#\n"));
        std::string_view word = next_word(rest);
        if (word.starts_with('/')) directories_.emplace_back(word);
        if (word != "include" || (word = next_word(rest), !word.starts_with('/'))) continue;
        const std::string pattern =
            sysroot_.translate(directory_of(word)).append(word.substr(word.rfind('/')));
        glob_t found{};
        if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
            for (std::size_t i = 0; i < found.gl_pathc; ++i) read_configuration(found.gl_pathv[i], depth + 1);
        globfree(&found);
    }
}

std::string Linker::find(const Wanted& library) const {
    const auto try_path = [&](const std::string& path) {
        const std::string host = sysroot_.translate(path);
        return access(host.c_str(), R_OK) == 0 ? without_links(host) : std::string();
    };
    if (library.name.find('/') != library.name.npos) return try_path(library.name);
    for (const auto* list : {&library.run_paths, &directories_})
        for (const std::string& directory : *list)
            if (std::string path = try_path(directory + "/" + library.name); !path.empty()) return path;
    return {};
}

void Linker::want(const std::string& host_path, std::vector<Wanted>& wanted) const {
    const File file(host_path);
    if (!file) return;
    const auto elf = parse_elf(file.get(), host_path, target_, memory_.limit());
    if (!elf) return;
    const ElfCode code = read_elf_code(file.get(), *elf);
    std::vector<std::string> run_paths;
    for (const std::string& path : code.run_paths)
        run_paths.push_back(with_origin(path, directory_of(host_path)));
    for (const std::string& name : code.needed)
        if (!name.empty() && std::ranges::find(wanted, name, &Wanted::name) == wanted.end())
            wanted.push_back({name, run_paths});
}

// As dynamic linkers do: the whole at once, with the rights of the first segment.
Result<LinkedFile> Linker::map_library(const std::string& host_path) {
    const File file(host_path);
    if (!file) return fail(host_path + ": cannot be opened: " + std::strerror(errno), errno);
    const auto elf = parse_elf(file.get(), host_path, target_, memory_.limit());
    if (!elf) return tl::unexpected(elf.error());
    if (!elf->position_independent) return fail(host_path + ": is no library", ENOEXEC);
    const u64 begin = align_down(elf->begin(), mem::page_bytes);
    const i64 place = memory_.map(GuestAddr(0), elf->end() - begin, elf->segments[0].prot, MAP_PRIVATE,
                                  file.get(), align_down(elf->segments[0].offset, mem::page_bytes));
    if (place < 0) return fail(host_path + ": cannot be mapped: " + std::strerror(static_cast<int>(-place)));
    return LinkedFile{without_links(host_path), static_cast<u64>(place) - begin};
}

Result<LinkedFiles> Linker::link(const std::string& path) {
    const std::string host_path = sysroot_.translate(path);
    bool is_program = false;
    {
        const File file(host_path);
        if (!file) return fail(path + ": cannot be opened: " + std::strerror(errno), errno);
        const auto elf = parse_elf(file.get(), path, target_, memory_.limit());
        if (!elf) return tl::unexpected(elf.error());
        is_program = read_elf_code(file.get(), *elf).is_program;
    }
    LinkedFiles result;
    const auto add = [&](LinkedFile file) { result.files.push_back(std::move(file)); };
    if (is_program) {
        const std::string words[] = {path};
        const auto program = load_program(memory_, {.path = path,
                                                    .exec_name = path,
                                                    .args = words,
                                                    .environment = {},
                                                    .sysroot = sysroot_,
                                                    .target = target_,
                                                    .stack_bytes = stack_bytes_});
        if (!program) return tl::unexpected(program.error());
        add({program->executable, program->load_bias});
        if (!program->interpreter.empty()) add({program->interpreter, program->interpreter_base.raw});
    } else {
        auto library = map_library(host_path);
        if (!library) return tl::unexpected(library.error());
        add(std::move(*library));
    }
    std::vector<Wanted> wanted;
    want(result.files[0].path, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const std::string found = find(wanted[i]);
        // Some linkers are the C library as well, which programs name.
        if (std::ranges::find(result.files, found, &LinkedFile::path) != result.files.end()) continue;
        const auto library = found.empty() ? Result<LinkedFile>(fail("")) : map_library(found);
        if (!library) {
            result.missing.push_back(wanted[i].name);
            continue;
        }
        add(*library);
        want(library->path, wanted);
    }
    memory_.clear();
    return result;
}

}  // namespace kiln::user

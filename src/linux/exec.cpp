#include "linux/exec.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "linux/debuggee.h"
#include "linux/guest_memory.h"
#include "linux/keep_units.h"
#include "linux/own_descriptors.h"
#include "linux/proc_files.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

int own_fd = -1;

/// The kernel follows this many scripts that are interpreted by scripts.
constexpr int most_interpreters = 5;

/// Reads a list of strings that a null pointer ends; a null list is empty, as in the kernel.
i64 load_strings(const Thread& thread, u64 guest, std::vector<std::string>& strings) {
    if (guest == 0) return 0;
    u64 total = 0;
    for (;; guest += sizeof(u64)) {
        u64 pointer;
        if (!load(thread, guest, pointer)) return -EFAULT;
        if (pointer == 0) return 0;
        constexpr std::size_t longest = 32 * mem::page_bytes;
        std::optional<std::string> text = thread.process.memory.read_string(GuestAddr(pointer), longest);
        if (!text) return -EFAULT;
        total += text->size() + 1 + sizeof(u64);
        if (text->size() == longest || total > u64{6} << 20) return -E2BIG;
        strings.push_back(std::move(*text));
    }
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (std::string& text : strings) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

/// What a file is to execve(2). `privileged_guest`: a guest program that gives rights (set-uid, set-gid, file
/// capabilities), which only the kernel can grant.
enum class ProgramKind : u8 { guest, privileged_guest, script, other };

bool gives_rights(int file) {
    struct stat facts;
    if (::fstat(file, &facts) != 0) return false;
    if (facts.st_mode & S_ISUID) return true;
    // Without the right to execute for the group, S_ISGID once meant mandatory locking.
    if ((facts.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) return true;
    return ::fgetxattr(file, "security.capability", nullptr, 0) > 0;
}

ProgramKind kind_of(std::string_view head, const ElfTarget& target) {
    if (head.starts_with("#!")) return ProgramKind::script;
    if (head.size() < sizeof(Elf64_Ehdr)) return ProgramKind::other;
    Elf64_Ehdr header;
    std::memcpy(&header, head.data(), sizeof header);
    bool elf = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
    bool guest = elf && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
                 header.e_machine == target.machine;
    return guest ? ProgramKind::guest : ProgramKind::other;
}

/// Follows "#!" lines until there is a program, and says what it is: a kind, or minus an errno.
i64 resolve(const Process& process, ExecWork& work, ProgramKind& kind) {
    for (int depth = 0; depth <= most_interpreters; ++depth) {
        if (::faccessat(AT_FDCWD, work.host_path.c_str(), X_OK, AT_EACCESS) != 0) return -errno;
        int fd = ::open(work.host_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        // A program may be executable and not readable: the kernel can run it, kiln cannot look.
        if (fd < 0) {
            kind = ProgramKind::other;
            return 0;
        }
        char head[256];
        ssize_t bytes = ::read(fd, head, sizeof head);
        int error = errno;
        std::string_view text(head, static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
        kind = kind_of(text, process.arch.elf_target());
        if (kind == ProgramKind::guest && gives_rights(fd)) kind = ProgramKind::privileged_guest;
        ::close(fd);
        if (bytes < 0) return error == EISDIR ? -EACCES : -error;
        if (kind != ProgramKind::script) return 0;
        std::optional<Shebang> line = parse_shebang(text);
        if (!line) return -ENOEXEC;
        std::vector<std::string> args{line->interpreter};
        if (!line->argument.empty()) args.push_back(line->argument);
        args.push_back(work.path);
        if (!work.args.empty()) args.insert(args.end(), work.args.begin() + 1, work.args.end());
        work.args = std::move(args);
        work.path = line->interpreter;
        work.host_path = process.sysroot.translate(work.path);
    }
    return -ELOOP;
}

constexpr std::string_view descriptor_links = "/proc/self/fd/";

/// A program that only a descriptor leads to (a memfd, a file that was removed): a duplicate for the new kiln,
/// which stays open when the guest's own is closed by exec.
class ProgramFile {
  public:
    explicit ProgramFile(std::string_view host_path) {
        if (!host_path.starts_with(descriptor_links)) return;
        const int guests = std::atoi(host_path.data() + descriptor_links.size());
        fd_ = ::fcntl(guests, F_DUPFD, first_own_descriptor);
        if (fd_ < 0) fd_ = ::dup(guests);
    }
    ~ProgramFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    ProgramFile(const ProgramFile&) = delete;
    ProgramFile& operator=(const ProgramFile&) = delete;
    bool open() const { return fd_ >= 0; }
    std::string word() const { return "--program-file=" + std::to_string(fd_); }

  private:
    int fd_ = -1;
};

i64 execute(Thread& thread, std::unique_ptr<ExecWork> fresh) {
    const Process& process = thread.process;
    // The thread keeps it: a child of vfork(2) never comes back from the call to free it.
    thread.exec_work = std::move(fresh);
    ExecWork& work = *thread.exec_work;
    ProgramKind kind;
    if (i64 error = resolve(process, work, kind); error < 0) return error;
    // The host's mask is the guest's already. A signal before the call is delivered first; in the call it
    // stays pending for the new program.
    const MemoryLimits limits = thread.memory_limits();
    auto run_by_kernel = [&] {
        HostBound bound(limits);
        work.argv = pointers(work.args);
        return safe_syscall(thread, SYS_execve, work.host_path.c_str(), work.argv.data(), work.envp.data());
    };
    work.envp = pointers(work.environment);
    const bool guest = kind == ProgramKind::guest || kind == ProgramKind::privileged_guest;
    // The kernel grants a guest program's rights where binfmt_misc has an entry for it; if there is none
    // (ENOEXEC), the program runs without them, as in a file system mounted nosuid. That entry also serves
    // where kiln's own file is out of reach.
    if (kind != ProgramKind::guest || own_fd < 0)
        if (i64 result = run_by_kernel(); !guest || result != -ENOEXEC || own_fd < 0) return result;
    keep_units(thread, Next::another_program);
    work.command = {"kiln", "run"};
    const auto& options = process.request.nested_options;
    work.command.insert(work.command.end(), options.begin(), options.end());
    if (!process.saves_units) work.command.push_back("--cache=ro");
    if (work.exec_name != work.path) work.command.push_back("--exec-name=" + work.exec_name);
    const ProgramFile file(work.host_path);
    if (file.open()) work.command.push_back(file.word());
    if (std::string word = limits.word(); !word.empty()) work.command.push_back(std::move(word));
    int connection = -1;
    if (process.debugged != nullptr)
        if (std::string word = process.debugged->connection_for_program(thread, connection); !word.empty())
            work.command.push_back(std::move(word));
    work.command.insert(work.command.end(), {"-0", work.args.empty() ? "" : work.args[0], "--", work.path});
    if (!work.args.empty()) work.command.insert(work.command.end(), work.args.begin() + 1, work.args.end());
    work.argv = pointers(work.command);
    const i64 result =
        safe_syscall(thread, SYS_execveat, own_fd, "", work.argv.data(), work.envp.data(), AT_EMPTY_PATH);
    if (connection >= 0) ::close(connection);
    return result;
}

/// Reads the lists of both calls and goes on with a path that is known.
i64 execute_with(Thread& thread, std::string path, u64 args, u64 environment) {
    auto work = std::make_unique<ExecWork>();
    if (i64 error = load_strings(thread, args, work->args); error < 0) return error;
    if (i64 error = load_strings(thread, environment, work->environment); error < 0) return error;
    if (std::optional<std::string> self = proc_link_target(thread.process, path)) path = *self;
    work->host_path = thread.process.sysroot.translate(path);
    work->path = work->exec_name = std::move(path);
    return execute(thread, std::move(work));
}

/// The path that an open descriptor stands for; what the host calls it if it has none.
std::string path_of_descriptor(int fd) {
    std::string link = std::string(descriptor_links) + std::to_string(fd);
    char target[PATH_MAX];
    ssize_t bytes = ::readlink(link.c_str(), target, sizeof target);
    if (bytes <= 0 || target[0] != '/') return link;
    std::string path(target, static_cast<std::size_t>(bytes));
    return ::access(path.c_str(), F_OK) == 0 ? path : link;
}

std::optional<std::string> load_path(const Thread& thread, u64 guest) {
    return thread.process.memory.read_string(GuestAddr(guest), PATH_MAX);
}

}  // namespace

void open_own_executable(bool started_by_binfmt) {
    int low = ::open("/proc/self/exe", O_PATH | O_CLOEXEC);
    // Without /proc: the path that kiln was started by, if that was kiln's (under binfmt_misc it is not).
    const u64 name = ::getauxval(AT_EXECFN);
    if (low < 0 && !started_by_binfmt && name != 0)
        low = ::open(reinterpret_cast<const char*>(name), O_PATH | O_CLOEXEC);
    if (low < 0) return;
    own_fd = ::fcntl(low, F_DUPFD_CLOEXEC, first_own_descriptor);
    if (own_fd < 0)
        own_fd = low;
    else
        ::close(low);
}

int own_executable() { return own_fd; }
void move_own_executable(int fd) { own_fd = fd; }

i64 calls::execve(Thread& thread, const Call& call) {
    std::optional<std::string> path = load_path(thread, call[0]);
    if (!path) return -EFAULT;
    if (path->empty()) return -ENOENT;
    if (path->size() >= PATH_MAX) return -ENAMETOOLONG;
    return execute_with(thread, std::move(*path), call[1], call[2]);
}

i64 calls::execveat(Thread& thread, const Call& call) {
    std::optional<std::string> path = load_path(thread, call[1]);
    if (!path) return -EFAULT;
    if (path->size() >= PATH_MAX) return -ENAMETOOLONG;
    int flags = call.word(4), directory = call.word(0);
    if (path->empty() && !(flags & AT_EMPTY_PATH)) return -ENOENT;
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -EINVAL;
    if (path->empty()) {
        path = path_of_descriptor(directory);
    } else if ((*path)[0] != '/' && directory != AT_FDCWD) {
        path = path_of_descriptor(directory) + "/" + *path;
    }
    if (flags & AT_SYMLINK_NOFOLLOW) {
        struct stat facts;
        if (::lstat(path->c_str(), &facts) == 0 && S_ISLNK(facts.st_mode)) return -ELOOP;
    }
    return execute_with(thread, std::move(*path), call[2], call[3]);
}

}  // namespace kiln::user

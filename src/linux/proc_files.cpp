#include "linux/proc_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "linux/exec.h"
#include "linux/proc_memory.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

std::string_view own_entry(std::string_view path) {
    if (!path.starts_with("/proc/")) return {};
    path.remove_prefix(6);
    std::string pid = std::to_string(getpid());
    for (std::string_view name :
         {std::string_view("self"), std::string_view("thread-self"), std::string_view(pid)}) {
        if (!path.starts_with(name) || !path.substr(name.size()).starts_with('/')) continue;
        path.remove_prefix(name.size() + 1);
        // What is said of a thread's memory is true of the process's.
        if (constexpr std::string_view tasks = "task/"; path.starts_with(tasks)) {
            const std::size_t tid_end = path.find('/', tasks.size());
            if (tid_end == path.npos) return {};
            path.remove_prefix(tid_end + 1);
            if (path == "status") return {};
        }
        return path;
    }
    return {};
}

namespace {

/// What a symbolic link of /proc holds; empty if it cannot be read.
std::string link_text(const std::string& link) {
    char path[PATH_MAX];
    const ssize_t bytes = ::readlink(link.c_str(), path, sizeof path);
    return std::string(path, static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
}

}  // namespace

std::string shown_path_of(int fd) { return link_text("/proc/self/fd/" + std::to_string(fd)); }

std::string own_entry_of(int fd) { return std::string(own_entry(shown_path_of(fd))); }

std::string proc_path(int directory, std::string_view relative) {
    const std::string_view name = relative.substr(relative.rfind('/') + 1);
    constexpr std::string_view names[] = {"exe",  "maps",    "smaps",   "smaps_rollup", "numa_maps",
                                          "auxv", "cmdline", "environ", "status",       "cpuinfo"};
    if (std::ranges::find(names, name) == std::end(names)) return {};
    const std::string from = directory == AT_FDCWD ? link_text("/proc/self/cwd") : shown_path_of(directory);
    return from.starts_with("/proc") ? from + "/" + std::string(relative) : std::string();
}

std::string file_contents(const std::string& path) {
    std::string text;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return text;
    char buffer[4096];
    for (ssize_t bytes; (bytes = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(bytes));
    ::close(fd);
    return text;
}

namespace {

/// Puts `mask` behind `key` where `text` has a line for it.
void set_mask_line(std::string& text, std::string_view key, SignalMask mask) {
    constexpr std::size_t digits = 16;
    const std::size_t at = text.find(key);
    if (at == text.npos || text.size() < at + key.size() + digits) return;
    char number[digits + 1];
    std::snprintf(number, sizeof number, "%016lx", mask.bits);
    text.replace(at + key.size(), digits, number);
}

/// /proc/self/status: the host's at `path`, with the signals as the guest handles them. Empty if the host has
/// none.
std::string status_text(const Thread& thread, const std::string& path) {
    std::string text = file_contents(path);
    SignalMask ignored, caught;
    for (int signal = 1; signal <= signal_count; ++signal) {
        constexpr u64 ignore = 1;  // SIG_IGN; SIG_DFL is less, functions are more
        const u64 handler = thread.signals->get(signal).handler;
        if (handler == ignore) ignored = ignored | SignalMask::of(signal);
        if (handler > ignore) caught = caught | SignalMask::of(signal);
    }
    set_mask_line(text, "\nSigBlk:\t", thread.mask);
    set_mask_line(text, "\nSigIgn:\t", ignored);
    set_mask_line(text, "\nSigCgt:\t", caught);
    return text;
}

bool same_file(const std::string& one, const std::string& other) {
    struct stat a, b;
    return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/// The program of the process that `folder` (/proc/<pid>) is of, if that process is another kiln: the file
/// that is mapped where, as show_on_host() had the kernel note it, the program's code begins.
std::optional<std::string> program_of_other(const std::string& folder) {
    if (!same_file("/proc/self/exe", folder + "/exe")) return std::nullopt;
    // proc(5): 24th behind the name, which may hold anything.
    const std::string stat = file_contents(folder + "/stat");
    std::size_t at = stat.rfind(')');
    for (int field = 0; field < 24 && at != stat.npos; ++field) at = stat.find(' ', at + 1);
    if (at == stat.npos) return std::nullopt;
    const u64 code = std::strtoull(stat.c_str() + at, nullptr, 10);
    const std::string maps = file_contents(folder + "/maps");
    for (std::size_t line = 0; line < maps.size();) {
        const std::size_t end = std::min(maps.find('\n', line), maps.size());
        unsigned long first, last;
        int name = 0;
        if (std::sscanf(maps.c_str() + line, "%lx-%lx %*s %*s %*s %*s %n", &first, &last, &name) == 2 &&
            first <= code && code < last && maps[line + static_cast<std::size_t>(name)] == '/')
            return maps.substr(line + static_cast<std::size_t>(name),
                               end - line - static_cast<std::size_t>(name));
        line = end + 1;
    }
    return std::nullopt;
}

/// A descriptor that reads `text`.
i64 file_with(std::string_view text, int host_flags) {
    i64 fd = host_syscall(SYS_memfd_create, reinterpret_cast<u64>("proc"),
                          host_flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0) return fd;
    while (!text.empty()) {
        ssize_t written = ::write(static_cast<int>(fd), text.data(), text.size());
        if (written <= 0) {
            int code = errno;
            ::close(static_cast<int>(fd));
            return -code;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(static_cast<int>(fd), 0, SEEK_SET);
    return fd;
}

/// The bytes from `begin` to `end`, as far as the guest still has them: programs write their titles there.
std::string guest_text(const Process& process, GuestAddr begin, GuestAddr end) {
    std::string text(end - begin, '\0');
    if (!process.memory.read(begin, text.data(), text.size())) text.clear();
    return text;
}

}  // namespace

std::optional<i64> open_proc_file(Thread& thread, const std::string& path, int host_flags) {
    if (!path.starts_with("/proc/")) return std::nullopt;
    Process& process = thread.process;
    std::string_view entry = own_entry(path);
    // A program that runs is not to be written to; to the host it is only a file that kiln has mapped.
    const bool writes = (host_flags & O_ACCMODE) != O_RDONLY || host_flags & O_TRUNC;
    if (entry == "exe" && writes && !(host_flags & (O_PATH | O_NOFOLLOW))) return -ETXTBSY;
    std::string text;
    if (auto listing = memory_listing(process, entry))
        text = std::move(*listing);
    else if (entry == "auxv")
        text.assign(process.program.auxv.begin(), process.program.auxv.end());
    else if (entry == "cmdline")
        text = guest_text(process, process.program.args_begin, process.program.args_end);
    else if (entry == "environ")
        text = guest_text(process, process.program.args_end, process.program.environment_end);
    else if (entry == "status")
        text = status_text(thread, path);
    else if (path == "/proc/cpuinfo")
        text = process.arch.cpuinfo(static_cast<unsigned>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))));
    else
        return std::nullopt;
    if ((host_flags & O_ACCMODE) != O_RDONLY) return -EACCES;
    return file_with(text, host_flags);
}

std::optional<std::string> proc_link_target(const Process& process, const std::string& path) {
    if (own_entry(path) == "exe") return process.program.executable;
    constexpr std::string_view begin = "/proc/", end = "/exe";
    if (!path.starts_with(begin) || !path.ends_with(end)) return std::nullopt;
    const std::string_view pid =
        std::string_view(path).substr(begin.size(), path.size() - begin.size() - end.size());
    if (pid.empty() || pid.find_first_not_of("0123456789") != pid.npos) return std::nullopt;
    return program_of_other(path.substr(0, path.size() - end.size()));
}

}  // namespace kiln::user

#include "linux/own_descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "linux/exec.h"
#include "linux/proc_files.h"

namespace kiln::user {

std::array<int, 3> own_descriptors(const Process& process) {
    return {own_executable(), process.sysroot.descriptor(), log_fd() > 2 ? log_fd() : -1};
}

bool is_own_descriptor(const Process& process, int fd) {
    const auto own = own_descriptors(process);
    return fd >= 0 && std::ranges::find(own, fd) != own.end();
}

void vacate_descriptor(const Process& process, int fd) {
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, first_own_descriptor);
    if (fd == own_executable()) move_own_executable(moved);
    if (fd == process.sysroot.descriptor()) process.sysroot.move_descriptor(moved);
    if (fd == log_fd()) log_move(moved >= 0 ? moved : STDERR_FILENO);
}

bool lists_descriptors(int fd) {
    struct statfs facts;
    if (::fstatfs(fd, &facts) != 0 || facts.f_type != PROC_SUPER_MAGIC) return false;
    const std::string entry = own_entry_of(fd);
    return entry == "fd" || entry == "fdinfo";
}

std::size_t without_own_descriptors(const Process& process, std::span<u8> entries) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < entries.size();) {
        u16 bytes;
        std::memcpy(&bytes, &entries[at + offsetof(dirent64, d_reclen)], sizeof bytes);
        const auto* name = reinterpret_cast<const char*>(&entries[at + offsetof(dirent64, d_name)]);
        int fd = -1;
        std::from_chars(name, name + std::strlen(name), fd);
        if (!is_own_descriptor(process, fd)) {
            std::memmove(&entries[kept], &entries[at], bytes);
            kept += bytes;
        }
        at += bytes;
    }
    return kept;
}

}  // namespace kiln::user

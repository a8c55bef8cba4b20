#include "linux/own_descriptors.h"

#include <fcntl.h>

#include <algorithm>

#include "linux/exec.h"
#include "linux/other_guests.h"

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
    show_descriptors(own_descriptors(process));
}

}  // namespace kiln::user

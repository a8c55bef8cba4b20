#include "linux/sysroot.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "linux/own_descriptors.h"

namespace kiln::user {
namespace {

bool is_directory(const std::string& path) {
    struct stat status;
    return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// `more`: what openat2(2) shall not do besides leaving the root.
int open_in_root(int root, const char* path, LastLink last, u64 more) {
    struct open_how how{};
    how.flags = O_PATH | O_CLOEXEC | (last == LastLink::keep ? O_NOFOLLOW : 0);
    how.resolve = RESOLVE_IN_ROOT | more;
    return static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
}

/// The one name of what the descriptor is of; empty: there is no /proc.
std::string name_of(int descriptor) {
    // The calling thread may have descriptors of its own (the debugger's does).
    const std::string link = "/proc/thread-self/fd/" + std::to_string(descriptor);
    char target[4096];
    const ssize_t bytes = readlink(link.c_str(), target, sizeof target);
    return bytes <= 0 ? std::string() : std::string(target, static_cast<size_t>(bytes));
}

}  // namespace

Sysroot::Sysroot(std::string directory) : directory_(std::move(directory)) {
    while (!directory_.empty() && directory_.back() == '/') directory_.pop_back();
    if (directory_.empty() || !is_directory(directory_)) {
        directory_.clear();
        return;
    }
    descriptor_ = open_directory();
    name_ = name_of(descriptor_);
}

Sysroot::~Sysroot() {
    if (descriptor_ >= 0) close(descriptor_);
}

int Sysroot::open_directory() const {
    const int low = open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (low < 0) return -1;
    const int high = fcntl(low, F_DUPFD_CLOEXEC, first_own_descriptor);
    if (high < 0) return low;
    close(low);
    return high;
}

std::string Sysroot::translate(std::string_view guest_path, LastLink last) const {
    std::string path(guest_path);
    if (directory_.empty() || path.empty() || path[0] != '/') return path;
    // Where no link is on the way, nobody has to be asked where it leads: that takes as long as all the rest.
    // The result is to be the path's one name.
    bool follows =
        name_.empty() || path.find("/.") != path.npos || path.find("//") != path.npos || path.back() == '/';
    const auto open_path = [&] {
        const int opened = follows ? -1 : open_in_root(descriptor_, path.c_str(), last, RESOLVE_NO_SYMLINKS);
        follows |= opened < 0 && errno == ELOOP;
        return follows ? open_in_root(descriptor_, path.c_str(), last, 0) : opened;
    };
    int found = open_path();
    if (found < 0 && errno == EBADF) {  // closed by the guest
        descriptor_ = open_directory();
        found = open_path();
    }
    if (found >= 0 && !follows) {
        close(found);
        return name_ + path;
    }
    if (found < 0) {
        if (errno != ENOSYS && errno != EPERM) return path;
        // A kernel before 5.6, or one that may not be asked: then absolute links lead to the host.
        std::string inside = directory_ + path;
        const int flags = last == LastLink::keep ? AT_SYMLINK_NOFOLLOW : 0;
        return faccessat(AT_FDCWD, inside.c_str(), F_OK, flags) == 0 ? inside : path;
    }
    const std::string name = name_of(found);
    close(found);
    return name.empty() ? directory_ + path : name;
}

std::string choose_sysroot(const std::optional<std::string>& asked, const char* qemu_ld_prefix,
                           std::string_view machine) {
    if (asked) return *asked;
    if (qemu_ld_prefix && is_directory(qemu_ld_prefix)) return qemu_ld_prefix;
    for (std::string path :
         {"/etc/qemu-binfmt/" + std::string(machine), "/usr/" + std::string(machine) + "-linux-gnu"})
        if (is_directory(path)) return path;
    return {};
}

}  // namespace kiln::user

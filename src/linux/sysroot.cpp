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

int open_in_root(int root, const char* path, LastLink last) {
    struct open_how how{};
    how.flags = O_PATH | O_CLOEXEC | (last == LastLink::keep ? O_NOFOLLOW : 0);
    how.resolve = RESOLVE_IN_ROOT;
    return static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
}

}  // namespace

Sysroot::Sysroot(std::string directory) : directory_(std::move(directory)) {
    while (!directory_.empty() && directory_.back() == '/') directory_.pop_back();
    if (directory_.empty() || !is_directory(directory_)) {
        directory_.clear();
        return;
    }
    descriptor_ = open_directory();
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
    int found = open_in_root(descriptor_, path.c_str(), last);
    if (found < 0 && errno == EBADF) {  // closed by the guest
        descriptor_ = open_directory();
        found = open_in_root(descriptor_, path.c_str(), last);
    }
    if (found < 0) {
        if (errno != ENOSYS && errno != EPERM) return path;
        // A kernel before 5.6, or one that may not be asked: then absolute links lead to the host.
        std::string inside = directory_ + path;
        const int flags = last == LastLink::keep ? AT_SYMLINK_NOFOLLOW : 0;
        return faccessat(AT_FDCWD, inside.c_str(), F_OK, flags) == 0 ? inside : path;
    }
    // The calling thread may have descriptors of its own (the debugger's does).
    const std::string link = "/proc/thread-self/fd/" + std::to_string(found);
    char target[4096];
    const ssize_t bytes = readlink(link.c_str(), target, sizeof target);
    close(found);
    if (bytes <= 0) return directory_ + path;  // no /proc
    return std::string(target, static_cast<size_t>(bytes));
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

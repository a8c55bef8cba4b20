// Where absolute guest paths are looked up: first in a directory that holds a system of the guest's
// architecture (its dynamic linker and libraries), then on the host. As qemu-user's -L does.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::user {

/// Whether the last symbolic link of a path is followed, as a system call's AT_SYMLINK_NOFOLLOW says.
enum class LastLink : bool { keep, follow };

class Sysroot {
  public:
    /// No sysroot: every path is the host's.
    Sysroot() = default;
    /// `directory` empty or not a directory: no sysroot.
    explicit Sysroot(std::string directory);
    ~Sysroot();
    Sysroot(const Sysroot&) = delete;
    Sysroot& operator=(const Sysroot&) = delete;

    const std::string& directory() const { return directory_; }
    /// The host path for a path the guest gives: the sysroot's file if the path is absolute and it exists
    /// there, else the path itself. Symbolic links inside the sysroot stay inside, absolute ones too. Any
    /// thread.
    std::string translate(std::string_view guest_path, LastLink last = LastLink::follow) const;
    /// The descriptor the lookups use, which is none of the guest's; -1: none. Lookups go on if the guest
    /// closes it all the same.
    int descriptor() const { return descriptor_; }
    /// From now on it is this one; -1: closed.
    void move_descriptor(int fd) const { descriptor_ = fd; }

  private:
    int open_directory() const;

    std::string directory_;
    std::string name_;  // of the directory, without links; empty: not known
    mutable std::atomic<int> descriptor_ = -1;
};

/// The directory to use for `machine` (as uname -m says it): what the user asked for, else the value of
/// QEMU_LD_PREFIX, else /etc/qemu-binfmt/<machine>, else /usr/<machine>-linux-gnu; the last two and the
/// second only if they exist. Empty: none. An empty answer of the user's means none.
std::string choose_sysroot(const std::optional<std::string>& asked, const char* qemu_ld_prefix,
                           std::string_view machine);

}  // namespace kiln::user

// Guest pointers in system call arguments. What the host kernel reads or writes itself is handed over as a
// host address, and the kernel says EFAULT; what kiln converts is copied, and a failed copy is EFAULT.
#pragma once

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// An address that the kernel refuses, with EFAULT when it comes to it: what else is wrong with the call may come
/// first. So it takes the place of what kiln could not read, too.
template <class T = void>
T* refused_pointer() {
    return reinterpret_cast<T*>(u64{1} << 63);
}

/// The host address of a guest pointer for the kernel: null stays null, and what lies outside the guest's
/// address space becomes one that the kernel refuses, as aligned as it was.
template <class T = void>
T* host_pointer(const Thread& thread, u64 guest, u64 bytes = 1) {
    if (guest == 0) return nullptr;
    const mem::AddressSpace& memory = thread.process.memory;
    if (memory.contains(GuestAddr(guest), bytes)) return reinterpret_cast<T*>(memory.host(GuestAddr(guest)));
    return reinterpret_cast<T*>(u64{1} << 63 | guest % mem::page_bytes);
}

/// Reads a T; false when it cannot be read.
template <class T>
bool load(const Thread& thread, u64 guest, T& value) {
    return thread.process.memory.read(GuestAddr(guest), &value, sizeof value);
}

/// Reads a structure that newer kernels may know more members of: the guest's has `bytes`, what it lacks of a T is
/// zero. 0, or minus an errno: EINVAL for less than `least` bytes, EFAULT, E2BIG for members that mean something here
/// unknown (copy_struct_from_user() in the kernel, after the check of the length that all such calls have).
template <class T>
i64 load_extensible(const Thread& thread, u64 guest, u64 bytes, u64 least, T& value) {
    if (bytes < least) return -EINVAL;
    if (bytes > mem::page_bytes) return -E2BIG;
    for (u64 at = sizeof value; at < bytes; ++at) {
        u8 unknown;
        if (!load(thread, guest + at, unknown)) return -EFAULT;
        if (unknown != 0) return -E2BIG;
    }
    value = T{};
    return thread.process.memory.read(GuestAddr(guest), &value, std::min<u64>(bytes, sizeof value)) ? 0
                                                                                                    : -EFAULT;
}

/// Writes a T; false when it cannot be written.
template <class T>
bool store(Thread& thread, u64 guest, const T& value) {
    return thread.process.memory.write(GuestAddr(guest), &value, sizeof value);
}

/// A path argument as the host takes it: absolute paths are looked up in the sysroot first.
class PathArg {
  public:
    /// `directory`: where relative paths begin, as openat(2) has it.
    PathArg(Thread& thread, u64 guest, LastLink last, int directory = at_working_directory);
    /// For the host's kernel, which also says what is wrong with it.
    const char* host() const { return pointer_; }
    /// The path as the guest wrote it if that is absolute, or a file below /proc that speaks of a process by any path; else,
    /// and if it cannot be read, empty.
    const std::string& absolute() const { return absolute_; }

  private:
    static constexpr int at_working_directory = -100;  // AT_FDCWD, here and in every guest
    std::string absolute_;
    std::string translated_;
    const char* pointer_;
};

}  // namespace kiln::user

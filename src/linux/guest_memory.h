// Guest pointers in system call arguments. What the host kernel reads or writes itself is handed over as a
// host address, and the kernel says EFAULT; what kiln converts is copied, and a failed copy is EFAULT.
#pragma once

#include <cerrno>
#include <optional>
#include <string>

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// The host address of a guest pointer for the kernel: null stays null, and what lies outside the guest's
/// address space becomes an address that the kernel refuses.
template <class T = void>
T* host_pointer(const Thread& thread, u64 guest, u64 bytes = 1) {
    if (guest == 0) return nullptr;
    const mem::AddressSpace& memory = thread.process.memory;
    if (!memory.contains(GuestAddr(guest), bytes)) return reinterpret_cast<T*>(u64{1} << 63);
    return reinterpret_cast<T*>(memory.host(GuestAddr(guest)));
}

/// Reads a T; false when it cannot be read.
template <class T>
bool load(const Thread& thread, u64 guest, T& value) {
    return thread.process.memory.read(GuestAddr(guest), &value, sizeof value);
}

/// Writes a T; false when it cannot be written.
template <class T>
bool store(Thread& thread, u64 guest, const T& value) {
    return thread.process.memory.write(GuestAddr(guest), &value, sizeof value);
}

/// A path argument as the host takes it: absolute paths are looked up in the sysroot first.
class PathArg {
  public:
    PathArg(Thread& thread, u64 guest, LastLink last = LastLink::follow);
    /// For the host's kernel, which also says what is wrong with it.
    const char* host() const { return pointer_; }
    /// The path as the guest wrote it; empty for relative paths and for those that cannot be read.
    const std::string& absolute() const { return absolute_; }

  private:
    std::string absolute_;
    std::string translated_;
    const char* pointer_;
};

}  // namespace kiln::user

#include "linux/guest_memory.h"

#include <climits>

namespace kiln::user {

PathArg::PathArg(Thread& thread, u64 guest, LastLink last)
    : pointer_(host_pointer<const char>(thread, guest)) {
    char first = 0;
    if (!load(thread, guest, first) || first != '/') return;
    std::optional<std::string> path = thread.process.memory.read_string(GuestAddr(guest), PATH_MAX);
    if (!path || path->size() >= PATH_MAX) return;
    absolute_ = std::move(*path);
    translated_ = thread.process.sysroot.translate(absolute_, last);
    pointer_ = translated_.c_str();
}

}  // namespace kiln::user

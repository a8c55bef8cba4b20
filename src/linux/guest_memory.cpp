#include "linux/guest_memory.h"

#include <climits>

#include "linux/proc_files.h"

namespace kiln::user {

PathArg::PathArg(Thread& thread, u64 guest, LastLink last)
    : pointer_(host_pointer<const char>(thread, guest)) {
    char first = 0;
    if (!load(thread, guest, first) || first != '/') return;
    std::optional<std::string> path = thread.process.memory.read_string(GuestAddr(guest), PATH_MAX);
    if (!path || path->size() >= PATH_MAX) return;
    absolute_ = std::move(*path);
    // A link that the host follows would lead to kiln.
    std::optional<std::string> program;
    if (last == LastLink::follow) program = proc_link_target(thread.process, absolute_);
    translated_ = program ? *program : thread.process.sysroot.translate(absolute_, last);
    pointer_ = translated_.c_str();
}

}  // namespace kiln::user

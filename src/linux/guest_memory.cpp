#include "linux/guest_memory.h"

#include <climits>

#include "linux/proc_files.h"

namespace kiln::user {

PathArg::PathArg(Thread& thread, u64 guest, LastLink last, int directory)
    : pointer_(host_pointer<const char>(thread, guest)) {
    std::optional<std::string> path = thread.process.memory.read_string(GuestAddr(guest), PATH_MAX);
    if (!path || path->empty() || path->size() >= PATH_MAX) return;
    const bool relative = (*path)[0] != '/';
    absolute_ = relative ? proc_path(directory, *path) : std::move(*path);
    if (absolute_.empty()) return;
    // A link that the host follows would lead to kiln.
    std::optional<std::string> program;
    if (last == LastLink::follow) program = proc_link_target(thread.process, absolute_);
    if (relative && !program) return;
    translated_ = program ? *program : thread.process.sysroot.translate(absolute_, last);
    pointer_ = translated_.c_str();
}

}  // namespace kiln::user

// The files of /proc that must speak of the guest instead of kiln: exe, maps, auxv, cmdline, environ and
// status of the process itself, and cpuinfo. Also the descriptors that belong to kiln, which the guest may not
// close.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// Opens `path` if it is one of these files: a descriptor or minus an errno. None: the host opens it.
std::optional<i64> open_proc_file(Thread& thread, const std::string& path, int host_flags);
/// What the symbolic link `path` holds, if it is /proc/self/exe by any of its names, or the exe of another guest.
std::optional<std::string> proc_link_target(const Process& process, const std::string& path);

/// The text of /proc/self/maps.
std::string maps_text(const Process& process);

/// Descriptors that kiln uses itself, ascending; -1: none.
std::array<int, 3> own_descriptors(const Process& process);
bool is_own_descriptor(const Process& process, int fd);
/// Moves kiln's descriptor `fd` to another number; where there is none, kiln does without it.
void vacate_descriptor(const Process& process, int fd);

}  // namespace kiln::user

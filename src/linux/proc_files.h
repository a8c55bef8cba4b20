// The files of /proc that must speak of the guest instead of kiln: exe, maps, auxv, cmdline, environ and
// status of the process itself, and cpuinfo. Its mem is the host's, at other offsets where guest addresses are not the
// host's (io.cpp); its fd is the host's without kiln's own descriptors (own_descriptors.h).
#pragma once

#include <optional>
#include <string>

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// What follows /proc/self/ in `path`, whichever way it names this process; empty if it does not. Of a thread's files,
/// those that say something of the process.
std::string_view own_entry(std::string_view path);
/// The same of the path that the descriptor `fd` was opened by.
std::string own_entry_of(int fd);

/// The absolute path of `relative`, seen from `directory` (a descriptor or AT_FDCWD), if that may be one of these files;
/// empty if not.
std::string proc_path(int directory, std::string_view relative);

/// Opens `path` if it is one of these files: a descriptor or minus an errno. None: the host opens it.
std::optional<i64> open_proc_file(Thread& thread, const std::string& path, int host_flags);
/// What the symbolic link `path` holds, if it is /proc/self/exe by any of its names, or the exe of another guest.
std::optional<std::string> proc_link_target(const Process& process, const std::string& path);

/// The text of /proc/self/maps.
std::string maps_text(const Process& process);

}  // namespace kiln::user

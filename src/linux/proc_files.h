// The files of /proc that must speak of the guest instead of kiln: exe, auxv, cmdline, environ and status of the process
// itself, what lists its memory (proc_memory.h), and cpuinfo. Its mem and pagemap are the host's, at other offsets where
// guest addresses are not the host's (io.cpp); its fd and map_files are the host's without what is kiln's own
// (proc_folders.h).
#pragma once

#include <optional>
#include <string>

#include "linux/process.h"
#include "linux/thread.h"

namespace kiln::user {

/// What follows /proc/self/ in `path`, whichever way it names this process; empty if it does not. Of a thread's files,
/// those that say something of the process.
std::string_view own_entry(std::string_view path);
/// The path that the descriptor `fd` was opened by, as the kernel shows it; empty if there is none.
std::string shown_path_of(int fd);
/// own_entry() of that path.
std::string own_entry_of(int fd);

/// The absolute path of `relative`, seen from `directory` (a descriptor or AT_FDCWD), if that may be one of these files;
/// empty if not.
std::string proc_path(int directory, std::string_view relative);

/// Opens `path` if it is one of these files: a descriptor or minus an errno. None: the host opens it.
std::optional<i64> open_proc_file(Thread& thread, const std::string& path, int host_flags);
/// What the symbolic link `path` holds, if it is /proc/self/exe by any of its names, or the exe of another guest.
std::optional<std::string> proc_link_target(const Process& process, const std::string& path);

/// All of a file of the host's /proc; empty if it cannot be read.
std::string file_contents(const std::string& path);

}  // namespace kiln::user

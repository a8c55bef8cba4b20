// The descriptors that kiln itself has open in the guest's process: its executable, the sysroot, the log. The guest
// neither sees nor reaches them: calls with one of these numbers answer EBADF (dispatch.cpp), and /proc/self/fd does
// not list them (proc_folders.h). They make room where the guest wants the number for itself.
#pragma once

#include <array>

#include "linux/process.h"

namespace kiln::user {

/// The lowest number that kiln takes for itself: above what programs count on getting, below the usual limit of 1024.
inline constexpr int first_own_descriptor = 900;
/// A number that no process can have open, for the kernel to refuse.
inline constexpr int no_descriptor = 0x7fffffff;

/// All of them; -1: none.
std::array<int, 3> own_descriptors(const Process& process);
bool is_own_descriptor(const Process& process, int fd);
/// Moves kiln's descriptor `fd` to another number; where there is none, kiln does without it.
void vacate_descriptor(const Process& process, int fd);

}  // namespace kiln::user

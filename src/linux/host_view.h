// What the rest of the machine sees of a guest in /proc/<pid>: its own name, command line and environment, as if
// kiln were not there. Other guests look there too.
#pragma once

#include "linux/process.h"

namespace kiln::user {

/// Gives this process the program's name, arguments and environment; the strings are those in guest memory, so
/// that what the program writes over them shows. Where the kernel does not let us (it was built without
/// CONFIG_CHECKPOINT_RESTORE, or a filter forbids it) the command line stays kiln's.
void show_on_host(const Process& process);

}  // namespace kiln::user

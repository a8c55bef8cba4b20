// The first contents of a guest's stack. For linux/loader*.cpp only.
#pragma once

#include "linux/loader.h"

namespace kiln::user {

/// Maps the stack, writes arguments, environment and auxiliary vector to its end as execve(2) does, and fills
/// in the members of `program` that say where; the other members hold already.
Result<void> make_stack(mem::AddressSpace& memory, const LoadRequest& request, const ElfFile& elf,
                        LoadedProgram& program);

}  // namespace kiln::user

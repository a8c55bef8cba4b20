// Memory for units (code.h). They are many and small, and most are freed together, when the engine evicts: so they are
// cut from chunks, and a chunk goes back to the host with its last unit. What is free in the others is used again, by
// size. Chunks have their pages from the start, because a fault for each costs more than clearing those that stay unused.
#pragma once

#include <cstddef>

namespace kiln::interp {

/// `bytes` of memory without a value, aligned for any member of a unit. Any thread; never null.
void* take_unit_memory(std::size_t bytes);
/// Takes back what take_unit_memory() gave. Any thread.
void give_unit_memory(void* memory);

/// Between these calls, by one thread, no other is in the two above: so that a child of fork() can go on.
void lock_unit_memory();
void unlock_unit_memory();

}  // namespace kiln::interp

// Tier 0: running flattened code. The reference semantics of the IR, and the engine everything falls back to.
#pragma once

#include "interp/code.h"

namespace kiln::interp {

/// Runs from `entry`, through every unit linked from there, until one is left with a reason. The context's pc
/// slot is then as abi/exit_reasons.def says. FP exception flags raised meanwhile are in Context::fp_flags
/// afterwards; the calling thread's own are lost. Needs a handler for SIGSEGV and SIGBUS that calls
/// mem::recover_fault(), and Context::jump_cache.
abi::ExitReason run(const Code* entry, abi::Context& context);

/// Links the direct exit that run() left with (Context::link_site) to `target`; null unlinks it. Any thread
/// may be executing it.
void link(const void* site, const Code* target);

/// Makes `unit` count how often it is entered from now on, and when that has been `entries` times, leave for a lookup of
/// its pc instead of running. Before anybody can enter it, or again when it counts already. Threads that enter at once
/// may be counted as one.
void count_entries(Unit& unit, u16 entries);
/// How many of those are left.
u16 entries_left(Unit& unit);

/// From now on, whoever enters `unit` goes on at `target`, or leaves for a lookup of the unit's pc while that
/// is null. Any thread may be executing the unit.
void forward(Unit& unit, const Code* target);

/// From now on, whoever enters `unit`, which is not suspended, leaves for a lookup of its pc, until resume(). Any thread
/// may be executing it.
void suspend(Unit& unit);
void resume(Unit& unit);
/// Unlinks the unit's direct exits to units that forward or are suspended. No other thread links meanwhile.
void unlink_stale(Unit& unit);

}  // namespace kiln::interp

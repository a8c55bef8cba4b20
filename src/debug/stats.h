// The report of --stats: what the engine did in this process, from the counters (base/counters.def), the
// kernel's account of the process, and lists whose rows other tables name (exits, system calls).
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "base/options.h"

namespace kiln::debug {

/// Begins the report's wall time. Before anything else that should count.
void start_stats();

struct StatsInput {
    std::string_view program;
    /// Rows with a zero are left out; any order.
    std::span<const NamedCount> syscalls;
};

/// The report up to now. JSON is one object whose keys are the counters' names and those below; text is for
/// people and leaves out what is zero.
///   program, pid, wall_seconds, user_seconds, system_seconds, peak_memory_bytes,
///   guest_mips: millions of guest instructions per second of user time
///   link_hit_rate, jump_cache_hit_rate, unit_map_hit_rate: from 0 to 1
///   the names of base/durations.def: an object each with count, total_ns, median_ns, p99_ns, longest_ns
///   decisions_by_reason, exits_by_reason, syscalls_by_name: an object each, from name to count
std::string stats_report(StatsFormat format, const StatsInput& input);

/// Writes `text` to `file` (empty: standard error; "%d" is the process id). If that cannot be done, standard error is
/// told so, with `what` the text is.
void write_to(std::string_view file, std::string_view text, std::string_view what);

/// Writes the report to `file` (empty: standard error; "%d" is the process id). Does nothing for
/// StatsFormat::off and in a process that was forked since start_stats(): its counters repeat those of its
/// parent. A file that cannot be written is said on standard error.
void write_stats(StatsFormat format, std::string_view file, const StatsInput& input);

}  // namespace kiln::debug

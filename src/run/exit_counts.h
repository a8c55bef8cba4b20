// How often the run loop got control back, by reason: statistics for the report (debug/stats.h).
#pragma once

#include <atomic>

#include "abi/context.h"

namespace kiln::run {

inline constexpr std::size_t exit_reason_count = 0
#define EXIT_REASON(name, pc, meaning) +1
#include "abi/exit_reasons.def"
#undef EXIT_REASON
    ;

/// Indexed by abi::ExitReason. Written with relaxed order: the values order nothing.
inline constinit std::atomic<u64> exit_counts[exit_reason_count]{};

/// Any thread.
inline void count_exits(abi::ExitReason reason, u64 n) {
    exit_counts[static_cast<u8>(reason)].fetch_add(n, std::memory_order_relaxed);
}

}  // namespace kiln::run

// What became of units, and why: each decision is counted by its reason (tier_reasons.def) and, with
// --trace=tier, said in one line.
#pragma once

#include <atomic>
#include <string_view>

#include "base/log.h"
#include "base/types.h"

namespace kiln::run {

enum class TierReason : u8 {
#define TIER_REASON(name, where, sentence) name,
#include "run/tier_reasons.def"
#undef TIER_REASON
};
inline constexpr std::size_t tier_reason_count = 0
#define TIER_REASON(name, where, sentence) +1
#include "run/tier_reasons.def"
#undef TIER_REASON
    ;

/// What becomes of a unit.
enum class TierMove : u8 { interpreted, compiled, dropped };

struct TierReasonInfo {
    std::string_view name;
    TierMove where;
    std::string_view sentence;
};
const TierReasonInfo& info(TierReason reason);

/// Indexed by TierReason. Written with relaxed order: the values order nothing.
inline constinit std::atomic<u64> tier_decisions[tier_reason_count]{};

namespace detail {
void trace_decision(TierReason reason, u64 pc, std::string_view more);
}

/// Counts a decision about the unit at `pc`; `more` is for the line of --trace=tier. Any thread.
inline void note_decision(TierReason reason, u64 pc, std::string_view more = {}) {
    tier_decisions[static_cast<u8>(reason)].fetch_add(1, std::memory_order_relaxed);
    if (log_on(LogItem::tier)) detail::trace_decision(reason, pc, more);
}

}  // namespace kiln::run

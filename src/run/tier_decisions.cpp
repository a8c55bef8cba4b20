#include "run/tier_decisions.h"

#include "base/check.h"

namespace kiln::run {
namespace {

std::string_view text(TierMove where) {
    switch (where) {
        case TierMove::interpreted: return ": interpreted, ";
        case TierMove::compiled: return ": compiled, ";
        case TierMove::dropped: return ": dropped, ";
    }
    KILN_UNREACHABLE();
}

}  // namespace

const TierReasonInfo& info(TierReason reason) {
    static constexpr TierReasonInfo table[] = {
#define TIER_REASON(name, where, sentence) {#name, TierMove::where, sentence},
#include "run/tier_reasons.def"
#undef TIER_REASON
    };
    return table[static_cast<u8>(reason)];
}

void detail::trace_decision(TierReason reason, u64 pc, std::string_view more) {
    log_line(
        {"tier: ", Hex(pc), text(info(reason).where), info(reason).name, more.empty() ? "" : ": ", more});
}

}  // namespace kiln::run

// What an engine is: which tier makes the code that is entered for the first time, and how far code comes from there.
//
// Every engine is a row of rules_of() over tiers that implement one interface (run/tier.h), so the run loop can change
// from one to another while guest threads run (Engine::switch_to). A new tier is a level below, made by wiring.cpp; a new
// engine is a value of --engine (base/options.h) with its rules here. A tier that runs the guest's bytes themselves, by
// virtualization, makes no code: it fits as one whose Translator::assemble() gives a token, and whose run() goes on from
// there until something leaves.
#pragma once

#include <algorithm>

#include "base/check.h"
#include "base/options.h"

namespace kiln::run {

/// The tiers, from the one whose code is there soonest to the one whose code is best.
enum class TierLevel : u8 {
    interpreter,  ///< can do everything: the others' fallback
    units,        ///< compiles unit by unit
    regions,      ///< compiles what units are in the midst of: loops, and the functions they call
};
inline constexpr std::size_t tier_levels = 3;

struct EngineRules {
    TierLevel first, best;

    bool compiles() const { return best != TierLevel::interpreter; }
    /// The tier of code that has been entered often: of better ones it must have been running for long.
    TierLevel warm() const { return tiers_up() ? std::min(best, TierLevel::units) : best; }
    bool makes_regions() const { return best == TierLevel::regions; }
    /// Whether code is made anew by a better tier when it has been entered often enough.
    bool tiers_up() const { return first != best; }
};

constexpr EngineRules rules_of(EngineKind kind) {
    switch (kind) {
        case EngineKind::interp: return {TierLevel::interpreter, TierLevel::interpreter};
        case EngineKind::jit1: return {TierLevel::units, TierLevel::units};
        case EngineKind::jit2: return {TierLevel::regions, TierLevel::regions};
        case EngineKind::hybrid: return {TierLevel::interpreter, TierLevel::regions};
    }
    KILN_UNREACHABLE();
}

}  // namespace kiln::run

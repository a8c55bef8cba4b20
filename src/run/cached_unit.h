// A unit with what the engine knows of it.
#pragma once

#include <memory>
#include <vector>

#include "abi/frontend.h"
#include "run/tier.h"

namespace kiln::run {

struct CachedUnit {
    // What entering a cold unit looks at, side by side: cold code enters one for each basic block.
    u64 pc = 0;
    const void* entry = nullptr;  ///< code->entry()
    const Tier* tier = nullptr;
    u32 entries = 0;      ///< of the guest code while it was cold
    u32 epoch = 0;        ///< as of when `entries` is (run/policy.h)
    bool linked = false;  ///< of the tier that makes hot code: other units and jump caches may lead to it
    bool warm = false;  ///< lifted as LiftOptions say, and may be linked; else a basic block, always entered
                        ///< by Engine::enter()
    u32 instructions = 0;
    std::unique_ptr<TierCode> code;
    std::vector<abi::CodeRange> ranges;
    u64 hash = 0;  ///< of the guest bytes it was made from, if they can be written without a system call

    std::size_t bytes() const {
        return sizeof(CachedUnit) + code->bytes() + ranges.capacity() * sizeof(abi::CodeRange);
    }
};

}  // namespace kiln::run

// A unit with what the engine knows of it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "abi/frontend.h"
#include "run/tier.h"

namespace kiln::run {

struct InstalledChapter;

struct CachedUnit {
    // What entering a cold unit looks at, side by side: cold code enters one for each basic block.
    u64 pc = 0;
    const void* entry = nullptr;  ///< code->entry()
    const Tier* tier = nullptr;
    bool warm = false;  ///< lifted as LiftOptions say; else a basic block that counts how often it is entered
    bool given = false;                     ///< to the store
    std::atomic<bool> suspended{false};     ///< its code is: nobody has come by since
    std::atomic<bool> wants_region{false};  ///< it has been found running often
    u8 age = 0;                             ///< evictions since somebody came by
    u16 counting = 0;                       ///< while cold: it asks again after so many
    u32 counted =
        0;          ///< entries of the guest code while it was cold, as of when it last asked (run/policy.h)
    u32 epoch = 0;  ///< as of when `counted` is
    u32 samples = 0;             ///< that found the guest at its start
    bool has_no_region = false;  ///< tier 2 has said so, or it was not worth it
    /// A region that may have to go back to units: it counts its entries, and comes back when it has been entered so often.
    bool on_trial = false;
    bool gives_up = false;  ///< one that is left too soon: to be made again as a unit
    u32 trial_entries =
        0;  ///< how often it was entered, as of when it last came back; older entries count less
    u64 trial_instructions = 0;  ///< guest instructions run in it meanwhile, as samples say
    u32 instructions = 0;
    u32 bytes = 0;  ///< that it takes in all
    std::unique_ptr<TierCode> code;
    std::vector<abi::CodeRange> ranges;
    const InstalledChapter* chapter = nullptr;  ///< that it is part of; null: it was made by this process
    u64 hash = 0;  ///< of the guest bytes it was made from, if they can be written without a system call

    /// How often the guest code was entered while it was cold.
    u32 entries() const { return warm ? counted : counted + counting - code->entries_left(); }

    std::size_t bytes_taken() const {
        return sizeof(CachedUnit) + code->bytes() + ranges.capacity() * sizeof(abi::CodeRange);
    }
};

}  // namespace kiln::run

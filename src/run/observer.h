// Whoever looks at units as they are made, linked and dropped, and at where the guest spends its instructions: reports,
// listings, maps for profilers and debuggers (src/debug). Without an observer the engine tests one pointer where a unit
// is made, and nothing where one runs.
#pragma once

#include <span>
#include <string_view>

#include "abi/frontend.h"
#include "mem/address_space.h"
#include "run/tier_decisions.h"

namespace kiln::run {

/// A unit that was just made.
struct SeenUnit {
    GuestAddr pc;
    std::span<const abi::CodeRange> ranges;  ///< the guest code it was made from
    u32 instructions = 0;                    ///< of the guest
    TierReason reason = TierReason::first_entry;
    u64 nanoseconds = 0;            ///< that it took to make it
    u64 bytes = 0;                  ///< of memory that it takes
    std::span<const u8> host_code;  ///< where it runs; empty for the interpreter's
    std::string_view listing;       ///< of that code, if listings are asked for
};

class Observer {
  public:
    virtual ~Observer() = default;

    /// Before all else. Both stay.
    virtual void see_guest(const abi::Frontend& frontend, const mem::AddressSpace& space) = 0;

    // With the engine's lock held, so one at a time, and never while another thread forks:

    /// The IR of a unit at `pc` that is being made: as it was lifted, with `after` empty, and after each pass.
    virtual void see_ir(GuestAddr pc, const ir::Function& f, std::string_view after) = 0;
    /// Code that is not a unit's: how units are entered and left.
    virtual void see_stubs(std::span<const u8> host_code) = 0;
    virtual void see_unit(const SeenUnit& unit) = 0;
    /// The link at host address `site` leads to the unit at `pc` from now on.
    virtual void see_link(const void* site, GuestAddr pc) = 0;
    /// The unit at `pc` is entered no more; its memory is freed some time later.
    virtual void see_drop(GuestAddr pc, TierReason reason) = 0;
    /// A guest thread came to `pc` after `instructions` more since the last sample.
    virtual void see_sample(GuestAddr pc, u64 instructions) = 0;
    /// This process is the child of a fork.
    virtual void see_fork() = 0;
};

}  // namespace kiln::run

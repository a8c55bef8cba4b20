// The guest context: the one block of memory that translated code of every tier is handed. It holds the
// run-time header, the guest's state slots and the temporaries; code reaches everything else through it.
//
//   0              Context      the header below
//   slots_begin    guest state  abi/<guest>/state.h, described to passes and tiers by its StateLayout
//   temps_begin    temporaries  spill space of the tiers; nothing is kept there between units
#pragma once

#include <cstddef>
#include <string_view>

#include "base/types.h"

namespace kiln::abi {

enum class ExitReason : u8 {
#define EXIT_REASON(name, pc, meaning) name,
#include "abi/exit_reasons.def"
#undef EXIT_REASON
};

constexpr std::string_view name(ExitReason reason) {
    constexpr std::string_view names[] = {
#define EXIT_REASON(name, pc, meaning) #name,
#include "abi/exit_reasons.def"
#undef EXIT_REASON
    };
    return names[static_cast<u8>(reason)];
}

enum class FaultKind : u8 {
    unmapped,    ///< nothing is mapped there
    protected_,  ///< what is mapped there does not allow the access
    bus,         ///< the mapping has nothing behind it (a file that became shorter)
    misaligned,  ///< an access that must be aligned is not
};

/// A failed guest memory access.
struct Fault {
    GuestAddr address;
    FaultKind kind = FaultKind::unmapped;
};

/// Where the unit that starts at `pc` begins, in the form of the tier that made it.
struct JumpCacheEntry {
    u64 pc = ~u64{0};
    const void* entry = nullptr;
};
inline constexpr std::size_t jump_cache_entries = 4096;
/// The only entry that may hold `pc`. Instructions are at least 2-byte aligned.
constexpr std::size_t jump_cache_index(u64 pc) { return (pc >> 1) % jump_cache_entries; }

struct Context;
struct Watch;

enum class MmuAccess : u8 { read, write };
/// The soft MMU: the host address of guest virtual address `address`, good to the end of its page of
/// mmu_page_bytes. Null when it may not be accessed so: then Context::fault says why.
using Translate = u8* (*)(Context& context, u64 address, MmuAccess access);
inline constexpr u64 mmu_page_bytes = 4096;

/// The header. One thread runs on a Context; only `budget` is written by anyone else, and only by a signal
/// handler on that same thread.
struct Context {
    /// Guest instructions until translated code must return with ExitReason::poll: every way out of a unit
    /// subtracts the instructions executed and leaves when the result is negative. A signal handler asks for
    /// attention by making it negative (the subtraction is one instruction).
    i64 budget = 0;
    /// The host address of guest address 0.
    u8* memory = nullptr;
    /// FP exception flags accrued while not in translated code (there they gather in host state), as ops.def
    /// says.
    u64 fp_flags = 0;
    /// This thread's cache of the units that indirect jumps went to: jump_cache_entries of them.
    JumpCacheEntry* jump_cache = nullptr;
    /// Set with ExitReason::lookup: the direct link that has no target yet, for the tier that made it; null
    /// after an indirect jump.
    const void* link_site = nullptr;
    /// Set with ExitReason::fault and fetch_fault.
    Fault fault;
    /// Set with ExitReason::side_exit: the guard's number. Set with ExitReason::poll by regions only: the guest address that
    /// the region begins at; whoever looks at it clears it.
    u64 exit_detail = 0;
    /// Set by request_attention(); cleared by whoever serves the request.
    volatile bool attention = false;
    /// Where accesses in Space::mmu go; null for guests that have none.
    Translate translate = nullptr;
    /// Guest instructions executed before `budget` was last filled up.
    u64 retired = 0;
    i64 budget_filled = 0;
    /// The data a debugger watches (abi/watch.h); looked at by units that were made for it only.
    Watch* watch = nullptr;
    /// How often compiled units went on by a direct and by an indirect jump; units made to count them only.
    u64 direct_jumps = 0, indirect_jumps = 0;
    /// How often units that count may still be entered (UnitCode::counter_site): i32 numbers of the process.
    u8* entry_counters = nullptr;

    /// Guest instructions executed so far.
    u64 instructions() const { return retired + static_cast<u64>(budget_filled - budget); }
    /// Grants `count` more instructions.
    void refill(i64 count) {
        retired = instructions();
        budget = budget_filled = count;
    }
};

/// Makes translated code on `context` return with ExitReason::poll soon. On the context's own thread, from a
/// signal handler too: translated code changes the budget by single instructions, and whoever refills it
/// looks at `attention` afterwards. (A handler that interrupts a refill may cost the instruction count a
/// few.)
inline void request_attention(Context& context) {
    context.attention = true;
    context.retired = context.instructions();
    context.budget = context.budget_filled = -1;
}

inline constexpr u32 slots_begin = 128;
inline constexpr u32 temps_begin = 4096;
inline constexpr u32 temps_bytes = 16384;
static_assert(sizeof(Context) <= slots_begin);

}  // namespace kiln::abi

// The access log: what a compiled unit made for lockstep (run/lockstep.h) writes down of each of its guest accesses and
// of each helper result that the host decides, in the order in which it makes them. Nothing else reads or writes one.
#pragma once

#include "abi/context.h"
#include "ir/env.h"
#include "ir/op.h"

namespace kiln::abi {

enum class AccessKind : u8 {
    load,
    store,
    cas,     ///< compare and swap
    result,  ///< of a helper: `address` is its number in the table
    rmw,     ///< read, combine, write: this, and those behind it, plus an ir::Rmw
};
constexpr AccessKind kind_of(ir::Rmw rmw) {
    return AccessKind(static_cast<u8>(AccessKind::rmw) + static_cast<u8>(rmw));
}

/// One access. An access that faults is the last in its log, and has read nothing.
struct Access {
    u64 address = 0;   ///< of the guest
    u64 loaded = 0;    ///< what it read, in the low `bytes`
    u64 stored = 0;    ///< what it wrote, would have written (cas) or combined (rmw), in the low `bytes`
    u64 expected = 0;  ///< cas: what it compared with, in the low `bytes`
    AccessKind kind = AccessKind::load;
    u8 bytes = 0;

    bool writes() const { return kind != AccessKind::load && kind != AccessKind::result; }
    u64 mask() const { return bytes == 8 ? ~u64{0} : (u64{1} << 8 * bytes) - 1; }
    /// What it left in memory, in the low `bytes`.
    u64 left() const;
};

/// The word of the context where a unit finds the place for its next Access.
inline constexpr u32 access_log_word = temps_begin + 32;
/// More than compiled code can make before it leaves: a region's way from its entry to a poll (256 instructions, and 64 of a
/// copied block) after 128 others, eight accesses each (cbo.zero).
inline constexpr std::size_t most_accesses = 4096;

/// Whether a helper's result is written down, because it would be another one if it were called again.
constexpr bool is_logged(const ir::HelperSig& helper) {
    return helper.effects.any && helper.result != ir::Type::none;
}

}  // namespace kiln::abi

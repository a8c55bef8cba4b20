// Crossbar permutations (RISC-V Unprivileged ISA, "Zbkx").
#include "abi/helpers.h"

namespace kiln::abi::helpers {
namespace {

/// Each lane of `width` bits of `indices` selects a lane of `table`.
u64 look_up(u64 table, u64 indices, unsigned width) {
    const u64 mask = (u64{1} << width) - 1;
    u64 result = 0;
    for (unsigned at = 0; at < 64; at += width) {
        const u64 from = (indices >> at & mask) * width;
        if (from < 64) result |= (table >> from & mask) << at;
    }
    return result;
}

}  // namespace

u64 xperm4(Context&, u64 a, u64 b) { return look_up(a, b, 4); }
u64 xperm8(Context&, u64 a, u64 b) { return look_up(a, b, 8); }

}  // namespace kiln::abi::helpers

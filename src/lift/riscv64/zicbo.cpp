// Zicbom and Zicboz: cache blocks, as user mode sees them where the kernel allows them. (The prefetches of
// Zicbop are hints in ORI's space and lifted as that.)
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

constexpr u64 block_bytes = 64;

/// Hosts keep caches coherent, so all that is left of cache management is that the address must be there.
void access(Lifter& l, const Decoded& d) { l.load(Type::i8, l.x(d.rs1)); }

}  // namespace

void cbo_inval(Lifter& l, const Decoded& d) { access(l, d); }
void cbo_clean(Lifter& l, const Decoded& d) { access(l, d); }
void cbo_flush(Lifter& l, const Decoded& d) { access(l, d); }
void cbo_zero(Lifter& l, const Decoded& d) {
    const ValueId begin = l.with(Op::and_, l.x(d.rs1), ~(block_bytes - 1)), zero = l.constant(0);
    for (u64 offset = 0; offset < block_bytes; offset += 8) l.store(begin, static_cast<i64>(offset), zero);
}

}  // namespace kiln::riscv64::lift

// Control flow within a unit: side exits of branches, and which direct jumps are followed.
#include "lift/riscv64/lifter.h"

namespace kiln::riscv64 {
namespace {

/// Following a jump copies its target's code into this unit: worth it for short hops and small callees.
constexpr u8 max_followed_jumps = 4;

}  // namespace

void Lifter::branch(ValueId taken, GuestAddr target) {
    const ir::BlockId exit = new_block(), on = new_block();
    br_if(taken, exit, on);
    at(exit);
    goto_pc(target);
    at(on);
    if (!extend_) end_at(next_);
}

bool Lifter::may_follow(GuestAddr target) const {
    if (!extend_ || followed_ == max_followed_jumps) return false;
    for (const abi::CodeRange& range : covered_)
        if (target - range.begin < range.bytes) return false;
    return true;
}

void Lifter::jump(GuestAddr target, unsigned link) {
    const GuestAddr return_address = next_;
    set_constant(link, return_address.raw);
    if (may_follow(target)) {
        ++followed_;
        next_ = target;
        return;
    }
    goto_pc(target, is_link(link) ? Hint::call : Hint::plain, return_address);
    end();
}

}  // namespace kiln::riscv64

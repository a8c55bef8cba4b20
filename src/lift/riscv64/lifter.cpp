// Control flow within a unit: side exits of branches, and which direct jumps are followed.
#include "lift/riscv64/lifter.h"

namespace kiln::riscv64 {

void Lifter::branch(ValueId taken, GuestAddr target) {
    const ir::BlockId exit = new_block(), on = new_block();
    br_if(taken, exit, on);
    at(exit);
    goto_pc(target);
    at(on);
    if (!extend_) end_at(next_);
}

void Lifter::jump(GuestAddr target, unsigned link) {
    const GuestAddr return_address = next_;
    set_constant(link, return_address.raw);
    if (extend_ && extent_.may_follow(target)) {
        extent_.follow();
        next_ = target;
        return;
    }
    goto_pc(target, is_link(link) ? Hint::call : Hint::plain, return_address);
    end();
}

}  // namespace kiln::riscv64

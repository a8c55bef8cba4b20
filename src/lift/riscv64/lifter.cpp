// Control flow within a unit: side exits of branches, which of their ways and which direct jumps are followed.
#include "lift/riscv64/lifter.h"

namespace kiln::riscv64 {
namespace {

/// Units up to this length are copied into those that lead to them: a bytecode interpreter's dispatch should be at the
/// end of each operation.
constexpr u32 short_unit = 8;

/// Whether control should rather leave for the unit that is there.
bool is_worth_linking(const abi::CodeHistory& code) { return code.unit_instructions > short_unit; }

}  // namespace

Lifter::Way Lifter::way_behind(GuestAddr target) const {
    if (!extend_) return Way::nowhere;
    if (profile_ == nullptr) return Way::fall_through;
    const abi::CodeHistory falls = profile_->at(next_), jumps = profile_->at(target);
    // A loop's way back is no way on.
    if (jumps.entries / 2 > falls.entries && !is_worth_linking(jumps) && extent_.may_follow(target))
        return Way::target;
    return falls.entries != 0 && !is_worth_linking(falls) ? Way::fall_through : Way::nowhere;
}

void Lifter::branch(ValueId taken, GuestAddr target) {
    const Way way = way_behind(target);
    const ir::BlockId exit = new_block(), on = new_block();
    if (way == Way::target) {
        br_if(taken, on, exit);
        at(exit);
        goto_pc(next_);
        extent_.follow();
        next_ = target;
    } else {
        br_if(taken, exit, on);
        at(exit);
        goto_pc(target);
    }
    at(on);
    if (way == Way::nowhere) end_at(next_);
}

void Lifter::jump(GuestAddr target, unsigned link) {
    const GuestAddr return_address = next_;
    set_constant(link, return_address.raw);
    const bool leaves = profile_ != nullptr && is_worth_linking(profile_->at(target));
    if (extend_ && !leaves && extent_.may_follow(target)) {
        extent_.follow();
        next_ = target;
        return;
    }
    goto_pc(target, is_link(link) ? Hint::call : Hint::plain, return_address);
    end();
}

}  // namespace kiln::riscv64

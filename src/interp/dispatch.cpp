#include "interp/dispatch.h"

namespace kiln::interp {

void stop_at(const Code* ip, u8* state) {
    const FaultSite& site = *reinterpret_cast<const FaultSite*>(ip->imm2);
    // The moves happen at once: a value may still live in a slot that another move sets. A frame names a slot
    // at most once, so there are no more of them than words before the temporaries.
    u64 values[abi::temps_begin / 8];
    for (u16 i = 0; i < site.move_count; ++i) {
        const FrameMove& move = site.moves[i];
        values[i] = move.is_constant ? move.constant : word(state, move.from);
    }
    for (u16 i = 0; i < site.move_count; ++i) word(state, site.moves[i].slot) = values[i];
    word(state, site.pc_slot) = site.pc;
    abi::Context& context = context_of(state);
    context.budget -= site.retired;
    context.exit_detail = site.side_exit;
}

abi::ExitReason access_fault(const Code* ip, u8* state, u64 address) {
    stop_at(ip, state);
    abi::Context& context = context_of(state);
    context.fault = abi::faulted_at(GuestAddr(address), context.memory);
    return abi::ExitReason::fault;
}

abi::ExitReason misaligned_fault(const Code* ip, u8* state, u64 address) {
    stop_at(ip, state);
    context_of(state).fault = {GuestAddr(address), abi::FaultKind::misaligned};
    return abi::ExitReason::fault;
}

}  // namespace kiln::interp

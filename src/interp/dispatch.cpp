#include "interp/dispatch.h"

namespace kiln::interp {

void stop_at(const Code* ip, u8* state) {
    const FaultSite& site = *reinterpret_cast<const FaultSite*>(ip->imm2);
    for (u16 i = 0; i < site.move_count; ++i) {
        const FrameMove& move = site.moves[i];
        word(state, move.slot) = move.is_constant ? move.constant : word(state, move.from);
    }
    word(state, site.pc_slot) = site.pc;
    abi::Context& context = context_of(state);
    context.budget -= site.retired;
    context.side_exit = site.side_exit;
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

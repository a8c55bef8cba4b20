// Handlers of calls, branches and the ways out of a unit.
#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

using HelperFunction = u64 (*)(abi::Context&, u64, u64);

template <bool has_result>
KILN_HANDLER(call) {
    const auto helper = reinterpret_cast<HelperFunction>(ip->imm);
    const u64 result = helper(context_of(state), word(state, ip->a), word(state, ip->b));
    if constexpr (has_result) word(state, ip->dst) = result;
    KILN_NEXT;
}

KILN_HANDLER(guard) {
    if (part<bool>(state, ip->a)) [[likely]]
        KILN_NEXT;
    stop_at(ip, state);
    return abi::ExitReason::side_exit;
}

KILN_HANDLER(count) {
    take_from_budget(state, ip->imm);
    KILN_NEXT;
}

KILN_HANDLER(poll) {
    if (context_of(state).budget >= 0) [[likely]]
        KILN_NEXT;
    stop_at(ip, state);
    return abi::ExitReason::poll;
}

KILN_HANDLER(branch) { KILN_CONTINUE(reinterpret_cast<const Code*>(ip->imm2)); }

KILN_HANDLER(branch_if) {
    if (part<bool>(state, ip->a)) KILN_CONTINUE(reinterpret_cast<const Code*>(ip->imm2));
    KILN_NEXT;
}

KILN_HANDLER(exit_if) {
    if (part<bool>(state, ip->a)) KILN_CONTINUE(ip + 1);
    KILN_CONTINUE(ip + 2);
}

KILN_HANDLER(exit_direct) { KILN_TAKE_EXIT(ip); }

KILN_HANDLER(exit_indirect) {
    const u64 pc = word(state, ip->a) & ip->imm;
    if (!within_budget(ip, state)) [[unlikely]]
        return leave_for(ip, state, pc, abi::ExitReason::poll);
    abi::Context& context = context_of(state);
    const abi::JumpCacheEntry& cached = context.jump_cache[abi::jump_cache_index(pc)];
    if (cached.pc == pc) [[likely]]
        KILN_ENTER(static_cast<const Code*>(cached.entry));
    context.link_site = nullptr;
    return leave_for(ip, state, pc, abi::ExitReason::lookup);
}

KILN_HANDLER(counting_entry) {
    Code* const header = const_cast<Code*>(ip) - 1;
    if (const u16 left = __atomic_load_n(&header->c, __ATOMIC_RELAXED)) [[likely]] {
        __atomic_store_n(&header->c, static_cast<u16>(left - 1), __ATOMIC_RELAXED);
        [[clang::musttail]] return header->run(ip, state, memory);
    }
    context_of(state).link_site = nullptr;
    return leave_for(header, state, header->imm, abi::ExitReason::lookup);
}

KILN_HANDLER(forwarding_entry) {
    const Code* const header = ip - 1;
    if (const u64 target = __atomic_load_n(&header->imm2, __ATOMIC_ACQUIRE))
        KILN_ENTER(reinterpret_cast<const Code*>(target));
    context_of(state).link_site = nullptr;
    return leave_for(header, state, header->imm, abi::ExitReason::lookup);
}

template <abi::ExitReason reason>
KILN_HANDLER(leave) {
    within_budget(ip, state);
    return leave_for(ip, state, ip->imm, reason);
}

}  // namespace

Handler call_handler(bool has_result) { return has_result ? call<true> : call<false>; }
Handler guard_handler() { return guard; }
Handler count_handler() { return count; }
Handler poll_handler() { return poll; }
Handler branch_handler() { return branch; }
Handler branch_if_handler() { return branch_if; }
Handler exit_if_handler() { return exit_if; }
Handler exit_direct_handler() { return exit_direct; }
Handler exit_indirect_handler() { return exit_indirect; }
Handler counting_entry_handler() { return counting_entry; }
Handler forwarding_entry_handler() { return forwarding_entry; }

Handler leave_handler(abi::ExitReason reason) {
    switch (reason) {
        case abi::ExitReason::syscall: return leave<abi::ExitReason::syscall>;
        case abi::ExitReason::sync_code: return leave<abi::ExitReason::sync_code>;
        case abi::ExitReason::illegal: return leave<abi::ExitReason::illegal>;
        case abi::ExitReason::breakpoint: return leave<abi::ExitReason::breakpoint>;
        case abi::ExitReason::lookup:
        case abi::ExitReason::poll:
        case abi::ExitReason::fault:
        case abi::ExitReason::fetch_fault:
        case abi::ExitReason::side_exit:
        case abi::ExitReason::tier_down: return nullptr;
    }
    return nullptr;
}

}  // namespace kiln::interp

// The words every handler file is written in: reading operands, writing results, going on, leaving.
#pragma once

#include <cstring>

#include "abi/guest_access.h"
#include "interp/code.h"
#include "ir/semantics.h"

namespace kiln::interp {

inline abi::Context& context_of(u8* state) { return *reinterpret_cast<abi::Context*>(state); }

/// The word `number` of the context.
inline u64& word(u8* state, u16 number) { return reinterpret_cast<u64*>(state)[number]; }

/// The low part of a word, as wide as U.
template <class U>
inline U part(u8* state, u16 number) {
    if constexpr (std::is_same_v<U, bool>)
        return state[8 * number] & 1;
    else
        return *reinterpret_cast<U*>(state + 8 * number);
}

/// The two words from `number` on.
inline u128 pair(u8* state, u16 number) {
    return static_cast<u128>(word(state, static_cast<u16>(number + 1))) << 64 | word(state, number);
}
inline void give_pair(u8* state, u16 number, u128 value) {
    word(state, number) = static_cast<u64>(value);
    word(state, static_cast<u16>(number + 1)) = static_cast<u64>(value >> 64);
}

/// Ends a handler by jumping to that of the cell `next`.
#define KILN_CONTINUE(next)                                                  \
    do {                                                                     \
        const Code* const next_cell = (next);                                \
        [[clang::musttail]] return next_cell->run(next_cell, state, memory); \
    } while (0)
#define KILN_NEXT KILN_CONTINUE(ip + 1)

/// Ends a handler by entering a unit. Others may make the entry cell a forwarding one at any time.
#define KILN_ENTER(entry)                                                                                 \
    do {                                                                                                  \
        const Code* const entry_cell = (entry);                                                           \
        [[clang::musttail]] return __atomic_load_n(&entry_cell->run, __ATOMIC_ACQUIRE)(entry_cell, state, \
                                                                                       memory);           \
    } while (0)

/// What a handler is declared as, after its template line if any.
#define KILN_HANDLER(name)                                                                              \
    KILN_HANDLER_CALL abi::ExitReason name([[maybe_unused]] const Code* ip, [[maybe_unused]] u8* state, \
                                           [[maybe_unused]] u8* memory)

/// Counts instructions, those of an exit cell; whether the budget allows going on. One instruction on memory, so
/// that a signal handler's store to the budget is never lost (abi/context.h).
inline bool take_from_budget(u8* state, u64 instructions) {
    bool negative;
    asm volatile("subq %2, %1"
                 : "=@ccs"(negative), "+m"(context_of(state).budget)
                 : "r"(instructions)
                 : "memory");
    return !negative;
}
inline bool within_budget(const Code* exit, u8* state) { return take_from_budget(state, exit->c); }

/// Leaves a unit for `pc` with a reason that asks the run loop to go on there.
inline abi::ExitReason leave_for(const Code* exit, u8* state, u64 pc, abi::ExitReason reason) {
    word(state, exit->b) = pc;
    return reason;
}

/// Executes a direct exit cell: goes on in the unit it is linked to, or leaves to have it linked. The run
/// loop writes Code::imm2 while other threads are here: the one aligned word is all they look at.
#define KILN_TAKE_EXIT(cell)                                                                   \
    do {                                                                                       \
        const Code* const exit_cell = (cell);                                                  \
        if (!within_budget(exit_cell, state)) [[unlikely]]                                     \
            return leave_for(exit_cell, state, exit_cell->imm, abi::ExitReason::poll);         \
        if (const u64 linked = __atomic_load_n(&exit_cell->imm2, __ATOMIC_ACQUIRE)) [[likely]] \
            KILN_ENTER(reinterpret_cast<const Code*>(linked));                                 \
        context_of(state).link_site = exit_cell;                                               \
        return leave_for(exit_cell, state, exit_cell->imm, abi::ExitReason::lookup);           \
    } while (0)

/// Stops at a faulting cell: applies its frame, sets the pc slot, settles the instruction count.
[[gnu::cold]] void stop_at(const Code* ip, u8* state);
/// stop_at(), and notes the fault of an access to `address` that the host has just refused.
[[gnu::cold]] abi::ExitReason access_fault(const Code* ip, u8* state, u64 address);
/// stop_at() for an access that must be aligned and is not.
[[gnu::cold]] abi::ExitReason misaligned_fault(const Code* ip, u8* state, u64 address);

}  // namespace kiln::interp

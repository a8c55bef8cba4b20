// For linux/riscv64/ only: from the context to the state around it, and the signal frame.
#pragma once

#include <optional>

#include "abi/riscv64/state.h"
#include "linux/arch.h"
#include "mem/address_space.h"

namespace kiln::user {

inline riscv64::State& riscv64_state(abi::Context& context) {
    return reinterpret_cast<riscv64::State&>(context);
}
inline const riscv64::State& riscv64_state(const abi::Context& context) {
    return reinterpret_cast<const riscv64::State&>(context);
}
static_assert(offsetof(riscv64::State, context) == 0);

/// Where in a frame the siginfo and the ucontext lie: bytes from its start.
inline constexpr u64 riscv64_frame_info = 0;
inline constexpr u64 riscv64_frame_context = 128;
/// How long it is, in bytes.
inline constexpr u64 riscv64_frame_bytes = 1088;

/// Writes a frame with `state` below `stack_top` and gives its address; none if it cannot be written.
std::optional<GuestAddr> push_riscv64_frame(const riscv64::State& state, mem::AddressSpace& memory,
                                            GuestAddr stack_top, const siginfo_t& info, SignalMask mask,
                                            const AltStack& altstack);
/// Reads the frame at `frame` back; false, with `state` as it was, if it cannot be read.
bool pop_riscv64_frame(riscv64::State& state, mem::AddressSpace& memory, GuestAddr frame, SignalMask& mask,
                       AltStack& altstack);

}  // namespace kiln::user

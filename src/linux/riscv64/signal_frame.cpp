// The riscv64 signal frame: struct rt_sigframe of arch/riscv/kernel/signal.c, with the structures of
// arch/riscv/include/uapi/asm/{ucontext,sigcontext,ptrace}.h.
#include <cstring>

#include "base/bits.h"
#include "linux/riscv64/arch.h"

namespace kiln::user {
namespace {

struct SignalContext {
    u64 pc;
    u64 x[31];  ///< x1 to x31
    u64 f[32];
    u32 fcsr;
    /// The rest of the union with the 128-bit registers.
    u8 padding[516 - 32 * 8 - 4];
    u32 reserved;  ///< 0
    /// Of the first block with an extension's state: both 0, there is none.
    u32 extension_magic;
    u32 extension_bytes;
};
static_assert(sizeof(SignalContext) == 256 + 528);

struct UserContext {
    u64 flags;
    u64 link;
    AltStack stack;
    SignalMask mask;
    u8 room_for_mask[120];
    alignas(16) SignalContext machine;
};
static_assert(offsetof(UserContext, machine) == 176);

struct Frame {
    u8 info[128];
    UserContext context;
};
static_assert(offsetof(Frame, info) == riscv64_frame_info &&
              offsetof(Frame, context) == riscv64_frame_context);
static_assert(sizeof(Frame) == riscv64_frame_bytes);
static_assert(sizeof(siginfo_t) == sizeof(Frame::info));

}  // namespace

std::optional<GuestAddr> push_riscv64_frame(const riscv64::State& state, mem::AddressSpace& memory,
                                            GuestAddr stack_top, const siginfo_t& info, SignalMask mask,
                                            const AltStack& altstack) {
    Frame frame{};
    std::memcpy(frame.info, &info, sizeof frame.info);
    frame.context.stack = altstack;
    frame.context.mask = mask;
    SignalContext& machine = frame.context.machine;
    machine.pc = state.pc;
    std::memcpy(machine.x, &state.x[1], sizeof machine.x);
    std::memcpy(machine.f, state.f, sizeof machine.f);
    machine.fcsr = static_cast<u32>(state.frm << 5 | state.context.fp_flags);
    if (stack_top.raw < sizeof frame + 16) return std::nullopt;
    GuestAddr at(align_down(stack_top.raw - sizeof frame, 16));
    if (!memory.write(at, &frame, sizeof frame)) return std::nullopt;
    return at;
}

bool pop_riscv64_frame(riscv64::State& state, mem::AddressSpace& memory, GuestAddr at, SignalMask& mask,
                       AltStack& altstack) {
    Frame frame;
    if (!memory.read(at, &frame, sizeof frame)) return false;
    const SignalContext& machine = frame.context.machine;
    if (machine.reserved != 0 || machine.extension_magic != 0 || machine.extension_bytes != 0) return false;
    state.pc = machine.pc & ~u64{1};
    std::memcpy(&state.x[1], machine.x, sizeof machine.x);
    std::memcpy(state.f, machine.f, sizeof machine.f);
    state.frm = machine.fcsr >> 5 & 7;
    state.context.fp_flags = machine.fcsr & 31;
    mask = frame.context.mask;
    altstack = frame.context.stack;
    return true;
}

}  // namespace kiln::user

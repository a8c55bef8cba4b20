#include "linux/altstack.h"

#include <cerrno>
#include <csignal>

#include "linux/process.h"

namespace kiln::user {
namespace {

/// The generic MINSIGSTKSZ.
constexpr u64 smallest_altstack = 2048;

/// A stack that disarms itself is gone while its handler runs, so nobody is ever on one.
bool is_on(const AltStack& stack, u64 sp) {
    return !(stack.flags & ss_autodisarm) && sp > stack.sp && sp - stack.sp <= stack.size;
}

u64 stack_pointer(const Thread& thread) { return thread.process.arch.stack_pointer(thread.context).raw; }

i32 state_of(const AltStack& stack, u64 sp) {
    if (stack.size == 0) return ss_disable;
    return is_on(stack, sp) ? ss_onstack : 0;
}

}  // namespace

AltStack altstack_now(const Thread& thread) {
    AltStack stack = thread.altstack;
    stack.flags = state_of(stack, stack_pointer(thread)) | (stack.flags & ss_autodisarm);
    return stack;
}

i64 change_altstack(Thread& thread, const AltStack& wanted) {
    if (is_on(thread.altstack, stack_pointer(thread))) return -EPERM;
    const i32 mode = wanted.flags & ~ss_autodisarm;
    const AltStack& now = thread.altstack;
    if (wanted.sp == now.sp && wanted.size == now.size && wanted.flags == now.flags) return 0;
    if (mode != 0 && mode != ss_onstack && mode != ss_disable) return -EINVAL;
    if (mode != ss_disable && wanted.size < smallest_altstack) return -ENOMEM;
    thread.altstack = wanted;
    if (mode == ss_disable) thread.altstack.sp = thread.altstack.size = 0;
    return 0;
}

std::optional<GuestAddr> frame_top(const Thread& thread, u64 action_flags) {
    const AltStack& stack = thread.altstack;
    const u64 sp = stack_pointer(thread);
    if (is_on(stack, sp) && !is_on(stack, sp - thread.process.arch.signal_frame_bytes())) return std::nullopt;
    if (action_flags & SA_ONSTACK && state_of(stack, sp) == 0) return GuestAddr(stack.sp + stack.size);
    return GuestAddr(sp);
}

}  // namespace kiln::user

#include "linux/robust_list.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <optional>
#include <vector>

#include "abi/guest_access.h"
#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

/// The kernel follows no more entries, because a list may be a ring.
constexpr int most_entries = 2048;

struct Head {
    u64 next;
    i64 futex_offset;
    u64 pending;  ///< being locked or unlocked, perhaps not in the list
};
static_assert(sizeof(Head) == 24);

enum class Step : bool { in_list, pending };

/// Marks the futex of `entry`, whose lowest bit says that it is one with priority inheritance, if `tid` holds it. False
/// when it cannot be reached.
bool release(mem::AddressSpace& memory, u64 entry, i64 offset, pid_t tid, Step step) {
    const bool inherits = entry & 1;
    const GuestAddr at((entry & ~u64{1}) + static_cast<u64>(offset));
    if (at.raw % sizeof(u32) != 0 || !memory.contains(at, sizeof(u32))) return false;
    const auto wake = [&] { host_syscall(SYS_futex, reinterpret_cast<u64>(memory.host(at)), FUTEX_WAKE, 1); };
    u32 value;
    if (!memory.read(at, &value, sizeof value)) return false;
    for (;;) {
        const u32 owner = value & FUTEX_TID_MASK;
        // Unlocked just before the end: the thread may not have come to wake who waits.
        if (step == Step::pending && !inherits && owner == 0) return wake(), true;
        if (owner != static_cast<u32>(tid)) return true;
        u32 seen = value;
        if (!abi::guest_compare_exchange<u32>(memory.host(at), seen,
                                              (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
            return false;
        if (seen == value) break;
        value = seen;
    }
    if (!inherits && (value & FUTEX_WAITERS)) wake();
    return true;
}

void walk(mem::AddressSpace& memory, GuestAddr head_address, pid_t tid) {
    Head head;
    if (!memory.read(head_address, &head, sizeof head)) return;
    const u64 pending = head.pending & ~u64{1};
    u64 entry = head.next;
    for (int i = 0; i < most_entries && (entry & ~u64{1}) != head_address.raw; ++i) {
        // Read first: what is released may be freed at once.
        u64 next;
        const bool known = memory.read(GuestAddr(entry & ~u64{1}), &next, sizeof next);
        if ((entry & ~u64{1}) != pending && !release(memory, entry, head.futex_offset, tid, Step::in_list))
            return;
        if (!known) return;
        entry = next;
    }
    if (pending != 0) release(memory, head.pending, head.futex_offset, tid, Step::pending);
}

}  // namespace

void RobustLists::set(pid_t tid, GuestAddr head) {
    const std::scoped_lock lock(mutex_);
    if (head.raw == 0)
        heads_.erase(tid);
    else
        heads_[tid] = head;
}

void RobustLists::release_all(Process& process) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [tid, head] : heads_) walk(process.memory, head, tid);
    heads_.clear();
}

void release_robust_locks(Thread& thread) {
    const GuestAddr head = std::exchange(thread.robust_list, GuestAddr(0));
    if (head.raw == 0) return;
    mem::AddressSpace& memory = thread.process.memory;
    // Whoever waits for the thread's end may reuse the memory: the kernel must not look there later.
    if (memory.base() == 0)
        host_syscall(SYS_set_robust_list, 0, sizeof(Head));
    else
        thread.process.robust_lists.set(thread.tid, GuestAddr(0));
    walk(memory, head, thread.tid);
}

void release_robust_locks_of_process(Thread& thread) {
    if (thread.process.memory.base() == 0) return;
    if (thread.shares_parent_memory)
        release_robust_locks(thread);
    else
        thread.process.robust_lists.release_all(thread.process);
}

i64 calls::set_robust_list(Thread& thread, const Call& call) {
    if (call[1] != sizeof(Head)) return -EINVAL;
    Process& process = thread.process;
    if (process.memory.base() == 0)
        host_syscall(SYS_set_robust_list, reinterpret_cast<u64>(host_pointer(thread, call[0])), call[1]);
    else
        process.robust_lists.set(thread.tid, call.address(0));
    thread.robust_list = call.address(0);
    return 0;
}

i64 calls::get_robust_list(Thread& thread, const Call& call) {
    if (call.word(0) != 0 && call.word(0) != thread.tid) {
        // The host's answers about another guest are host addresses; that there is no such thread is true everywhere.
        if (thread.process.memory.base() != 0) {
            u64 head, bytes;
            const i64 answer = host_syscall(SYS_get_robust_list, static_cast<u64>(call.word(0)),
                                            reinterpret_cast<u64>(&head), reinterpret_cast<u64>(&bytes));
            return answer < 0 ? answer : -EPERM;
        }
        return host_syscall(SYS_get_robust_list, static_cast<u64>(call.word(0)),
                            reinterpret_cast<u64>(host_pointer(thread, call[1])),
                            reinterpret_cast<u64>(host_pointer(thread, call[2])));
    }
    return store(thread, call[2], u64{sizeof(Head)}) && store(thread, call[1], thread.robust_list) ? 0
                                                                                                   : -EFAULT;
}

}  // namespace kiln::user

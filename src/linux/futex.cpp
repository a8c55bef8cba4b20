// futex(2) and its successors, and membarrier(2). Guest threads are host threads and guest memory is host memory, so
// the host's futexes are the guest's. Elsewhere: robust futexes (robust_list.h).
#include <linux/futex.h>
#include <linux/membarrier.h>

#include <vector>

#include "linux/guest_memory.h"
#include "linux/host_numbers.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

using Waiter = struct ::futex_waitv;

/// futex_waitv(2)'s list with host addresses: 0, or minus an errno.
i64 load_waiters(const Thread& thread, const Call& call, std::vector<Waiter>& waiters) {
    const u32 count = static_cast<u32>(call[1]);
    if (count == 0 || count > FUTEX_WAITV_MAX || call[0] == 0) return -EINVAL;
    waiters.resize(count);
    if (!thread.process.memory.read(call.address(0), waiters.data(), count * sizeof(Waiter))) return -EFAULT;
    for (Waiter& waiter : waiters) waiter.uaddr = reinterpret_cast<u64>(host_pointer(thread, waiter.uaddr));
    return 0;
}

}  // namespace

i64 calls::futex(Thread& thread, const Call& call) {
    int operation = call.word(1);
    u64 fourth = call[3];
    switch (operation & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
        case FUTEX_LOCK_PI:
        case FUTEX_LOCK_PI2:
        case FUTEX_WAIT_REQUEUE_PI: fourth = reinterpret_cast<u64>(host_pointer(thread, call[3])); break;
        default: break;
    }
    return waiting_syscall(thread, SYS_futex, host_pointer(thread, call[0]), operation, call[2], fourth,
                           host_pointer(thread, call[4]), call[5]);
}

i64 calls::set_tid_address(Thread& thread, const Call& call) {
    thread.clear_child_tid = call.address(0);
    return thread.tid;
}

i64 calls::futex_waitv(Thread& thread, const Call& call) {
    std::vector<Waiter> waiters;
    if (i64 error = load_waiters(thread, call, waiters); error < 0) return error;
    return waiting_syscall(thread, SYS_futex_waitv, waiters.data(), waiters.size(), call[2],
                           host_pointer(thread, call[3]), call[4]);
}

i64 calls::futex_wake(Thread& thread, const Call& call) {
    return host_syscall(SYS_futex_wake, reinterpret_cast<u64>(host_pointer(thread, call[0])), call[1],
                        call[2], call[3]);
}

i64 calls::futex_wait(Thread& thread, const Call& call) {
    return waiting_syscall(thread, SYS_futex_wait, host_pointer(thread, call[0]), call[1], call[2], call[3],
                           host_pointer(thread, call[4]), call[5]);
}

i64 calls::futex_requeue(Thread& thread, const Call& call) {
    Waiter pair[2];
    if (call[0] == 0) return -EINVAL;
    if (!load(thread, call[0], pair)) return -EFAULT;
    for (Waiter& one : pair) one.uaddr = reinterpret_cast<u64>(host_pointer(thread, one.uaddr));
    return host_syscall(SYS_futex_requeue, reinterpret_cast<u64>(pair), call[1], call[2], call[3]);
}

i64 calls::membarrier(Thread& thread, const Call& call) {
    const i64 result = host_syscall(SYS_membarrier, static_cast<u64>(call.word(0)), call[1], call[2]);
    // Every thread fetches its instructions anew: on riscv64 that is fence.i on all of them.
    if (result == 0 && call.word(0) == MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
        thread.process.engine.sync_code();
    return result;
}

}  // namespace kiln::user

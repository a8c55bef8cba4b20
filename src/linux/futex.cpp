// futex(2) and its successors, and membarrier(2). Guest threads are host threads and guest memory is host memory, so
// the host's futexes are the guest's. Elsewhere: robust futexes (robust_list.h).
#include <linux/futex.h>
#include <linux/membarrier.h>

#include <span>

#include "linux/guest_memory.h"
#include "linux/host_numbers.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

using Waiter = struct ::futex_waitv;

/// A list of waiters with host addresses in `waiters`, for the kernel; what it refuses, if the guest's is none.
Waiter* load_waiters(const Thread& thread, u64 guest, std::span<Waiter> waiters) {
    if (guest == 0) return nullptr;
    if (!thread.process.memory.read(GuestAddr(guest), waiters.data(), waiters.size_bytes()))
        return refused_pointer<Waiter>();
    for (Waiter& waiter : waiters) waiter.uaddr = reinterpret_cast<u64>(host_pointer(thread, waiter.uaddr));
    return waiters.data();
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
    Waiter room[FUTEX_WAITV_MAX];
    const u32 count = static_cast<u32>(call[1]);
    Waiter* waiters =
        load_waiters(thread, call[0], std::span(room).first(std::min<u32>(count, FUTEX_WAITV_MAX)));
    return waiting_syscall(thread, SYS_futex_waitv, waiters, count, call[2], host_pointer(thread, call[3]),
                           call[4]);
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
    Waiter room[2];
    return host_syscall(SYS_futex_requeue, reinterpret_cast<u64>(load_waiters(thread, call[0], room)),
                        call[1], call[2], call[3]);
}

i64 calls::membarrier(Thread& thread, const Call& call) {
    const i64 result = host_syscall(SYS_membarrier, static_cast<u64>(call.word(0)), call[1], call[2]);
    // Every thread fetches its instructions anew: on riscv64 that is fence.i on all of them.
    if (result == 0 && call.word(0) == MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
        thread.process.engine.sync_code();
    return result;
}

}  // namespace kiln::user

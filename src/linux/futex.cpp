// futex(2) and what belongs to it. Guest threads are host threads and guest memory is host memory, so the
// host's futexes are the guest's.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

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

i64 calls::set_robust_list(Thread& thread, const Call& call) {
    // The kernel walks the list when the thread dies. It can only if guest pointers are host pointers.
    if (thread.process.memory.base() != 0) return -ENOSYS;
    i64 result =
        host_syscall(SYS_set_robust_list, reinterpret_cast<u64>(host_pointer(thread, call[0])), call[1]);
    if (result == 0) {
        thread.robust_list = call.address(0);
        thread.robust_list_bytes = call[1];
    }
    return result;
}

i64 calls::get_robust_list(Thread& thread, const Call& call) {
    if (thread.process.memory.base() != 0) return -ENOSYS;
    if (call.word(0) != 0 && call.word(0) != thread.tid)
        return host_syscall(SYS_get_robust_list, static_cast<u64>(call.word(0)),
                            reinterpret_cast<u64>(host_pointer(thread, call[1])),
                            reinterpret_cast<u64>(host_pointer(thread, call[2])));
    return store(thread, call[1], thread.robust_list) && store(thread, call[2], thread.robust_list_bytes)
               ? 0
               : -EFAULT;
}

}  // namespace kiln::user

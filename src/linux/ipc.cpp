// System V semaphores and shared memory, and the notification of POSIX message queues. The rest of System V
// and POSIX IPC goes straight through: queues, and structures that are alike everywhere.
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>

#include <csignal>

#include "linux/guest_memory.h"
#include "linux/guest_types.h"
#include "linux/requests.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
i64 calls::semctl(Thread& thread, const Call& call) {
    const u64 set = static_cast<u64>(call.word(0)), number = static_cast<u64>(call.word(1));
    const int command = call.word(2);
    semid_ds host{};
    const ArgList args = *semctl_args(command);
    const bool facts = args[0] == ArgKind::semid_ds_, out = facts && args.when(0) == When::after;
    const u64 last = facts ? reinterpret_cast<u64>(&host) : host_argument(thread, args[0], call[3]);
    if (GuestSemaphoreFacts guest; facts && !out) {
        if (!load(thread, call[3], guest)) return -EFAULT;
        host.sem_perm = guest.perm;
    }
    const i64 result = host_syscall(SYS_semctl, set, number, static_cast<u64>(command), last);
    if (result < 0 || !out) return result;
    const GuestSemaphoreFacts guest{host.sem_perm, host.sem_otime, host.sem_ctime, host.sem_nsems, {}};
    return store(thread, call[3], guest) ? result : -EFAULT;
}

i64 calls::shmat(Thread& thread, const Call& call) {
    return thread.process.memory.attach(call.word(0), call.address(1), call.word(2));
}

i64 calls::shmdt(Thread& thread, const Call& call) { return thread.process.memory.detach(call.address(0)); }

i64 calls::mq_notify(Thread& thread, const Call& call) {
    if (call[1] == 0) return host_syscall(SYS_mq_notify, static_cast<u64>(call.word(0)), 0);
    sigevent event;
    if (!load(thread, call[1], event)) return -EFAULT;
    // The C library's way to SIGEV_THREAD: bytes that the kernel sends to a socket.
    if (event.sigev_notify == SIGEV_THREAD)
        event.sigev_value.sival_ptr =
            host_pointer(thread, reinterpret_cast<u64>(event.sigev_value.sival_ptr));
    return host_syscall(SYS_mq_notify, static_cast<u64>(call.word(0)), reinterpret_cast<u64>(&event));
}

}  // namespace kiln::user

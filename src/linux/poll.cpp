// Waiting for descriptors: ppoll(2), pselect(2), epoll(7).
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include <climits>
#include <vector>

#include "linux/guest_memory.h"
#include "linux/guest_types.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"

namespace kiln::user {
namespace {

/// What Linux says to a time limit before it looks at anything else: 0, or minus an errno.
i64 check_time(const Thread& thread, u64 guest) {
    timespec time;
    if (guest == 0) return 0;
    if (!load(thread, guest, time)) return -EFAULT;
    return time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000 ? -EINVAL : 0;
}

/// epoll_pwait and epoll_pwait2: they differ in how argument 3 gives the time limit.
i64 wait_for_events(Thread& thread, const Call& call, long number, u64 timeout) {
    WaitMask mask(thread, call[4], call[5]);
    if (mask.error() != 0) return mask.error();
    int capacity = call.word(2);
    if (capacity <= 0 || capacity > INT_MAX / static_cast<int>(sizeof(GuestEpollEvent))) return -EINVAL;
    // More events than this at a time only take another call.
    std::vector<epoll_event> events(static_cast<std::size_t>(std::min(capacity, 1024)));
    i64 result = mask.finish(waiting_syscall(thread, number, call.word(0), events.data(), events.size(),
                                             timeout, mask.host(), sizeof(SignalMask)));
    for (i64 i = 0; i < result; ++i) {
        GuestEpollEvent event{events[i].events, 0, events[i].data.u64};
        if (!store(thread, call[1] + i * sizeof event, event)) return i > 0 ? i : -EFAULT;
    }
    return result;
}

}  // namespace

i64 calls::ppoll(Thread& thread, const Call& call) {
    if (i64 error = check_time(thread, call[2]); error < 0) return error;
    WaitMask mask(thread, call[3], call[4]);
    if (mask.error() != 0) return mask.error();
    return mask.finish(waiting_syscall(thread, SYS_ppoll, host_pointer(thread, call[0]), call[1],
                                       host_pointer(thread, call[2]), mask.host(), sizeof(SignalMask)));
}

i64 calls::pselect6(Thread& thread, const Call& call) {
    struct {
        u64 set = 0;
        u64 bytes = 0;
    } guest;
    if (call[5] != 0 && !load(thread, call[5], guest)) return -EFAULT;
    if (i64 error = check_time(thread, call[4]); error < 0) return error;
    WaitMask mask(thread, guest.set, guest.bytes);
    if (mask.error() != 0) return mask.error();
    struct {
        const SignalMask* set;
        u64 bytes;
    } host{mask.host(), sizeof(SignalMask)};
    return mask.finish(waiting_syscall(thread, SYS_pselect6, call.word(0), host_pointer(thread, call[1]),
                                       host_pointer(thread, call[2]), host_pointer(thread, call[3]),
                                       host_pointer(thread, call[4]), &host));
}

i64 calls::epoll_ctl(Thread& thread, const Call& call) {
    epoll_event event{};
    if (call.word(1) != EPOLL_CTL_DEL) {
        GuestEpollEvent guest;
        if (!load(thread, call[3], guest)) return -EFAULT;
        event.events = guest.events;
        event.data.u64 = guest.data;
    }
    return host_syscall(SYS_epoll_ctl, static_cast<u64>(call.word(0)), static_cast<u64>(call.word(1)),
                        static_cast<u64>(call.word(2)), reinterpret_cast<u64>(&event));
}

i64 calls::epoll_pwait(Thread& thread, const Call& call) {
    return wait_for_events(thread, call, SYS_epoll_pwait, static_cast<u64>(call.word(3)));
}

i64 calls::epoll_pwait2(Thread& thread, const Call& call) {
    constexpr long epoll_pwait2_number = 441;
    if (i64 error = check_time(thread, call[3]); error < 0) return error;
    return wait_for_events(thread, call, epoll_pwait2_number,
                           reinterpret_cast<u64>(host_pointer(thread, call[3])));
}

}  // namespace kiln::user

// The calls on memory: AddressSpace does the work, here are their arguments. Elsewhere: what it means that
// translated code's bytes changed (the address space tells the engine).
#include <sys/mman.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

i64 calls::brk(Thread& thread, const Call& call) {
    return static_cast<i64>(thread.process.memory.brk(call.address(0)).raw);
}

i64 calls::mmap(Thread& thread, const Call& call) {
    if (call[5] % mem::page_bytes != 0) return -EINVAL;
    return thread.process.memory.map(call.address(0), call[1], call.word(2), call.word(3), call.word(4),
                                     call[5]);
}

i64 calls::munmap(Thread& thread, const Call& call) {
    return thread.process.memory.unmap(call.address(0), call[1]);
}

i64 calls::mprotect(Thread& thread, const Call& call) {
    return thread.process.memory.protect(call.address(0), call[1], call.word(2));
}

i64 calls::mremap(Thread& thread, const Call& call) {
    return thread.process.memory.remap(call.address(0), call[1], call[2], call.word(3), call.address(4));
}

i64 calls::madvise(Thread& thread, const Call& call) {
    return thread.process.memory.advise(call.address(0), call[1], call.word(2));
}

i64 calls::msync(Thread& thread, const Call& call) {
    return thread.process.memory.sync(call.address(0), call[1], call.word(2));
}

i64 calls::mincore(Thread& thread, const Call& call) {
    u64 pages = call[1] / mem::page_bytes + (call[1] % mem::page_bytes != 0);
    if (call[0] % mem::page_bytes != 0) return -EINVAL;
    if (!thread.process.memory.contains(call.address(0), call[1])) return -ENOMEM;
    // A window at a time: the guest may ask about its whole address space.
    constexpr u64 window = 4096;
    u8 residency[window];
    for (u64 done = 0; done < pages; done += window) {
        u64 count = std::min(pages - done, window);
        GuestAddr begin = call.address(0) + done * mem::page_bytes;
        i64 result = thread.process.memory.mincore(begin, count * mem::page_bytes, residency);
        if (result < 0) return result;
        if (!thread.process.memory.write(call.address(2) + done, residency, count)) return -EFAULT;
    }
    return 0;
}

i64 calls::mlock(Thread& thread, const Call& call) {
    return thread.process.memory.lock(call.address(0), call[1], 0);
}

i64 calls::mlock2(Thread& thread, const Call& call) {
    return thread.process.memory.lock(call.address(0), call[1], call.word(2));
}

i64 calls::munlock(Thread& thread, const Call& call) {
    return thread.process.memory.unlock(call.address(0), call[1]);
}

i64 calls::mlockall(Thread& thread, const Call& call) {
    int flags = call.word(0);
    if (flags == 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
        return -EINVAL;
    const int kind = flags & MCL_ONFAULT ? static_cast<int>(MLOCK_ONFAULT) : 0;
    thread.process.memory.lock_future(flags & MCL_FUTURE, kind);
    if (!(flags & MCL_CURRENT)) return 0;
    for (const mem::Region& region : thread.process.memory.regions()) {
        i64 result = thread.process.memory.lock(region.begin, region.bytes(), kind);
        if (result < 0) return result;
    }
    return 0;
}

i64 calls::munlockall(Thread& thread, const Call&) {
    thread.process.memory.lock_future(false, 0);
    for (const mem::Region& region : thread.process.memory.regions())
        thread.process.memory.unlock(region.begin, region.bytes());
    return 0;
}

i64 calls::move_pages(Thread& thread, const Call& call) {
    // A part at a time, as the kernel itself does.
    constexpr u64 part = 512;
    const u64 pid = static_cast<u64>(call.word(0)), flags = static_cast<u64>(call.word(5));
    i64 result = 0;
    u64 done = 0;
    do {
        const u64 count = std::min(call[1] - done, part);
        u64 pages[part];
        if (!thread.process.memory.read(call.address(2) + done * sizeof(u64), pages, count * sizeof(u64)))
            return host_syscall(SYS_move_pages, pid, count, reinterpret_cast<u64>(refused_pointer()), 0, 0,
                                flags);
        for (u64 i = 0; i < count; ++i) pages[i] = reinterpret_cast<u64>(host_pointer(thread, pages[i]));
        const u64 nodes = call[3] == 0 ? 0 : call[3] + done * sizeof(i32);
        result =
            host_syscall(SYS_move_pages, pid, count, reinterpret_cast<u64>(pages),
                         reinterpret_cast<u64>(host_pointer(thread, nodes)),
                         reinterpret_cast<u64>(host_pointer(thread, call[4] + done * sizeof(i32))), flags);
        done += count;
    } while (result == 0 && done < call[1]);
    return result;
}

i64 calls::mbind(Thread& thread, const Call& call) {
    return host_syscall(SYS_mbind, reinterpret_cast<u64>(host_pointer(thread, call[0], call[1])), call[1],
                        static_cast<u64>(call.word(2)), reinterpret_cast<u64>(host_pointer(thread, call[3])),
                        call[4], call[5]);
}

}  // namespace kiln::user

// Opening, closing and controlling descriptors: open(2), dup3(2), fcntl(2), close_range(2). Extended attributes of
// the newer calls, whose buffer is in a structure.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>

#include "linux/guest_memory.h"
#include "linux/host_numbers.h"
#include "linux/own_descriptors.h"
#include "linux/proc_files.h"
#include "linux/proc_folders.h"
#include "linux/requests.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

i64 calls::openat(Thread& thread, const Call& call) {
    int flags = thread.process.arch.open_flags_to_host(call.word(2));
    PathArg path(thread, call[1], flags & O_NOFOLLOW ? LastLink::keep : LastLink::follow, call.word(0));
    if (std::optional<i64> opened = open_proc_file(thread, path.absolute(), flags)) return *opened;
    return waiting_syscall(thread, SYS_openat, call.word(0), path.host(), flags, call[3]);
}

i64 calls::openat2(Thread& thread, const Call& call) {
    open_how how;
    if (i64 error = load_extensible(thread, call[2], call[3], sizeof how, how); error < 0) return error;
    how.flags = (how.flags & ~u64{0xffffffff}) |
                static_cast<u32>(thread.process.arch.open_flags_to_host(static_cast<int>(how.flags)));
    PathArg path(thread, call[1], how.flags & O_NOFOLLOW ? LastLink::keep : LastLink::follow, call.word(0));
    if (std::optional<i64> opened = open_proc_file(thread, path.absolute(), static_cast<int>(how.flags)))
        return *opened;
    return waiting_syscall(thread, SYS_openat2, call.word(0), path.host(), &how, sizeof how);
}

i64 calls::close(Thread& thread, const Call& call) {
    // close(2) is never made again: the descriptor is gone even when it fails with EINTR.
    return safe_syscall(thread, SYS_close, call.word(0));
}

i64 calls::close_range(Thread& thread, const Call& call) {
    u32 first = static_cast<u32>(call[0]), last = static_cast<u32>(call[1]);
    if (first > last) return -EINVAL;
    // Kiln's own descriptors stay: the range is closed around them.
    auto owned = own_descriptors(thread.process);
    std::ranges::sort(owned);
    for (int own : owned) {
        u32 keep = static_cast<u32>(own);
        if (own < 0 || keep < first || keep > last) continue;
        if (keep > first) {
            i64 result = host_syscall(SYS_close_range, first, keep - 1, call[2]);
            if (result < 0) return result;
        }
        if (keep == last) return 0;
        first = keep + 1;
    }
    return host_syscall(SYS_close_range, first, last, call[2]);
}

i64 calls::dup3(Thread& thread, const Call& call) {
    const int from = call.word(0), to = call.word(1);
    // The guest may have any number: a descriptor of kiln's own makes room.
    if (from != to && is_own_descriptor(thread.process, to) &&
        host_syscall(SYS_fcntl, static_cast<u64>(from), F_GETFD) >= 0)
        vacate_descriptor(thread.process, to);
    return waiting_syscall(thread, SYS_dup3, from, to, thread.process.arch.open_flags_to_host(call.word(2)));
}

i64 calls::getdents64(Thread& thread, const Call& call) {
    const int fd = call.word(0);
    u8* entries = host_pointer<u8>(thread, call[1], call[2]);
    for (;;) {
        const i64 bytes = waiting_syscall(thread, SYS_getdents64, fd, entries, call[2]);
        if (bytes <= 0) return bytes;
        const std::optional<ProcFolder> folder = ProcFolder::of(thread.process, fd);
        if (!folder) return bytes;
        std::vector<u8> list(static_cast<std::size_t>(bytes));
        if (!thread.process.memory.read(call.address(1), list.data(), list.size())) return -EFAULT;
        const std::size_t kept = folder->without_own(list);
        if (kept == 0) continue;  // 0 would be the end
        if (!thread.process.memory.write(call.address(1), list.data(), kept)) return -EFAULT;
        return static_cast<i64>(kept);
    }
}

i64 calls::fcntl(Thread& thread, const Call& call) {
    const Arch& arch = thread.process.arch;
    const int fd = call.word(0), command = call.word(1);
    if (command == F_GETFL) {
        const i64 result = host_syscall(SYS_fcntl, static_cast<u64>(fd), F_GETFL);
        return result < 0 ? result : arch.open_flags_to_guest(static_cast<int>(result));
    }
    // A descriptor's event as SIGSEGV or SIGBUS has the si_code of a fault, which kiln could not tell from its own.
    if (command == F_SETSIG && is_fault_signal(call.word(2))) return -EINVAL;
    const ArgKind kind = fcntl_args(command).value_or(ArgList{})[0];
    return waiting_syscall(thread, SYS_fcntl, fd, command, host_argument(thread, kind, call[2]));
}

i64 calls::readlinkat(Thread& thread, const Call& call) {
    PathArg path(thread, call[1], LastLink::keep, call.word(0));
    if (std::optional<std::string> target = proc_link_target(thread.process, path.absolute())) {
        int size = call.word(3);
        if (size <= 0) return -EINVAL;
        std::size_t bytes = std::min<std::size_t>(target->size(), size);
        if (!thread.process.memory.write(call.address(2), target->data(), bytes)) return -EFAULT;
        return static_cast<i64>(bytes);
    }
    return host_syscall(SYS_readlinkat, call.word(0), reinterpret_cast<u64>(path.host()),
                        reinterpret_cast<u64>(host_pointer(thread, call[2])), call[3]);
}

namespace {

/// The guest's struct xattr_args, whose first version is 16 bytes.
struct AttributeArgs {
    u64 value;
    u32 size;
    u32 flags;
};

i64 attribute_call(Thread& thread, const Call& call, long number) {
    AttributeArgs args;
    if (i64 error = load_extensible(thread, call[4], call[5], sizeof args, args); error < 0) return error;
    args.value = reinterpret_cast<u64>(host_pointer(thread, args.value, args.size));
    PathArg path(thread, call[1], call[2] & AT_SYMLINK_NOFOLLOW ? LastLink::keep : LastLink::follow);
    return host_syscall(number, static_cast<u64>(call.word(0)), reinterpret_cast<u64>(path.host()), call[2],
                        reinterpret_cast<u64>(host_pointer(thread, call[3])), reinterpret_cast<u64>(&args),
                        sizeof args);
}

}  // namespace

i64 calls::setxattrat(Thread& thread, const Call& call) {
    return attribute_call(thread, call, SYS_setxattrat);
}
i64 calls::getxattrat(Thread& thread, const Call& call) {
    return attribute_call(thread, call, SYS_getxattrat);
}

}  // namespace kiln::user

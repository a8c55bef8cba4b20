// Reading and writing with lists of buffers; also another process's memory.
#include "linux/io.h"

#include <limits.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/proc_files.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

Buffers::Buffers(const Thread& thread, u64 guest, u64 count) : list_(refused_pointer<iovec>()) {
    // The kernel takes an unsigned int of it, too.
    const u32 known = static_cast<u32>(count);
    if (known > IOV_MAX) return;
    buffers_.resize(known);
    if (!thread.process.memory.read(GuestAddr(guest), buffers_.data(), known * sizeof(iovec))) return;
    for (iovec& buffer : buffers_) {
        const u64 address = reinterpret_cast<u64>(buffer.iov_base);
        buffer.iov_base = host_pointer(thread, address, buffer.iov_len);
    }
    list_ = buffers_.data();
}

namespace {

/// How far the places of the file `fd` lie above where the guest says: in those that have a place for every address
/// of the process, the guest's begin at its base.
u64 file_base(const Thread& thread, int fd) {
    const u64 base = thread.process.memory.base();
    if (base == 0) return 0;
    const std::string entry = own_entry_of(fd);
    if (entry == "mem") return base;
    if (entry == "pagemap") return base / mem::page_bytes * sizeof(u64);
    return 0;
}

/// Makes call `number` with the list in arguments 1 and 2; the rest is handed on.
i64 with_buffers(Thread& thread, const Call& call, long number) {
    Buffers buffers(thread, call[1], call[2]);
    return waiting_syscall(thread, number, call.word(0), buffers.host(), call[2], call[3], call[4], call[5]);
}

}  // namespace

i64 calls::readv(Thread& thread, const Call& call) { return with_buffers(thread, call, SYS_readv); }
i64 calls::writev(Thread& thread, const Call& call) { return with_buffers(thread, call, SYS_writev); }
i64 calls::vmsplice(Thread& thread, const Call& call) { return with_buffers(thread, call, SYS_vmsplice); }

// ---- At an offset ----

namespace {

/// Makes call `number` with the list in arguments 1 and 2, at the offset in argument 3, of which -1 may be the file's.
i64 with_buffers_at(Thread& thread, const Call& call, long number) {
    Call moved = call;
    if (static_cast<i64>(call[3]) != -1) moved.args[3] += file_base(thread, call.word(0));
    return with_buffers(thread, moved, number);
}

i64 with_buffer_at(Thread& thread, const Call& call, long number) {
    return waiting_syscall(thread, number, call.word(0), host_pointer(thread, call[1]), call[2],
                           call[3] + file_base(thread, call.word(0)));
}

}  // namespace

i64 calls::pread64(Thread& thread, const Call& call) { return with_buffer_at(thread, call, SYS_pread64); }
i64 calls::pwrite64(Thread& thread, const Call& call) { return with_buffer_at(thread, call, SYS_pwrite64); }
i64 calls::preadv(Thread& thread, const Call& call) { return with_buffers_at(thread, call, SYS_preadv); }
i64 calls::pwritev(Thread& thread, const Call& call) { return with_buffers_at(thread, call, SYS_pwritev); }
i64 calls::preadv2(Thread& thread, const Call& call) { return with_buffers_at(thread, call, SYS_preadv2); }
i64 calls::pwritev2(Thread& thread, const Call& call) { return with_buffers_at(thread, call, SYS_pwritev2); }

i64 calls::lseek(Thread& thread, const Call& call) {
    const u64 base = file_base(thread, call.word(0));
    const u64 offset = call[1] + (call.word(2) == SEEK_SET ? base : 0);
    const i64 place = host_syscall(SYS_lseek, static_cast<u64>(call.word(0)), offset, call[2]);
    // A file that was just opened is at the host's beginning.
    return base == 0 || place < 0 ? place : std::max<i64>(place - static_cast<i64>(base), 0);
}

namespace {

/// Addresses in the other process are taken for this one's: a guest's, with the same base.
i64 across_processes(Thread& thread, const Call& call, long number) {
    Buffers local(thread, call[1], call[2]), remote(thread, call[3], call[4]);
    return host_syscall(number, static_cast<u64>(call.word(0)), reinterpret_cast<u64>(local.host()), call[2],
                        reinterpret_cast<u64>(remote.host()), call[4], call[5]);
}

}  // namespace

i64 calls::process_vm_readv(Thread& thread, const Call& call) {
    return across_processes(thread, call, SYS_process_vm_readv);
}
i64 calls::process_vm_writev(Thread& thread, const Call& call) {
    return across_processes(thread, call, SYS_process_vm_writev);
}
i64 calls::process_madvise(Thread& thread, const Call& call) {
    return with_buffers(thread, call, SYS_process_madvise);
}

}  // namespace kiln::user

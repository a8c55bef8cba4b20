// Messages with buffers and control data: sendmsg(2), recvmsg(2) and their plural forms; socket filters. The
// structures are those of every 64-bit Linux; only the pointers in them need translation. Control data and plain
// socket calls go straight through.
#include <limits.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "linux/guest_memory.h"
#include "linux/io.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

/// The guest's struct msghdr.
struct GuestMessage {
    u64 name;
    u32 name_bytes;
    u32 padding1;
    u64 buffers;
    u64 buffer_count;
    u64 control;
    u64 control_bytes;
    u32 flags;
    u32 padding2;
};
static_assert(sizeof(GuestMessage) == sizeof(msghdr));

/// The guest's struct mmsghdr.
struct GuestMessageSlot {
    GuestMessage message;
    u32 bytes;
    u32 padding;
};
static_assert(sizeof(GuestMessageSlot) == sizeof(mmsghdr));

/// A message's header with host addresses.
struct HostMessage {
    msghdr header{};
    Buffers buffers;

    HostMessage(const Thread& thread, const GuestMessage& guest)
        : buffers(thread, guest.buffers, guest.buffer_count) {
        header.msg_name = host_pointer(thread, guest.name, guest.name_bytes);
        header.msg_namelen = guest.name_bytes;
        header.msg_iov = buffers.host();
        header.msg_iovlen = guest.buffer_count;
        header.msg_control = host_pointer(thread, guest.control, guest.control_bytes);
        header.msg_controllen = guest.control_bytes;
        header.msg_flags = static_cast<int>(guest.flags);
    }
    /// What the kernel changes in a header that it received into.
    void store_to(GuestMessage& guest) const {
        guest.name_bytes = header.msg_namelen;
        guest.control_bytes = header.msg_controllen;
        guest.flags = static_cast<u32>(header.msg_flags);
    }
};

i64 transfer(Thread& thread, const Call& call, long number) {
    GuestMessage guest;
    if (!load(thread, call[1], guest))
        return waiting_syscall(thread, number, call.word(0), refused_pointer(), call.word(2));
    HostMessage host(thread, guest);
    const i64 result = waiting_syscall(thread, number, call.word(0), &host.header, call.word(2));
    if (result < 0 || number == SYS_sendmsg) return result;
    host.store_to(guest);
    return store(thread, call[1], guest) ? result : -EFAULT;
}

/// The plural forms. Messages from one that cannot be read on are left out, as the kernel would stop there; without
/// any, it gets what it refuses.
i64 transfer_many(Thread& thread, const Call& call, long number) {
    const u64 asked = std::min<u64>(static_cast<u32>(call[2]), IOV_MAX);
    std::vector<GuestMessageSlot> guest;
    std::vector<HostMessage> messages;
    std::vector<mmsghdr> slots;
    auto address = [&](u64 index) { return call[1] + index * sizeof(GuestMessageSlot); };
    for (u64 i = 0; i < asked; ++i) {
        GuestMessageSlot slot;
        if (!load(thread, address(i), slot)) break;
        guest.push_back(slot);
        messages.emplace_back(thread, slot.message);
        slots.push_back({messages.back().header, 0});
    }
    const bool sends = number == SYS_sendmmsg;
    mmsghdr* const list = slots.empty() ? refused_pointer<mmsghdr>() : slots.data();
    const u64 count = slots.empty() ? asked : slots.size();
    const i64 result = waiting_syscall(thread, number, call.word(0), list, count, call.word(3),
                                       sends ? nullptr : host_pointer(thread, call[4]));
    for (i64 i = 0; i < result; ++i) {
        messages[i].header = slots[i].msg_hdr;
        if (!sends) messages[i].store_to(guest[i].message);
        guest[i].bytes = slots[i].msg_len;
        if (!store(thread, address(i), guest[i])) return i > 0 ? i : -EFAULT;
    }
    return result;
}

/// A socket filter, which is a count and the address of that many instructions.
i64 attach_filter(Thread& thread, const Call& call) {
    struct {
        u16 count;
        u16 padding[3];
        u64 code;
    } program;
    static_assert(sizeof program == sizeof(sock_fprog));
    if (call[4] != sizeof program) return -EINVAL;
    if (!load(thread, call[3], program)) return -EFAULT;
    program.code =
        reinterpret_cast<u64>(host_pointer(thread, program.code, program.count * sizeof(sock_filter)));
    return host_syscall(SYS_setsockopt, static_cast<u64>(call.word(0)), static_cast<u64>(call.word(1)),
                        static_cast<u64>(call.word(2)), reinterpret_cast<u64>(&program), sizeof program);
}

}  // namespace

i64 calls::sendmsg(Thread& thread, const Call& call) { return transfer(thread, call, SYS_sendmsg); }
i64 calls::recvmsg(Thread& thread, const Call& call) { return transfer(thread, call, SYS_recvmsg); }
i64 calls::sendmmsg(Thread& thread, const Call& call) { return transfer_many(thread, call, SYS_sendmmsg); }
i64 calls::recvmmsg(Thread& thread, const Call& call) { return transfer_many(thread, call, SYS_recvmmsg); }

i64 calls::setsockopt(Thread& thread, const Call& call) {
    const int option = call.word(2);
    if (call.word(1) == SOL_SOCKET && (option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF))
        return attach_filter(thread, call);
    return waiting_syscall(thread, SYS_setsockopt, call.word(0), call.word(1), option,
                           host_pointer(thread, call[3]), call[4]);
}

}  // namespace kiln::user

// Messages with buffers and control data: sendmsg(2), recvmsg(2) and their plural forms. The structures are
// those of every 64-bit Linux; only the pointers in them need translation. Plain socket calls go straight
// through.
#include <sys/socket.h>
#include <sys/syscall.h>

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

enum class Direction : u8 { send, receive };

i64 transfer(Thread& thread, int socket, u64 address, int flags, Direction direction) {
    GuestMessage guest;
    if (!load(thread, address, guest)) return -EFAULT;
    std::vector<iovec> buffers;
    if (guest.buffer_count > 1024) return -EMSGSIZE;
    if (i64 error = load_buffers(thread, guest.buffers, guest.buffer_count, buffers); error < 0) return error;
    msghdr host{};
    host.msg_name = host_pointer(thread, guest.name, guest.name_bytes);
    host.msg_namelen = guest.name_bytes;
    host.msg_iov = buffers.data();
    host.msg_iovlen = buffers.size();
    host.msg_control = host_pointer(thread, guest.control, guest.control_bytes);
    host.msg_controllen = guest.control_bytes;
    host.msg_flags = static_cast<int>(guest.flags);
    long number = direction == Direction::send ? SYS_sendmsg : SYS_recvmsg;
    i64 result = waiting_syscall(thread, number, socket, &host, flags);
    if (result < 0 || direction == Direction::send) return result;
    guest.name_bytes = host.msg_namelen;
    guest.control_bytes = host.msg_controllen;
    guest.flags = static_cast<u32>(host.msg_flags);
    return store(thread, address, guest) ? result : -EFAULT;
}

/// One message after the other; the result is how many went, or the first one's error.
i64 transfer_many(Thread& thread, const Call& call, Direction direction) {
    int flags = call.word(3) & ~MSG_WAITFORONE;
    u64 count = std::min<u64>(static_cast<u32>(call[2]), 1024);
    for (u64 i = 0; i < count; ++i) {
        u64 slot = call[1] + i * sizeof(GuestMessageSlot);
        i64 result = transfer(thread, call.word(0), slot, flags, direction);
        if (result < 0) return i > 0 ? static_cast<i64>(i) : result;
        if (!store(thread, slot + offsetof(GuestMessageSlot, bytes), static_cast<u32>(result)))
            return -EFAULT;
        if (direction == Direction::receive && call.word(3) & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
    }
    return static_cast<i64>(count);
}

}  // namespace

i64 calls::sendmsg(Thread& thread, const Call& call) {
    return transfer(thread, call.word(0), call[1], call.word(2), Direction::send);
}

i64 calls::recvmsg(Thread& thread, const Call& call) {
    return transfer(thread, call.word(0), call[1], call.word(2), Direction::receive);
}

i64 calls::sendmmsg(Thread& thread, const Call& call) { return transfer_many(thread, call, Direction::send); }

i64 calls::recvmmsg(Thread& thread, const Call& call) {
    // The time limit only counts between messages: recvmmsg(2), BUGS.
    return transfer_many(thread, call, Direction::receive);
}

}  // namespace kiln::user

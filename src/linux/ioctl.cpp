// ioctl(2): a table of requests that may pass, and those whose structures hold pointers.
#include <fcntl.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/ioctl_requests.h"
#include "linux/requests.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

/// A request the tables do not have. A bad descriptor is the more important fact.
i64 unknown_request(const Call& call) {
    if (i64 result = host_syscall(SYS_fcntl, static_cast<u64>(call.word(0)), F_GETFD); result < 0)
        return result;
    static Once said;
    if (log_on(LogItem::unimp) && said.first())
        log_line({"kiln: unimplemented ioctl request ", Hex(static_cast<u32>(call[1]))});
    return -ENOTTY;
}

/// SIOCGIFCONF: a size and the address of a list of struct ifreq.
i64 list_interfaces(Thread& thread, const Call& call) {
    struct {
        i32 bytes;
        i32 padding;
        u64 list;
    } conf;
    static_assert(sizeof conf == sizeof(ifconf));
    if (!load(thread, call[2], conf)) return -EFAULT;
    const u64 guest_list = conf.list;
    conf.list = reinterpret_cast<u64>(host_pointer(thread, guest_list, static_cast<u32>(conf.bytes)));
    const i64 result =
        host_syscall(SYS_ioctl, static_cast<u64>(call.word(0)), SIOCGIFCONF, reinterpret_cast<u64>(&conf));
    if (result < 0) return result;
    conf.list = guest_list;
    return store(thread, call[2], conf) ? result : -EFAULT;
}

/// SIOCETHTOOL and others whose struct ifreq ends in a pointer to flat data.
i64 with_data(Thread& thread, const Call& call) {
    ifreq request;
    if (!load(thread, call[2], request)) return -EFAULT;
    request.ifr_data = host_pointer<char>(thread, reinterpret_cast<u64>(request.ifr_data));
    return host_syscall(SYS_ioctl, static_cast<u64>(call.word(0)), static_cast<u32>(call[1]),
                        reinterpret_cast<u64>(&request));
}

}  // namespace

i64 calls::ioctl(Thread& thread, const Call& call) {
    const u32 request = static_cast<u32>(call[1]);
    // Those whose structures hold pointers.
    if (request == SIOCGIFCONF) return list_interfaces(thread, call);
    if (request == SIOCETHTOOL) return with_data(thread, call);
    const std::optional<ArgList> args = ioctl_args(request);
    if (!args) return unknown_request(call);
    return waiting_syscall(thread, SYS_ioctl, call.word(0), request,
                           host_argument(thread, (*args)[0], call[2]));
}

}  // namespace kiln::user

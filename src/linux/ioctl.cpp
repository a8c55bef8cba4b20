// ioctl(2): a list of requests that may pass.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/random.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/ioctl_names.h"
#include "linux/safe_syscall.h"

// <asm/termbits.h>, which has it, cannot stand beside <sys/ioctl.h>. Only its size matters, to the request
// numbers.
struct termios2 {
    unsigned int flags[4];
    unsigned char line_and_characters[20];
    unsigned int speeds[2];
};
static_assert(sizeof(termios2) == 44);

namespace kiln::user {
namespace {

enum class IoctlArg : u8 { value, pointer };
struct IoctlRow {
    u32 request;
    IoctlArg argument;
    std::string_view name;
};
constexpr IoctlRow rows[] = {
#define IOCTL(request, argument, meaning) {static_cast<u32>(request), IoctlArg::argument, #request},
#include "linux/ioctls.def"
#undef IOCTL
};

const IoctlRow* find(u32 request) {
    for (const IoctlRow& row : rows)
        if (row.request == request) return &row;
    return nullptr;
}

}  // namespace

std::string_view ioctl_name(u32 request) {
    const IoctlRow* row = find(request);
    return row != nullptr ? row->name : std::string_view();
}

i64 calls::ioctl(Thread& thread, const Call& call) {
    const IoctlRow* row = find(static_cast<u32>(call[1]));
    if (row == nullptr) {
        // A bad descriptor is the more important fact.
        if (i64 result = host_syscall(SYS_fcntl, static_cast<u64>(call.word(0)), F_GETFD); result < 0)
            return result;
        static Once said;
        if (log_on(LogItem::unimp) && said.first())
            log_line({"kiln: unimplemented ioctl request ", Hex(static_cast<u32>(call[1]))});
        return -ENOTTY;
    }
    u64 argument =
        row->argument == IoctlArg::pointer ? reinterpret_cast<u64>(host_pointer(thread, call[2])) : call[2];
    return waiting_syscall(thread, SYS_ioctl, call.word(0), row->request, argument);
}

}  // namespace kiln::user

// Names of flags and choices. The rows hold their names in place: a table of pointers would have to be relocated
// at each start of this position-independent program.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fanotify.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/landlock.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/ptrace.h>
#include <linux/quota.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>

#include <algorithm>
#include <csignal>

#include "linux/ioctl_requests.h"
#include "linux/requests.h"
#include "linux/strace_names.h"
#include "linux/strace_show.h"

namespace kiln::user {
namespace {

struct NameRow {
    char name[47];
    ArgKind kind;
    u64 field;  ///< the bits that are compared
    u64 value;

    consteval NameRow(ArgKind row_kind, u64 row_field, u64 row_value, const char* text)
        : name{}, kind(row_kind), field(row_field), value(row_value) {
        // A name that does not fit does not compile.
        for (unsigned i = 0; text[i] != 0; ++i) name[i] = text[i];
        (void)name[sizeof name - 1];
    }
};

constexpr u64 word = 0xffffffff;

constexpr NameRow name_rows[] = {
#define FLAG(kind, flag) {ArgKind::kind##_, static_cast<u64>(flag), static_cast<u64>(flag), #flag},
#define CHOICE_OF(kind, field, flag) \
    {ArgKind::kind##_, static_cast<u64>(field), static_cast<u64>(flag), #flag},
#define CHOICE(kind, flag) {ArgKind::kind##_, word, static_cast<u64>(flag) & word, #flag},
#define FCNTL(flag, args, meaning) {ArgKind::fcntl_cmd_, word, static_cast<u64>(flag), #flag},
#define PRCTL(flag, handler, args, meaning) {ArgKind::prctl_op_, word, static_cast<u64>(flag), #flag},
#define KEYCTL(flag, args, meaning) {ArgKind::keyctl_op_, word, static_cast<u64>(flag), #flag},
#define IOCTL(flag, args, meaning) {ArgKind::ioctl_cmd_, word, static_cast<u32>(flag), #flag},
#include "linux/fcntls.def"
#include "linux/flags.def"
#include "linux/ioctls.def"
#include "linux/keyctls.def"
#include "linux/prctls.def"
#undef IOCTL
#undef KEYCTL
#undef PRCTL
#undef FCNTL
#undef CHOICE
#undef CHOICE_OF
#undef FLAG
};

}  // namespace

bool has_names(ArgKind kind) {
    return std::ranges::any_of(name_rows, [&](const NameRow& row) { return row.kind == kind; });
}

std::string show_choice(ArgKind kind, u64 value) {
    for (const NameRow& row : name_rows)
        if (row.kind == kind && row.value == (value & word)) return row.name;
    return show_hex(value & word);
}

std::string show_flags(ArgKind kind, u64 value) {
    // The register of a C int may be sign-extended.
    u64 rest = value >> 32 == word ? value & word : value;
    std::string text;
    auto add = [&](std::string_view name) {
        if (!text.empty()) text += '|';
        text += name;
    };
    // A choice of value 0 is only worth its name where it is one of several, or alone.
    std::string zero;
    for (const NameRow& row : name_rows) {
        if (row.kind != kind) continue;
        if (row.value == 0) {
            if ((kind == ArgKind::open_flags_ ? rest & row.field : rest) == 0 && text.empty())
                zero = row.name;
        } else if ((rest & row.field) == row.value) {
            add(row.name);
            rest &= ~row.field;
        }
    }
    if (!zero.empty()) text = text.empty() ? zero : zero + "|" + text;
    if (rest != 0 || text.empty()) add(rest == 0 ? std::string("0") : show_hex(rest));
    return text;
}

}  // namespace kiln::user

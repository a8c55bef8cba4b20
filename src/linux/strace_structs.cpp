// Structures and lists by the rows of structs.def.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include <csignal>
#include <cstddef>

#include "linux/guest_types.h"
#include "linux/strace_show.h"

namespace kiln::user {
namespace {

// Structures that share their name with a function.
using Statx = struct statx;
using Statfs = struct statfs;
using Sysinfo = struct sysinfo;

// Structures that the C library's headers lack, or have behind clashing headers.
struct GuestTimezone {
    int tz_minuteswest, tz_dsttime;
};
struct SignalSetArgument {
    u64 set, bytes;
};
struct SchedulingAttributes {
    u32 size, sched_policy;
    u64 sched_flags;
    i32 sched_nice;
    u32 sched_priority;
    u64 sched_runtime, sched_deadline, sched_period;
};
struct MountAttributes {
    u64 attr_set, attr_clr, propagation, userns_fd;
};
struct MountRequest {
    u32 size, spare;
    u64 mnt_id, param;
};
struct XattrArguments {
    u64 value;
    u32 size, flags;
};
struct FileAttributes {
    u64 fa_xflags;
    u32 fa_extsize, fa_nextents, fa_projid, fa_cowextsize;
};
struct CacheRange {
    u64 off, len;
};
struct CacheFacts {
    u64 nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted;
};
struct HwprobePair {
    i64 key;
    u64 value;
};
struct GuestTermios {
    u32 c_iflag, c_oflag, c_cflag, c_lflag;
};

enum class Place : bool { value, part };

// Names in place, for the reason that strace_names.cpp gives.
struct FieldRow {
    char name[20];
    u16 offset;
    u8 bytes;
    Place place;
    ArgKind kind;
    ArgKind as;

    consteval FieldRow(ArgKind row_kind, std::size_t at, std::size_t size, Place row_place, ArgKind shown_as,
                       const char* text)
        : name{},
          offset(static_cast<u16>(at)),
          bytes(static_cast<u8>(size)),
          place(row_place),
          kind(row_kind),
          as(shown_as) {
        for (unsigned i = 0; text[i] != 0; ++i) name[i] = text[i];
        (void)name[sizeof name - 1];
    }
};

template <ArgKind kind>
struct TypeOf;
#define STRUCT(kind, type)            \
    template <>                       \
    struct TypeOf<ArgKind::kind##_> { \
        using Type = type;            \
    };
#define FIELD(kind, member, as)
#define PART(kind, member, as)
#define LIST(kind, element, count, bytes)
#include "linux/structs.def"
#undef STRUCT
#undef FIELD
#undef PART

#define STRUCT(kind, type)
#define ROW(kind, member, place, as)                   \
    {ArgKind::kind##_,                                 \
     offsetof(TypeOf<ArgKind::kind##_>::Type, member), \
     sizeof(TypeOf<ArgKind::kind##_>::Type::member),   \
     place,                                            \
     ArgKind::as##_,                                   \
     #member},
#define FIELD(kind, member, as) ROW(kind, member, Place::value, as)
#define PART(kind, member, as) ROW(kind, member, Place::part, as)
constexpr FieldRow field_rows[] = {
#include "linux/structs.def"
};
#undef FIELD
#undef PART
#undef ROW
#undef STRUCT

u64 size_of(ArgKind kind) {
    switch (kind) {
#define STRUCT(kind, type) \
    case ArgKind::kind##_: return sizeof(type);
#define FIELD(kind, member, as)
#define PART(kind, member, as)
#include "linux/structs.def"
        default: return 0;
    }
}
#undef LIST
#undef STRUCT

enum class Count : u8 { fixed, first, next, result };
struct ListRow {
    ArgKind kind;
    ArgKind element;
    Count count;
    u8 fixed;
    u8 bytes;
};
constexpr ListRow list_row(ArgKind kind, ArgKind element, Count count, u8 bytes) {
    return {kind, element, count, 0, bytes};
}
constexpr ListRow list_row(ArgKind kind, ArgKind element, int fixed, u8 bytes) {
    return {kind, element, Count::fixed, static_cast<u8>(fixed), bytes};
}
constexpr Count first = Count::first, next = Count::next, result = Count::result;
#define STRUCT(kind, type)
constexpr ListRow list_rows[] = {
#define LIST(kind, element, count, bytes) list_row(ArgKind::kind##_, ArgKind::element##_, count, bytes),
#include "linux/structs.def"
#undef LIST
};
#undef STRUCT
#undef FIELD
#undef PART

bool load_number(const Thread& thread, u64 address, unsigned bytes, u64& value) {
    value = 0;
    return thread.process.memory.read(GuestAddr(address), &value, std::min<unsigned>(bytes, sizeof value));
}

u64 count_of(const ListRow& row, const Shown& shown) {
    switch (row.count) {
        case Count::fixed: return row.fixed;
        // getgroups(2) and setgroups(2): the first argument, or the result.
        case Count::first: return shown.when == When::after ? static_cast<u64>(shown.result) : shown.call[0];
        case Count::next: return shown.length();
        case Count::result: return static_cast<u64>(shown.result);
    }
    __builtin_unreachable();
}

}  // namespace

bool has_rows(ArgKind kind) {
    for (const FieldRow& row : field_rows)
        if (row.kind == kind) return true;
    for (const ListRow& row : list_rows)
        if (row.kind == kind) return true;
    return false;
}

std::string show_structure(const Shown& shown) {
    std::string text = "{";
    const FieldRow* const end = std::end(field_rows);
    for (const FieldRow* row = field_rows; row != end; ++row) {
        if (row->kind != shown.kind) continue;
        u64 value = shown.value + row->offset;
        Shown member = shown.with(row->as, value);
        if (row->place == Place::value) {
            if (!load_number(shown.thread, value, row->bytes, member.value)) return show_pointer(shown.value);
            // Some kinds have their length in the next member.
            member.next_is_pointer = false;
            if (row + 1 != end && row[1].kind == shown.kind &&
                !load_number(shown.thread, shown.value + row[1].offset, row[1].bytes, member.next))
                return show_pointer(shown.value);
        }
        if (text.size() > 1) text += ", ";
        text.append(row->name).append("=").append(show(member));
    }
    return text + "}";
}

std::string show_items(const Shown& shown) {
    const ListRow* row = list_rows;
    while (row->kind != shown.kind) ++row;
    const u64 bytes = row->bytes != 0 ? row->bytes : size_of(row->element);
    const u64 count = count_of(*row, shown);
    std::string text = "[";
    i64 unread = shown.result;
    for (u64 i = 0; i < count; ++i) {
        if (i != 0) text += ", ";
        if (i == shown_bytes) {
            text += "...";
            break;
        }
        const u64 address = shown.value + i * bytes;
        u64 first_word;
        if (!load_number(shown.thread, address, std::min<unsigned>(static_cast<unsigned>(bytes), 8),
                         first_word))
            return i == 0 ? show_pointer(shown.value) : text + "...]";
        Shown element = shown.with(row->element, row->bytes != 0 ? first_word : address);
        if (shown.kind == ArgKind::iov_ && shown.when == When::after) {
            // What was read fills one buffer after the other.
            iovec buffer{};
            load(shown.thread, address, buffer);
            element.result = std::min(unread, static_cast<i64>(buffer.iov_len));
            unread -= element.result;
        }
        text += show(element);
    }
    return text + "]";
}

}  // namespace kiln::user

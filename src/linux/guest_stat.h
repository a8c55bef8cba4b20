// The generic struct stat (include/uapi/asm-generic/stat.h).
#pragma once

#include <sys/stat.h>

#include "base/types.h"

namespace kiln::user {

struct GuestStat {
    u64 dev;
    u64 ino;
    u32 mode;
    u32 nlink;
    u32 uid;
    u32 gid;
    u64 rdev;
    u64 padding1;
    i64 size;
    i32 blksize;
    i32 padding2;
    i64 blocks;
    i64 atime;
    u64 atime_nsec;
    i64 mtime;
    u64 mtime_nsec;
    i64 ctime;
    u64 ctime_nsec;
    u32 unused[2];
};
static_assert(sizeof(GuestStat) == 128);

GuestStat guest_stat(const struct stat& host);

}  // namespace kiln::user

// Names for flags.def that the C library's headers are too old for, or that lie in headers that clash.
#pragma once

#include "base/types.h"

namespace kiln::user {

// <sys/mount.h>, which clashes with <linux/fs.h>
enum : u64 {
    MNT_FORCE = 1,
    MNT_DETACH = 2,
    MNT_EXPIRE = 4,
    UMOUNT_NOFOLLOW = 8,
};
// include/uapi/linux/futex.h of 6.7, include/uapi/linux/ioprio.h, include/linux/syslog.h
enum : u64 {
    FUTEX2_SIZE_U8 = 0,
    FUTEX2_SIZE_U16 = 1,
    FUTEX2_SIZE_U32 = 2,
    FUTEX2_SIZE_U64 = 3,
    FUTEX2_NUMA = 4,
    FUTEX2_PRIVATE = 128,
    FUTEX2_SIZE_MASK = 3,
    IOPRIO_WHO_PROCESS = 1,
    IOPRIO_WHO_PGRP = 2,
    IOPRIO_WHO_USER = 3,
    SYSLOG_ACTION_CLOSE = 0,
    SYSLOG_ACTION_OPEN = 1,
    SYSLOG_ACTION_READ = 2,
    SYSLOG_ACTION_READ_ALL = 3,
    SYSLOG_ACTION_READ_CLEAR = 4,
    SYSLOG_ACTION_CLEAR = 5,
    SYSLOG_ACTION_CONSOLE_OFF = 6,
    SYSLOG_ACTION_CONSOLE_ON = 7,
    SYSLOG_ACTION_CONSOLE_LEVEL = 8,
    SYSLOG_ACTION_SIZE_UNREAD = 9,
    SYSLOG_ACTION_SIZE_BUFFER = 10,
};
// quotactl(2): the commands of include/uapi/linux/quota.h, as they lie above a type
enum : u64 {
    QUOTA_COMMAND = 0xffffff00,
    QUOTA_SYNC = 0x80000100,
    QUOTA_ON = 0x80000200,
    QUOTA_OFF = 0x80000300,
    QUOTA_GETFMT = 0x80000400,
    QUOTA_GETINFO = 0x80000500,
    QUOTA_SETINFO = 0x80000600,
    QUOTA_GETQUOTA = 0x80000700,
    QUOTA_SETQUOTA = 0x80000800,
};

}  // namespace kiln::user

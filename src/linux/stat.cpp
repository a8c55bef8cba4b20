// The stat family. The generic struct stat differs from x86-64's; statx and statfs are the same everywhere.
#include "linux/guest_stat.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/proc_files.h"
#include "linux/safe_syscall.h"

namespace kiln::user {

GuestStat guest_stat(const struct stat& host) {
    GuestStat guest{};
    guest.dev = host.st_dev;
    guest.ino = host.st_ino;
    guest.mode = host.st_mode;
    guest.nlink = static_cast<u32>(host.st_nlink);
    guest.uid = host.st_uid;
    guest.gid = host.st_gid;
    guest.rdev = host.st_rdev;
    guest.size = host.st_size;
    guest.blksize = static_cast<i32>(host.st_blksize);
    guest.blocks = host.st_blocks;
    guest.atime = host.st_atim.tv_sec;
    guest.atime_nsec = static_cast<u64>(host.st_atim.tv_nsec);
    guest.mtime = host.st_mtim.tv_sec;
    guest.mtime_nsec = static_cast<u64>(host.st_mtim.tv_nsec);
    guest.ctime = host.st_ctim.tv_sec;
    guest.ctime_nsec = static_cast<u64>(host.st_ctim.tv_nsec);
    return guest;
}

i64 calls::newfstatat(Thread& thread, const Call& call) {
    bool keep = call.word(3) & AT_SYMLINK_NOFOLLOW;
    PathArg path(thread, call[1], keep ? LastLink::keep : LastLink::follow, call.word(0));
    std::optional<std::string> executable;
    if (!keep) executable = proc_link_target(thread.process, path.absolute());
    struct stat facts;
    i64 result = host_syscall(SYS_newfstatat, static_cast<u64>(call.word(0)),
                              reinterpret_cast<u64>(executable ? executable->c_str() : path.host()),
                              reinterpret_cast<u64>(&facts), static_cast<u64>(call.word(3)));
    if (result < 0) return result;
    return store(thread, call[2], guest_stat(facts)) ? 0 : -EFAULT;
}

i64 calls::statx(Thread& thread, const Call& call) {
    const bool keep = call.word(2) & AT_SYMLINK_NOFOLLOW;
    PathArg path(thread, call[1], keep ? LastLink::keep : LastLink::follow, call.word(0));
    std::optional<std::string> executable;
    if (!keep) executable = proc_link_target(thread.process, path.absolute());
    return host_syscall(SYS_statx, static_cast<u64>(call.word(0)),
                        reinterpret_cast<u64>(executable ? executable->c_str() : path.host()),
                        static_cast<u64>(call.word(2)), call[3],
                        reinterpret_cast<u64>(host_pointer(thread, call[4])));
}

i64 calls::fstat(Thread& thread, const Call& call) {
    struct stat facts;
    i64 result = host_syscall(SYS_fstat, static_cast<u64>(call.word(0)), reinterpret_cast<u64>(&facts));
    if (result < 0) return result;
    return store(thread, call[1], guest_stat(facts)) ? 0 : -EFAULT;
}

}  // namespace kiln::user

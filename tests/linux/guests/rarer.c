// Calls that few programs make, or new variants of common ones: each once, with what its manual page promises.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "check.h"

static void personalities(void) {
    const unsigned query = 0xffffffff;
    const int before = personality(query);
    CHECK(personality(before | UNAME26) == before);
    CHECK(personality(query) == (before | UNAME26));
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit(personality(query) != (before | UNAME26));
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(personality(before) >= 0 && personality(query) == before);
}

static void waits(void) {
    fflush(stdout);
    const pid_t group = getpgrp();
    const pid_t child = fork();
    if (child == 0) _exit(33);
    siginfo_t info = {0};
    // Looking does not take it away.
    for (int i = 0; i < 2; ++i) {
        info.si_pid = 0;
        CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child);
        CHECK(info.si_code == CLD_EXITED && info.si_status == 33 && info.si_signo == SIGCHLD);
        CHECK(info.si_uid == getuid());
    }
    CHECK(waitid(P_PGID, (id_t)group, &info, WEXITED) == 0 && info.si_pid == child);
    CHECK_FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK_FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
    CHECK_FAILS(waitid((idtype_t)9, 0, &info, WEXITED), EINVAL);
    const pid_t sleeper = fork();
    if (sleeper == 0)
        for (;;) pause();
    info.si_pid = 77;
    CHECK(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) == 0 && info.si_pid == 0);
    struct rusage usage = {0};
    kill(sleeper, SIGKILL);
    CHECK(syscall(SYS_waitid, P_PID, sleeper, &info, WEXITED, &usage) == 0);
    CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL && usage.ru_stime.tv_sec == 0);
    int status;
    // A process group of its own, whose members are waited for by its number.
    const pid_t leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        _exit(4);
    }
    setpgid(leader, leader);
    CHECK(waitpid(-leader, &status, 0) == leader && WEXITSTATUS(status) == 4);
}

static void parents(void) {
    int ends[2];
    CHECK(pipe(ends) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        // The grandchild is told when its parent ends, and has a new one.
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            (void)!write(ends[1], "r", 1);
            int number = 0;
            sigwait(&set, &number);
            _exit(number == SIGUSR1 ? 5 : 6);
        }
        char byte;
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    int status, seen = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(wait(&seen) > 0 && WEXITSTATUS(seen) == 5);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void pipes(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    char text[] = "from memory";
    struct iovec piece = {text, sizeof text};
    CHECK(vmsplice(ends[1], &piece, 1, 0) == sizeof text);
    char seen[32] = "";
    CHECK(read(ends[0], seen, sizeof seen) == sizeof text && strcmp(seen, text) == 0);
    CHECK(write(ends[1], "into", 4) == 4);
    piece = (struct iovec){seen, 4};
    CHECK(vmsplice(ends[0], &piece, 1, 0) == 4 && memcmp(seen, "into", 4) == 0);
    const int file = memfd_create("splice", MFD_CLOEXEC);
    CHECK(write(file, "0123456789", 10) == 10);
    loff_t from = 2, to = 20;
    CHECK(splice(file, &from, ends[1], NULL, 5, 0) == 5 && from == 7);
    CHECK(splice(ends[0], NULL, file, &to, 5, 0) == 5 && to == 25);
    CHECK(pread(file, seen, 5, 20) == 5 && memcmp(seen, "23456", 5) == 0);
    CHECK_FAILS(splice(file, NULL, file, NULL, 1, 0), EINVAL);
    CHECK(fcntl(ends[0], F_SETPIPE_SZ, 8192) == 8192 && fcntl(ends[0], F_GETPIPE_SZ) == 8192);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void waiting(void) {
    const int set = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_SEMAPHORE);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788}, seen;
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted) == 0);
    struct timespec nap = {0, 1000000};
    CHECK(syscall(441 /* epoll_pwait2 */, set, &seen, 1, &nap, NULL, 0) == 0);
    CHECK(eventfd_write(event, 2) == 0);
    CHECK(syscall(441, set, &seen, 1, &nap, NULL, 0) == 1 && seen.data.u64 == 0x1122334455667788);
    CHECK(syscall(441, set, &seen, 1, &nap, NULL, 0) == 0);  // edges only
    eventfd_t value;
    CHECK(eventfd_read(event, &value) == 0 && value == 1);
    nap.tv_nsec = 1000000000;
    CHECK_FAILS(syscall(441, set, &seen, 1, &nap, NULL, 0), EINVAL);
    // A clock that is set: who waits for it is told.
    const int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec later = {{0, 0}, {4000000000, 0}}, left;
    CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &later, NULL) == 0);
    CHECK(timerfd_gettime(timer, &left) == 0 && left.it_value.tv_sec > 0);
    unsigned long ticks;
    CHECK_FAILS(read(timer, &ticks, sizeof ticks), EAGAIN);
    CHECK_FAILS(timerfd_create(99, 0), EINVAL);
    close(timer);
    close(event);
    close(set);
}

static void files(void) {
    char place[] = "/tmp/rarer.XXXXXX";
    CHECK(mkdtemp(place) != NULL && chdir(place) == 0);
    const int file = open("f", O_RDWR | O_CREAT, 0600);
    CHECK(pwrite(file, "begin", 5, 0) == 5 && pwrite(file, "end", 3, 1 << 20) == 3);
    const off_t hole = lseek(file, 0, SEEK_HOLE);
    CHECK(hole == 4096 || hole == (1 << 20) + 3);
    CHECK(hole != 4096 || lseek(file, 4096, SEEK_DATA) == 1 << 20);
    // Locks that belong to the open file.
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4};
    CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
    const int again = open("f", O_RDWR);
    CHECK_FAILS(fcntl(again, F_OFD_SETLK, &lock), EAGAIN);
    CHECK(fcntl(again, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == -1);
    lock.l_type = F_UNLCK;
    lock.l_pid = 0;
    CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
    // Handles.
    struct {
        struct file_handle handle;
        char room[128];
    } handle = {.handle.handle_bytes = 0};
    int mount = -1;
    CHECK(name_to_handle_at(AT_FDCWD, "f", &handle.handle, &mount, 0) == -1);
    CHECK(errno == EOVERFLOW || errno == EOPNOTSUPP || errno == EPERM);
    if (errno == EOVERFLOW) {
        CHECK(handle.handle.handle_bytes > 0 && handle.handle.handle_bytes <= 128);
        CHECK(name_to_handle_at(AT_FDCWD, "f", &handle.handle, &mount, 0) == 0 && mount >= 0);
        const int by_handle = open_by_handle_at(AT_FDCWD, &handle.handle, O_RDONLY);
        char text[5];
        if (by_handle >= 0) CHECK(read(by_handle, text, 5) == 5 && memcmp(text, "begin", 5) == 0);
        close(by_handle);
    }
    // All of statx.
    struct statx facts;
    CHECK(statx(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS | STATX_BTIME, &facts) == 0);
    CHECK((facts.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS && facts.stx_size == (1 << 20) + 3);
    CHECK(facts.stx_nlink == 1 && (facts.stx_mode & 07777) == 0600 && facts.stx_blksize >= 512);
    CHECK_FAILS(statx(file, "", AT_EMPTY_PATH, 1u << 31, &facts), EINVAL);
    CHECK_FAILS(statx(file, "", AT_STATX_DONT_SYNC | AT_STATX_FORCE_SYNC, STATX_ALL, &facts), EINVAL);
    // Requests that file systems answer.
    int flags = 0, block = 0;
    const int got = ioctl(file, FS_IOC_GETFLAGS, &flags);
    CHECK(got == 0 || errno == ENOTTY || errno == EOPNOTSUPP);
    CHECK(ioctl(file, FIGETBSZ, &block) == 0 && block >= 512);
    CHECK_FAILS(ioctl(file, BLKGETSIZE64, &block), ENOTTY);
    CHECK(ioctl(file, FIOCLEX) == 0 && fcntl(file, F_GETFD) == FD_CLOEXEC && ioctl(file, FIONCLEX) == 0);
    const int target = open("copy", O_RDWR | O_CREAT, 0600);
    const int cloned = ioctl(target, FICLONE, file);
    CHECK(cloned == 0 || errno == EOPNOTSUPP || errno == EXDEV || errno == EINVAL || errno == ENOTTY);
    // Lists of attributes.
    if (fsetxattr(file, "user.one", "1", 1, XATTR_CREATE) == 0) {
        char list[64] = "";
        CHECK_FAILS(fsetxattr(file, "user.one", "1", 1, XATTR_CREATE), EEXIST);
        CHECK(flistxattr(file, list, sizeof list) == 9 && strcmp(list, "user.one") == 0);
        CHECK_FAILS(flistxattr(file, list, 3), ERANGE);
        CHECK(fgetxattr(file, "user.one", NULL, 0) == 1 && fremovexattr(file, "user.one") == 0);
        CHECK_FAILS(fgetxattr(file, "user.one", list, 8), ENODATA);
    }
    CHECK(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 && readahead(file, 0, 4096) == 0);
    CHECK(sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 && syncfs(file) == 0);
    CHECK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == EOPNOTSUPP);
    CHECK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS) == 0 && fchmodat(AT_FDCWD, "f", 0640, 0) == 0);
    // Names without a file, and a file without a name.
    const int nameless = open(".", O_TMPFILE | O_RDWR, 0600);
    if (nameless >= 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", nameless);
        CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && unlink("named") == 0);
        close(nameless);
    }
    const int only_path = open("f", O_PATH);
    CHECK_FAILS(read(only_path, &flags, 1), EBADF);
    CHECK((fcntl(only_path, F_GETFL) & O_PATH) && close(only_path) == 0);
    CHECK(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "copy", 2 /* RENAME_EXCHANGE */) == 0);
    struct {
        unsigned long flags, mode, resolve;
    } how = {O_RDONLY, 0, 8 /* RESOLVE_BENEATH */};
    CHECK_FAILS(syscall(437 /* openat2 */, AT_FDCWD, "../", &how, sizeof how), EXDEV);
    close(target);
    close(again);
    close(file);
    CHECK(unlink("f") == 0 && unlink("copy") == 0 && chdir("/") == 0 && rmdir(place) == 0);
}

/// Rules that a process gives itself: everything but reading below /proc is refused.
static void rules(void) {
    struct {
        unsigned long handled;
    } set = {1 << 1 /* write a file */ | 1 << 2 /* read a file */};
    struct {
        unsigned long allowed;
        int folder;
    } __attribute__((packed)) rule = {1 << 2, open("/proc", O_PATH)};
    const long ruleset = syscall(444 /* landlock_create_ruleset */, &set, sizeof set, 0);
    if (ruleset < 0) {
        CHECK(errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM);
        return;
    }
    CHECK(syscall(445 /* landlock_add_rule */, ruleset, 1, &rule, 0) == 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
            _exit(2);
        if (syscall(446 /* landlock_restrict_self */, ruleset, 0) != 0) _exit(3);
        if (open("/dev/zero", O_RDONLY) != -1 || errno != EACCES) _exit(4);
        _exit(open("/proc/self/stat", O_RDONLY) < 0 ? 5 : 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void memory_files(void) {
    const int shared = shm_open("/kiln-rarer", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(shared >= 0 && ftruncate(shared, 8192) == 0 && shm_unlink("/kiln-rarer") == 0);
    int* one = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    int* other = mmap(NULL, 8192, PROT_READ, MAP_SHARED, shared, 0);
    one[1500] = 42;
    CHECK(other[1500] == 42);
    fflush(stdout);
    if (fork() == 0) {
        one[3] = 9;
        _exit(0);
    }
    CHECK(wait(NULL) > 0 && other[3] == 9 && munmap(one, 8192) == 0 && munmap(other, 8192) == 0);
    close(shared);
    const int sealed = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    CHECK(ftruncate(sealed, 4096) == 0);
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) == 0);
    CHECK(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK));
    CHECK_FAILS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sealed, 0), EPERM);
    void* readable = mmap(NULL, 4096, PROT_READ, MAP_SHARED, sealed, 0);
    CHECK(readable != MAP_FAILED && mprotect(readable, 4096, PROT_READ | PROT_WRITE) == -1 &&
          errno == EACCES);
    CHECK_FAILS(write(sealed, "x", 1), EPERM);
    const int secret = (int)syscall(447 /* memfd_secret */, 0);
    if (secret >= 0) {
        CHECK(ftruncate(secret, 4096) == 0);
        char* hidden = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
        if (hidden != MAP_FAILED) {
            strcpy(hidden, "secret");
            CHECK(strcmp(hidden, "secret") == 0);
            CHECK_FAILS(write(sealed, hidden, 6), EPERM);
        }
        close(secret);
    }
    close(sealed);
}

static void policies(void) {
    int mode = -1;
    const long got = syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
    CHECK((got == 0 && mode == MPOL_DEFAULT) || errno == ENOSYS || errno == EPERM);
    CHECK(getpriority(PRIO_PROCESS, 0) == nice(0));
    errno = 0;
    CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4) == 0 && syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 4));
    struct timespec resolution;
    CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_nsec == 1);
    clockid_t clock;
    struct timespec now;
    CHECK(clock_getcpuclockid(0, &clock) == 0 && clock_gettime(clock, &now) == 0);
    CHECK(clock_gettime(CLOCK_TAI, &now) == 0 && clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    CHECK_FAILS(clock_gettime(99, &now), EINVAL);
    struct timespec past = {1, 0};
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL) == 0);
    CHECK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL) == EINVAL);
}

/// Structures that no compiler would put there: the kernel does not mind.
static void unaligned(void) {
    static char room[512];
    struct timespec* time = (struct timespec*)(room + 1);
    CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, time) == 0);
    long seconds;
    memcpy(&seconds, room + 1, sizeof seconds);
    CHECK(seconds > 1700000000);
    struct stat facts;
    CHECK(syscall(SYS_newfstatat, AT_FDCWD, "/", room + 3, 0) == 0);
    memcpy(&facts, room + 3, sizeof facts);
    CHECK(S_ISDIR(facts.st_mode));
    int ends[2];
    CHECK(syscall(SYS_pipe2, room + 5, 0) == 0);
    memcpy(ends, room + 5, sizeof ends);
    CHECK(write(ends[1], "x", 1) == 1);
    struct pollfd wanted = {ends[0], POLLIN, 0};
    memcpy(room + 7, &wanted, sizeof wanted);
    CHECK(poll((struct pollfd*)(room + 7), 1, 0) == 1);
    struct iovec piece = {room + 100, 1};
    memcpy(room + 9, &piece, sizeof piece);
    CHECK(readv(ends[0], (struct iovec*)(room + 9), 1) == 1 && room[100] == 'x');
    sigset_t set;
    sigemptyset(&set);
    memcpy(room + 11, &set, 8);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, room + 11, room + 33, 8) == 0);
}

int main(void) {
    personalities();
    waits();
    parents();
    pipes();
    waiting();
    files();
    rules();
    memory_files();
    policies();
    unaligned();
    return verdict();
}

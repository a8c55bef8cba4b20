// Mounts and namespaces, where the user may have them; calls newer than most C libraries; descriptors that a guest must
// not take from the emulator. In children, which leave no trace.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"
#include "raw_calls.h"

enum { tmpfs_magic = 0x01021994 };

/// clone3(2)'s arguments.
struct clone3_args {
    unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    unsigned long set_tid, set_tid_size, cgroup;
};
enum { new_time = 0x80 };
static const unsigned long into_cgroup = 0x200000000;

/// In both processes behind a clone: the child runs `part`, its parent waits for it.
static void run_or_wait(long child, void (*part)(void)) {
    if (child == 0) {
        failures = 0;
        part();
        fflush(stdout);
        _exit(failures != 0);
    }
    int status = -1;
    CHECK(waitpid((pid_t)child, &status, 0) == child && status == 0);
}

/// Runs `part` in a child made with `flags`; nothing if the machine does not let it.
static void in_child(long flags, void (*part)(void)) {
    fflush(stdout);
    const long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) {
        CHECK(errno == EPERM || errno == ENOSPC);
        return;
    }
    run_or_wait(child, part);
}

static void names(void) {
    struct utsname name;
    CHECK(sethostname("inside", 6) == 0 && uname(&name) == 0 && strcmp(name.nodename, "inside") == 0);
}

static void users(void) {
    CHECK(getuid() == 65534 && unshare(CLONE_NEWUTS) == 0);
    names();
}

static void processes(void) {
    CHECK(getpid() == 1);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit(getpid() != 2 || getppid() != 1);
    int status;
    CHECK(wait(&status) == 2 && status == 0);
}

static pid_t wanted;
static void as_wanted(void) { CHECK(getpid() == wanted); }

static void in_new_time(void) {
    char own[64] = "", later[64] = "";
    CHECK(readlink("/proc/self/ns/time", own, sizeof own - 1) > 0);
    CHECK(readlink("/proc/self/ns/time_for_children", later, sizeof later - 1) > 0);
    CHECK(strcmp(own, later) == 0);
}

/// What a machine says that does not let us.
static int is_refusal(int error) {
    return error == EPERM || error == ENOSPC || error == EACCES || error == EBUSY || error == EOPNOTSUPP;
}

static void in_child3(struct clone3_args args, void (*part)(void)) {
    fflush(stdout);
    args.exit_signal = SIGCHLD;
    const long child = syscall(SYS_clone3, &args, sizeof args);
    if (child < 0) {
        CHECK(is_refusal(errno));
        return;
    }
    run_or_wait(child, part);
    if (args.set_tid_size != 0) CHECK(child == wanted);
}

static void nothing_more(void) {}

static void in_borrowed_memory(struct clone3_args args) {
    static volatile int seen;
    args.exit_signal = SIGCHLD;
    seen = 0;
    const long child = raw_call(SYS_clone3, (unsigned long[6]){(unsigned long)&args, sizeof args});
    if (child == 0) {
        seen = 1;
        _exit(7);
    }
    int status = -1;
    if (child < 0)
        CHECK(is_refusal((int)-child));
    else
        CHECK(seen && waitpid((pid_t)child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

/// A process number that nobody has: the one of a child that has ended.
static void choose_number(void) {
    wanted = fork();
    if (wanted == 0) _exit(0);
    CHECK(waitpid(wanted, NULL, 0) == wanted);
}

static void by_clone3(void) {
    if (syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS) return;  // what sandboxes say
    choose_number();
    in_child3((struct clone3_args){.set_tid = (unsigned long)&wanted, .set_tid_size = 1}, as_wanted);
    in_child3((struct clone3_args){.flags = new_time}, in_new_time);
    // The machine's, where it has the second version's.
    const int cgroup = open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY);
    const int root = cgroup >= 0 ? cgroup : open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);
    struct statfs facts;
    if (root >= 0 && fstatfs(root, &facts) == 0 && facts.f_type == 0x63677270 /* cgroup2 */) {
        struct clone3_args args = {.flags = into_cgroup, .cgroup = (unsigned long)root};
        if (faccessat(root, "cgroup.procs", W_OK, 0) == 0) in_child3(args, nothing_more);
        args.flags |= CLONE_VFORK | CLONE_VM;
        if (faccessat(root, "cgroup.procs", W_OK, 0) == 0) in_borrowed_memory(args);
    }
    if (root >= 0) close(root);
    struct clone3_args args = {.flags = into_cgroup, .cgroup = 100000, .exit_signal = SIGCHLD};
    CHECK_FAILS(syscall(SYS_clone3, &args, sizeof args), EBADF);
    args = (struct clone3_args){.set_tid = 8, .set_tid_size = 1, .exit_signal = SIGCHLD};
    CHECK_FAILS(syscall(SYS_clone3, &args, sizeof args), EFAULT);
    args = (struct clone3_args){.set_tid = 8, .exit_signal = SIGCHLD};
    CHECK_FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
    args =
        (struct clone3_args){.set_tid_size = 33, .set_tid = (unsigned long)&wanted, .exit_signal = SIGCHLD};
    CHECK_FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
}

static void* other_thread(void* lock) {
    pthread_mutex_lock(lock);
    return NULL;
}

/// Children of a process with other threads.
static void among_threads(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, other_thread, &lock) == 0);
    in_child(CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET, names);
    in_child(CLONE_NEWUSER, users);
    in_child(CLONE_NEWPID, processes);
    in_child(CLONE_NEWPID | CLONE_NEWUSER, processes);
    by_clone3();
    // clone(2) says this before it looks at rights, and leaves no child behind.
    CHECK_FAILS(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    pthread_mutex_unlock(&lock);
    pthread_join(other, NULL);
}

static void mounts(void) {
    char place[] = "/tmp/mounts.XXXXXX", inner[64];
    CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mkdtemp(place) != NULL);
    CHECK(mount("kiln", place, "tmpfs", MS_NOSUID, "size=64k") == 0);
    struct statfs facts;
    CHECK(statfs(place, &facts) == 0 && facts.f_type == tmpfs_magic && facts.f_blocks == 16);
    CHECK_FAILS(mount("kiln", place, "no-such-filesystem", 0, NULL), ENODEV);
    CHECK(chdir(place) == 0 && mkdir("old", 0700) == 0 && mkdir("new", 0700) == 0);

    const long context = syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
    if (context >= 0) {
        CHECK(syscall(SYS_fsconfig, context, 1 /* a string */, "size", "32k", 0) == 0);
        CHECK(syscall(SYS_fsconfig, context, 6 /* create */, NULL, NULL, 0) == 0);
        const long fresh = syscall(SYS_fsmount, context, 0, 0);
        CHECK(fresh >= 0 && syscall(SYS_move_mount, fresh, "", AT_FDCWD, "new", 4 /* empty path */) == 0);
        CHECK(statfs("new", &facts) == 0 && facts.f_type == tmpfs_magic && facts.f_blocks == 8);
        const unsigned long read_only[4] = {1 /* MOUNT_ATTR_RDONLY */};
        CHECK(syscall(442 /* mount_setattr */, AT_FDCWD, "new", 0, read_only, sizeof read_only) == 0);
        CHECK_FAILS(mkdir("new/d", 0700), EROFS);
        const long tree = syscall(SYS_open_tree, AT_FDCWD, "new", 1 /* clone */);
        CHECK(tree >= 0 && umount2("new", MNT_DETACH) == 0 && statfs("new", &facts) == 0);
        CHECK(facts.f_blocks == 16);
    }
    CHECK_FAILS(umount2("new", 0), EINVAL);
    CHECK(mount(place, place, NULL, MS_BIND, NULL) == 0 && chdir(place) == 0);
    CHECK(syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0 && access("/old/proc", F_OK) == 0);
    CHECK(umount2("/old", MNT_DETACH) == 0 && access("/old/proc", F_OK) != 0);
    CHECK(mkdir("/jail", 0755) == 0 && chroot("/jail") == 0 && chdir("/") == 0);
    CHECK(getcwd(inner, sizeof inner) != NULL && strcmp(inner, "/") == 0);
}

static void joined(void) {
    const int other = open("/proc/self/ns/uts", O_RDONLY);
    CHECK(other >= 0 && unshare(CLONE_NEWUTS) == 0 && sethostname("apart", 5) == 0);
    CHECK(setns(other, CLONE_NEWUTS) == 0);
    struct utsname name;
    CHECK(uname(&name) == 0 && strcmp(name.nodename, "apart") != 0);
    CHECK_FAILS(setns(other, CLONE_NEWNET), EINVAL);
}

static void newer_calls(void) {
    const int file = memfd_create("m", MFD_CLOEXEC);
    CHECK(write(file, "0123456789", 10) == 10);
    struct {
        unsigned long off, len;
    } range = {0, 4096};
    unsigned long cached[5] = {0};
    if (syscall(451 /* cachestat */, file, &range, cached, 0) == 0) CHECK(cached[0] == 1);
    CHECK_FAILS(syscall(SYS_pidfd_open, -1, 0), EINVAL);
    const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self >= 0) {
        CHECK(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0) == 0);
        const int copy = (int)syscall(SYS_pidfd_getfd, self, file, 0);
        if (copy >= 0) CHECK(syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, file, copy) == 0);
    }
    struct {
        unsigned long value, address;
        unsigned flags, reserved;
    } waiters[2] = {0};
    unsigned words[2] = {1, 2};
    for (int i = 0; i < 2; ++i) {
        waiters[i].value = words[i];
        waiters[i].address = (unsigned long)&words[i];
        waiters[i].flags = 2 | 128;  // 32 bits, private
    }
    waiters[1].value = 77;
    if (syscall(449 /* futex_waitv */, waiters, 2, 0, NULL, 0) == -1 && errno != ENOSYS) {
        CHECK_FAILS(syscall(449, waiters, 2, 0, NULL, 0), EAGAIN);
        CHECK_FAILS(syscall(449, (void*)8, 2, 0, NULL, 0), EFAULT);
        CHECK_FAILS(syscall(449, waiters, 129, 0, NULL, 0), EINVAL);
        waiters[1].address = 8;
        CHECK_FAILS(syscall(449, waiters, 2, 0, NULL, 0), EFAULT);
    }
    char name[17] = "";
    CHECK(prctl(PR_SET_NAME, "renamed", 0, 0, 0) == 0 && prctl(PR_GET_NAME, name, 0, 0, 0) == 0);
    CHECK(strcmp(name, "renamed") == 0);
    CHECK_FAILS(prctl(0x7fff, 0, 0, 0, 0), EINVAL);
    CHECK_FAILS(prctl(PR_GET_CHILD_SUBREAPER, 8, 0, 0, 0), EFAULT);
}

static void own_program(void) {
    CHECK_FAILS(open("/proc/self/exe", O_RDWR), ETXTBSY);
    CHECK_FAILS(open("/proc/self/exe", O_RDONLY | O_TRUNC), ETXTBSY);
}

static void every_descriptor(void) {
    // Taking numbers that the emulator may use for itself must harm neither.
    const int own = open("/dev/null", O_RDWR);
    for (int fd = 800; fd < 1000; ++fd) CHECK(dup3(own, fd, 0) == fd);
    CHECK(write(950, "x", 1) == 1 && access("/", F_OK) == 0);
    fflush(stdout);
    if (fork() == 0) {
        execl("/proc/self/exe", "self", "child", NULL);
        _exit(1);
    }
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    for (int fd = 800; fd < 1000; ++fd) CHECK(close(fd) == 0);
    CHECK(syscall(SYS_close_range, 3, ~0u, 2 /* CLOSE_RANGE_UNSHARE */) == 0 && open("/", O_RDONLY) == 3);
}

int main(int count, char** arguments) {
    (void)arguments;
    if (count > 1) return 0;
    in_child(CLONE_NEWUTS, names);
    in_child(CLONE_NEWPID | CLONE_NEWIPC, processes);
    in_child(CLONE_NEWNS, mounts);
    by_clone3();
    among_threads();
    in_child(CLONE_NEWUTS | CLONE_NEWNET, joined);
    newer_calls();
    own_program();
    every_descriptor();
    return verdict();
}

// Bad pointers: every one of these calls must say EFAULT, and the program must live on.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static void* const bad_pointers[] = {(void*)8, (void*)0x7ffffffff000, (void*)-8};

int main(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    int null = open("/dev/zero", O_RDONLY);
    int epoll = epoll_create1(0);
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    CHECK(write(ends[1], "abc", 3) == 3);
    CHECK(write(sockets[1], "abc", 3) == 3);
    for (unsigned i = 0; i < sizeof bad_pointers / sizeof *bad_pointers; ++i) {
        void* bad = bad_pointers[i];
        CHECK_FAILS(syscall(SYS_write, ends[1], bad, 10), EFAULT);
        CHECK_FAILS(syscall(SYS_read, null, bad, 10), EFAULT);
        CHECK_FAILS(syscall(SYS_pread64, null, bad, 10, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_openat2, AT_FDCWD, "/", bad, 24), EFAULT);
        CHECK_FAILS(syscall(SYS_faccessat, AT_FDCWD, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_newfstatat, AT_FDCWD, bad, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_newfstatat, AT_FDCWD, "/", bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_fstat, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_statfs, "/", bad), EFAULT);
        CHECK_FAILS(syscall(SYS_getcwd, bad, 100), EFAULT);
        CHECK_FAILS(syscall(SYS_chdir, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_mkdirat, AT_FDCWD, bad, 0700), EFAULT);
        CHECK_FAILS(syscall(SYS_unlinkat, AT_FDCWD, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_renameat2, AT_FDCWD, bad, AT_FDCWD, "/x", 0), EFAULT);
        CHECK_FAILS(syscall(SYS_symlinkat, bad, AT_FDCWD, "/x"), EFAULT);
        CHECK_FAILS(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", bad, 100), EFAULT);
        CHECK_FAILS(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", bad, 100), EFAULT);
        CHECK_FAILS(syscall(SYS_getdents64, directory, bad, 1000), EFAULT);
        CHECK_FAILS(syscall(SYS_pipe2, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_writev, ends[1], bad, 2), EFAULT);
        CHECK_FAILS(syscall(SYS_readv, null, bad, 2), EFAULT);
        CHECK_FAILS(syscall(SYS_utimensat, AT_FDCWD, "/dev/null", bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_uname, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_sysinfo, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_times, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_getrusage, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_prlimit64, 0, 7, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_prlimit64, 0, 3, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_clock_gettime, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_gettimeofday, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_nanosleep, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_clock_nanosleep, 0, 0, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_setitimer, 0, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_timer_create, 0, bad, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_getrandom, bad, 10, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigaction, SIGUSR1, bad, 0, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigaction, SIGUSR1, 0, bad, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, 0, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, bad, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigpending, bad, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigsuspend, bad, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_rt_sigtimedwait, bad, 0, 0, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_sigaltstack, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_sigaltstack, 0, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_ppoll, bad, 1, 0, 0, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_ppoll, 0, 0, bad, 0, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_ppoll, 0, 0, 0, bad, 8), EFAULT);
        CHECK_FAILS(syscall(SYS_pselect6, 1, bad, 0, 0, 0, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], bad), EFAULT);
        CHECK_FAILS(syscall(SYS_execve, bad, 0, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_execve, "/bin/true", bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_bind, sockets[0], bad, 16), EFAULT);
        CHECK_FAILS(syscall(SYS_getsockname, sockets[0], bad, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_sendmsg, sockets[0], bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_recvmsg, sockets[0], bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_sendto, sockets[0], bad, 10, 0, 0, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_ioctl, ends[0], 0x541b /* FIONREAD */, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_fcntl, ends[0], F_GETLK, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_prctl, 15 /* PR_SET_NAME */, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_wait4, -1, bad, 0, 0), ECHILD);
        CHECK_FAILS(syscall(SYS_sched_getaffinity, 0, 128, bad), EFAULT);
        CHECK_FAILS(syscall(SYS_mq_open, bad, 0, 0, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_memfd_create, bad, 0), EFAULT);
        CHECK_FAILS(syscall(SYS_clone3, bad, 88), EFAULT);
    }
    // A buffer whose second page is missing.
    char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    CHECK_FAILS(syscall(SYS_fstat, 0, page + 4000), EFAULT);
    memset(page, '/', 4096);
    CHECK_FAILS(syscall(SYS_chdir, page + 100), EFAULT);
    return verdict();
}

// Every system call, with everything wrong: bad pointers, absurd sizes, numbers that mean nothing. Whatever a
// call says to that, the engine must live: a process of its own for each call makes it some dozens of times
// and ends with status 0. (The test also fails on words of the engine's own about its end.) What the calls
// give is efault.c's business. Not for a native run: the calls it leaves out are chosen for the generic
// numbering, which x86-64 does not have.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"
#include "raw_calls.h"

#if defined(__x86_64__)
#error "for guests only"
#endif

enum { last_call = 470, tries = 64, seconds_for_a_call = 20 };

/// Left out: they end the caller or others, or change the machine, which may be the tester's own.
static const short left_out[] = {
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,  // their purpose is to leave
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,  // other processes
    SYS_pidfd_send_signal,  //
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,  // the machine
    SYS_reboot,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_syslog,
    SYS_vhangup,  //
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_sync,  //
    SYS_sethostname,
    SYS_setdomainname,  //
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,  // its clock
    SYS_msgget,
    SYS_semget,
    SYS_shmget,  // what they make stays
};

/// With a bad argument that happens to be good these take the guest's own memory or time away.
static const short may_be_fatal[] = {SYS_munmap,    SYS_mremap,    SYS_mmap,  SYS_mprotect,
                                     SYS_brk,       SYS_madvise,   SYS_mbind, SYS_prctl,
                                     SYS_setrlimit, SYS_prlimit64, SYS_clone, SYS_clone3};

#define HAS(list, number) has(list, sizeof list / sizeof *list, number)
static int has(const short* list, unsigned count, int number) {
    for (unsigned i = 0; i < count; ++i)
        if (list[i] == number) return 1;
    return 0;
}

enum { page = 4096, bad_values = 32 };
static long bad[bad_values];
static unsigned bad_count;

static void make_bad_values(void) {
    // zeros, ones, a string, read-only, then nothing.
    char* memory = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // As a signal set neither the ones nor the string have SIGALRM, which ends what waits.
    memset(memory + page, 0xdf, page);
    strcpy(memory + 2 * page, "HOSTILE");
    mprotect(memory + 3 * page, page, PROT_READ);
    mprotect(memory + 4 * page, page, PROT_NONE);
    int ends[2], sockets[2];
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    const long values[] = {
        // Pointers: to nothing, not canonical, the kernel's, the host's, across the end of the address space.
        8, -8, -page, 1L << 63, 0x7ffffffff000, 0x555555555000, 1L << 38, (1L << 38) - 8,
        // To the pages above, and across their borders.
        (long)memory, (long)(memory + page), (long)(memory + 2 * page), (long)(memory + 3 * page),
        (long)(memory + 4 * page), (long)(memory + 3 * page - 4), (long)(memory + 4 * page - 8),
        (long)(memory + 4 * page - 1),
        // Numbers: sizes, flags.
        0, -1, page, 1L << 40, 1L << 62, 0x7fffffff, 0x80000000,
        // Descriptors.
        AT_FDCWD, ends[0], ends[1], sockets[0]};
    for (unsigned i = 0; i < sizeof values / sizeof *values; ++i) bad[bad_count++] = values[i];
}

static unsigned long state = 1;
static unsigned long draw(unsigned long below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

/// A bad value, or a small number, which as process id would be another process: not where those stand.
static long bad_argument(int number, int index) {
    const int place_of_pid =
        index == 0 || (index == 1 && (number == SYS_setpriority || number == SYS_ioprio_set));
    if ((!place_of_pid || number == SYS_prctl) && draw(4) == 0) return (long)draw(64);
    return bad[draw(bad_count)];
}

static void make_calls(int number, int first, int end) {
    const long self = thread_id();
    for (int i = first; i < end; ++i) {
        state = 0x9e3779b97f4a7c15 * (unsigned long)(number * tries + i + 1);
        unsigned long arguments[6];
        for (int k = 0; k < 6; ++k) arguments[k] = (unsigned long)bad_argument(number, k);
        set_alarm(5000);
        raw_call(number, arguments);
        if (thread_id() != self) raw_call(SYS_exit, (unsigned long[6]){0});
    }
    _exit(0);
}

int main(void) {
    const struct sigaction wakes = {.sa_handler = wake};
    sigaction(SIGALRM, &wakes, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small_files = {1 << 20, 1 << 20}, no_core = {0, 0};
    setrlimit(RLIMIT_FSIZE, &small_files);
    setrlimit(RLIMIT_CORE, &no_core);
    make_bad_values();
    for (int number = 0; number <= last_call; ++number) {
        if (HAS(left_out, number)) continue;
        const int fatal = HAS(may_be_fatal, number), step = fatal ? 4 : tries;
        for (int first = 0; first < tries; first += step) {
            const pid_t child = fork();
            if (child == 0) make_calls(number, first, first + step);
            const int status = status_of(child, seconds_for_a_call);
            if (status == 0 || (fatal && status != -1 && WIFSIGNALED(status))) continue;
            ++failures;
            printf("call %d, try %d: status %#x\n", number, first, (unsigned)status);
            fflush(stdout);
        }
    }
    return verdict();
}

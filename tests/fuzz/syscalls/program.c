// Makes random system calls; generator.h chooses them. A guest program: whatever it does to itself, the emulator must
// live. Runs where tests/fuzz/syscalls/run.py puts it: a root directory, and namespaces of all kinds, of its own.
//
//   program <seed> <first batch> <batches> <calls in a batch> <one argument in so many is wrong>
//
// Each batch is a process of its own. That it ends early is its own affair (calls take memory and time away), but for
// SIGABRT, which no call here sends: so the emulator gave up. Status 1 then.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generator.h"

enum { seconds_for_a_batch = 20, errors = 134 };

/// Shared with the batches: how many calls gave what.
static struct counts {
    word made, succeeded, failed[errors];
}* counts;

/// The call alone: no errno, whose place a new thread with bad thread-local storage would not have.
static long raw_call(long number, const word* arguments) {
    register word a0 __asm__("a0") = arguments[0];
    register word a1 __asm__("a1") = arguments[1];
    register word a2 __asm__("a2") = arguments[2];
    register word a3 __asm__("a3") = arguments[3];
    register word a4 __asm__("a4") = arguments[4];
    register word a5 __asm__("a5") = arguments[5];
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
    return (long)a0;
}
static long thread_id(void) { return raw_call(SYS_gettid, (word[6]){0}); }

static void wake(int number) { (void)number; }

/// Whatever a call did to signals: one wakes it up if it waits, and none of those sent here ends it.
static void set_alarm(void) {
    const struct sigaction action = {.sa_handler = wake};
    sigaction(SIGALRM, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const struct itimerval often = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &often, NULL);
}

static void make_pool(void) {
    mmap(pool, pool_pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (word* at = (word*)pool; at < (word*)(pool + word_pages * page); ++at) *at = structure_word();
    char* text = pool + word_pages * page;
    for (unsigned i = 0; i < sizeof strings / sizeof *strings; ++i)
        strcpy(text + i * string_bytes, strings[i]);
    mprotect(text + string_pages * page, page, PROT_READ);
    mprotect(text + (string_pages + 1) * page, page, PROT_NONE);
}

/// Descriptors of many kinds from 3 on; how many.
static unsigned make_descriptors(void) {
    int ends[2];
    (void)!pipe2(ends, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends);
    socket(AF_INET, SOCK_STREAM, 0);
    socket(AF_INET6, SOCK_DGRAM, 0);
    socket(AF_NETLINK, SOCK_RAW, 0);
    mkdir("dir", 0700);
    open("dir", O_RDONLY | O_DIRECTORY);
    int file = open("a", O_RDWR | O_CREAT, 0600);
    (void)!write(file, strings, 100);
    file = memfd_create("m", MFD_ALLOW_SEALING);
    (void)!ftruncate(file, 2 * page);
    eventfd(0, EFD_NONBLOCK);
    epoll_create1(0);
    timerfd_create(CLOCK_MONOTONIC, 0);
    inotify_init1(IN_NONBLOCK);
    return (unsigned)dup(file) - 3;
}

static void run_batch(word seed, word batch, word calls, unsigned rightness, int print) {
    seed_with(seed, batch);
    setpgid(0, 0);
    make_pool();
    // The runner's standard output is not theirs.
    for (int fd = 0; fd < 2; ++fd) {
        close(fd);
        memfd_create("standard", 0);
    }
    const unsigned descriptors = make_descriptors();
    static const int harmless[] = {SIGUSR1, SIGUSR2, 34, 40, 64, SIGPIPE, SIGXFSZ, SIGHUP, SIGIO};
    const struct sigaction action = {.sa_handler = wake};
    for (unsigned i = 0; i < sizeof harmless / sizeof *harmless; ++i) sigaction(harmless[i], &action, NULL);
    spared = getppid();
    const long self = thread_id();
    for (word i = 0; i < calls; ++i) {
        const struct made_call made = generate(seed, batch * calls + i, rightness, descriptors);
        set_alarm();
        if (print) {
            fprintf(stderr, "%s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", made.row->name, made.arguments[0],
                    made.arguments[1], made.arguments[2], made.arguments[3], made.arguments[4],
                    made.arguments[5]);
        }
        const long result = raw_call(made.row->number, made.arguments);
        // A child or a thread that the call made.
        if (thread_id() != self) raw_call(SYS_exit, (word[6]){0});
        __atomic_fetch_add(&counts->made, 1, __ATOMIC_RELAXED);
        if (result >= 0 || result <= -errors)
            __atomic_fetch_add(&counts->succeeded, 1, __ATOMIC_RELAXED);
        else
            __atomic_fetch_add(&counts->failed[-result], 1, __ATOMIC_RELAXED);
    }
    raw_call(SYS_exit_group, (word[6]){0});
}

static int status_of(pid_t child) {
    int status = -1;
    alarm(seconds_for_a_batch);
    if (waitpid(child, &status, 0) == child) return status;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return -1;
}

static void limit(int resource, word value) {
    const struct rlimit both = {value, value};
    setrlimit(resource, &both);
}

int main(int count, char** arguments) {
    // A batch that runs this program itself.
    if (count != 6) return 0;
    const word seed = strtoul(arguments[1], NULL, 0), first = strtoul(arguments[2], NULL, 0),
               batches = strtoul(arguments[3], NULL, 0), calls = strtoul(arguments[4], NULL, 0);
    const unsigned rightness = (unsigned)strtoul(arguments[5], NULL, 0);
    const struct sigaction action = {.sa_handler = wake};
    sigaction(SIGALRM, &action, NULL);
    limit(RLIMIT_FSIZE, 1 << 20);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, 1ul << 30);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    word early = 0, hung = 0, aborted = 0;
    for (word batch = first; batch < first + batches; ++batch) {
        const pid_t child = fork();
        if (child == 0) run_batch(seed, batch, calls, rightness, batches == 1);
        if (child < 0) {
            perror("fork");
            return 1;
        }
        const int status = status_of(child);
        early += status != 0;
        hung += status == -1;
        if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
            ++aborted;
            printf("batch %lu ended with SIGABRT\n", batch);
        }
        // What it left behind.
        kill(-child, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
        if ((batch - first) % 500 == 499) {
            printf("%lu calls\n", counts->made);
            fflush(stdout);
        }
    }
    printf("%lu calls made in %lu batches, %lu succeeded; %lu batches ended early, %lu of them were hung\n",
           counts->made, batches, counts->succeeded, early, hung);
    for (int i = 1; i < errors; ++i)
        if (counts->failed[i] > counts->made / 200) printf("  %-8lu %s\n", counts->failed[i], strerror(i));
    return aborted != 0;
}

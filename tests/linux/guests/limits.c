// Limits on memory: they bind, are inherited by every kind of child, and bind nobody else. Limits on CPU time end who
// reaches them.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define MiB (1ul << 20)

extern char** environ;
static char self[4096];

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void* map(unsigned long bytes, int prot) {
    return mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void soft(int resource, unsigned long bytes) {
    struct rlimit limit;
    CHECK(getrlimit(resource, &limit) == 0);
    limit.rlim_cur = bytes;
    CHECK(setrlimit(resource, &limit) == 0);
}

static unsigned long now(int resource) {
    struct rlimit limit;
    CHECK(getrlimit(resource, &limit) == 0);
    return limit.rlim_cur;
}

static void address_space(void) {
    soft(RLIMIT_AS, 512 * MiB);
    CHECK_FAILS((long)map(600 * MiB, PROT_NONE), ENOMEM);
    char* most = map(300 * MiB, PROT_NONE);
    CHECK(most != MAP_FAILED);
    CHECK_FAILS((long)map(300 * MiB, PROT_READ), ENOMEM);
    CHECK_FAILS((long)mremap(most, 300 * MiB, 600 * MiB, MREMAP_MAYMOVE), ENOMEM);
    CHECK(mmap(most, 300 * MiB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == most);
    CHECK(munmap(most, 300 * MiB) == 0);
    CHECK((most = map(300 * MiB, PROT_NONE)) != MAP_FAILED && munmap(most, 300 * MiB) == 0);
    void* volatile big = malloc(600 * MiB);
    CHECK(big == NULL);
}

static void data(void) {
    soft(RLIMIT_DATA, 64 * MiB);
    CHECK_FAILS((long)map(100 * MiB, PROT_READ | PROT_WRITE), ENOMEM);
    char* none = map(100 * MiB, PROT_NONE);
    CHECK(none != MAP_FAILED);
    CHECK_FAILS(mprotect(none, 100 * MiB, PROT_READ | PROT_WRITE), ENOMEM);
    CHECK(mprotect(none, 4 * MiB, PROT_READ | PROT_WRITE) == 0);
    CHECK_FAILS((long)sbrk(100 * MiB), ENOMEM);
    CHECK(munmap(none, 100 * MiB) == 0);
}

// In a program that a limited one has started.
static int inner(void) {
    CHECK(now(RLIMIT_AS) == 512 * MiB && now(RLIMIT_DATA) == 64 * MiB && now(RLIMIT_STACK) == 2 * MiB);
    CHECK_FAILS((long)map(600 * MiB, PROT_NONE), ENOMEM);
    CHECK_FAILS((long)map(100 * MiB, PROT_READ | PROT_WRITE), ENOMEM);
    return failures != 0;
}

static void children(void) {
    soft(RLIMIT_STACK, 2 * MiB);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(inner());
    CHECK(status_of(child) == 0);
    char* args[] = {self, "inner", NULL};
    CHECK(posix_spawn(&child, self, NULL, NULL, args, environ) == 0 && status_of(child) == 0);
    // A program of the host's: in KiB.
    CHECK(system("test $(ulimit -v) = 524288 && test $(ulimit -d) = 65536 && test $(ulimit -s) = 2048") == 0);
    CHECK(system("ulimit -v 400000; test $(ulimit -v) = 400000") == 0 && now(RLIMIT_AS) == 512 * MiB);
    // A child of vfork has limits of its own.
    child = vfork();
    if (child == 0) {
        struct rlimit limit = {100 * MiB, now(RLIMIT_AS)};
        _exit(setrlimit(RLIMIT_AS, &limit) != 0 || now(RLIMIT_AS) != 100 * MiB);
    }
    CHECK(status_of(child) == 0 && now(RLIMIT_AS) == 512 * MiB);
    struct rlimit old;
    CHECK(prlimit(getpid(), RLIMIT_AS, NULL, &old) == 0 && old.rlim_cur == 512 * MiB);
    CHECK(prlimit(getppid(), RLIMIT_NOFILE, NULL, &old) == 0 && old.rlim_cur > 0);
    // Another's limits are its own, also after a change.
    int told[2], asked[2];
    char byte;
    CHECK(pipe(told) == 0 && pipe(asked) == 0);
    child = fork();
    if (child == 0) {
        soft(RLIMIT_AS, 300 * MiB);
        _exit(write(told[1], "x", 1) != 1 || read(asked[0], &byte, 1) != 1);
    }
    CHECK(read(told[0], &byte, 1) == 1);
    CHECK(prlimit(child, RLIMIT_AS, NULL, &old) == 0 && old.rlim_cur == 300 * MiB &&
          now(RLIMIT_AS) == 512 * MiB);
    CHECK(prlimit(child, RLIMIT_STACK, NULL, &old) == 0 && old.rlim_cur == 2 * MiB);
    CHECK(write(asked[1], "x", 1) == 1 && status_of(child) == 0);
    // What another process may map: as much as before if this is refused, and it goes on in any case.
    int ends[2];
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) _exit(close(ends[1]) != 0 || read(ends[0], &old, 1) != 0 || system("true") == -2);
    const struct rlimit little = {MiB, MiB};
    CHECK(prlimit(child, RLIMIT_AS, &little, NULL) == 0 || errno == EPERM);
    CHECK(close(ends[1]) == 0 && status_of(child) == 0 && close(ends[0]) == 0);
}

// Forks while another thread changes limits; in time, or never.
static volatile int forking = 1;
static void* change(void* unused) {
    (void)unused;
    for (unsigned long i = 0; forking; ++i) soft(RLIMIT_AS, (400 + i % 2) * MiB);
    return NULL;
}
static void forks_meanwhile(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
    for (int i = 0; i < 100; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        CHECK(status_of(child) == 0);
    }
    forking = 0;
    CHECK(pthread_join(thread, NULL) == 0);
}

// Who tried to run what is no program has room for threads afterwards.
static void* nothing(void* unused) { return unused; }
static int after_failed_exec(void) {
    // Without the right to raise hard limits again.
    if (geteuid() == 0) CHECK(setuid(65534) == 0);
    char name[] = "/tmp/kiln_limits_XXXXXX";
    const int fd = mkstemp(name);
    CHECK(fd >= 0 && write(fd, "no program", 10) == 10 && fchmod(fd, 0755) == 0 && close(fd) == 0);
    const struct rlimit little = {100 * MiB, 100 * MiB};
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    char* args[] = {name, NULL};
    CHECK_FAILS(execve(name, args, environ), ENOEXEC);
    unlink(name);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return failures != 0;
}

// The first limit is reached at once, or after a second by kernels that take 0 for 1.
static volatile sig_atomic_t told;
static void tell(int signal) { told = signal; }
static int signal_at_limits(unsigned long hard, void (*handler)(int)) {
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {0, hard}, no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGXCPU, handler);
        setrlimit(RLIMIT_CPU, &limit);
        while (told != SIGXCPU) continue;
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}
static void cpu_time(void) {
    CHECK(signal_at_limits(1000, tell) == 0);
    CHECK(signal_at_limits(1000, SIG_DFL) == SIGXCPU);
    CHECK(signal_at_limits(0, tell) == SIGKILL);
}

int main(int argc, char** argv) {
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    if (argc > 1 && strcmp(argv[1], "inner") == 0) return inner();
    const pid_t child = fork();
    if (child == 0) _exit(after_failed_exec());
    CHECK(status_of(child) == 0);
    address_space();
    data();
    children();
    forks_meanwhile();
    cpu_time();
    return verdict();
}

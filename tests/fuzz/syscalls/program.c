// Makes random system calls; generator.h chooses them. A guest program: whatever it does to itself, the emulator must
// live. Runs where tests/fuzz/syscalls/run.py puts it: a root directory, and namespaces of all kinds, of its own.
//
//   program <seed> <first batch> <batches> <calls in a batch> <one argument in so many is wrong>
//
// Each batch is a process of its own. That it ends early is its own affair (calls take memory and time away), but for
// SIGABRT, which is handled: so the emulator gave up. Status 1 then. A batch that hangs is named with the call it
// hangs in: one that waits with SIGALRM blocked may, no other.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "generator.h"
#include "raw_calls.h"
#include "surroundings.h"

enum { seconds_for_a_batch = 20, errors = 134 };

struct made_call {
    const struct row* row;
    word arguments[6];
};

/// Shared with the batches: how many calls gave what, and the one that is being made.
static struct shared {
    word made, succeeded, failed[errors];
    struct made_call now;
}* shared;

static struct made_call generate(word seed, word index, unsigned rightness, unsigned descriptors) {
    seed_with(seed, index);
    struct made_call made;
    do made.row = &rows[draw(row_count)];
    while (!may_be_made(made.row));
    plausible_arguments(made.row, rightness, descriptors, made.arguments);
    return made;
}

static void print_call(FILE* file, const struct made_call* made) {
    const word* a = made->arguments;
    fprintf(file, "%s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", made->row->name, a[0], a[1], a[2], a[3], a[4],
            a[5]);
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
    // SIGABRT among them: a clone() may choose it as the signal that its parent gets, but who gives up resets it first.
    static const int harmless[] = {SIGUSR1, SIGUSR2, SIGABRT, 34, 40, 64, SIGPIPE, SIGXFSZ, SIGHUP, SIGIO};
    const struct sigaction action = {.sa_handler = wake};
    for (unsigned i = 0; i < sizeof harmless / sizeof *harmless; ++i) sigaction(harmless[i], &action, NULL);
    spared = getppid();
    const long self = thread_id();
    for (word i = 0; i < calls; ++i) {
        const struct made_call made = generate(seed, batch * calls + i, rightness, descriptors);
        set_alarm(3000);
        // What it waits for, its mask alone decides: the batch's own, which is empty, lets the timer end it.
        if (made.row->number == SYS_rt_sigsuspend)
            raw_call(SYS_rt_sigprocmask, (word[6]){0, 0, made.arguments[0], sizeof(word)});
        shared->now = made;
        if (print) print_call(stderr, &made);
        const long result = raw_call(made.row->number, made.arguments);
        // A child or a thread that the call made.
        if (thread_id() != self) raw_call(SYS_exit, (word[6]){0});
        __atomic_fetch_add(&shared->made, 1, __ATOMIC_RELAXED);
        if (result >= 0 || result <= -errors)
            __atomic_fetch_add(&shared->succeeded, 1, __ATOMIC_RELAXED);
        else
            __atomic_fetch_add(&shared->failed[-result], 1, __ATOMIC_RELAXED);
    }
    raw_call(SYS_exit_group, (word[6]){0});
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
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    word early = 0, hung = 0, aborted = 0;
    for (word batch = first; batch < first + batches; ++batch) {
        const pid_t child = fork();
        if (child == 0) run_batch(seed, batch, calls, rightness, batches == 1);
        if (child < 0) {
            perror("fork");
            return 1;
        }
        const int status = status_of(child, seconds_for_a_batch);
        early += status != 0;
        if (status == -1) {
            ++hung;
            printf("batch %lu hung in ", batch);
            print_call(stdout, &shared->now);
            fflush(stdout);
        }
        if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
            ++aborted;
            printf("batch %lu ended with SIGABRT in ", batch);
            print_call(stdout, &shared->now);
        }
        // What it left behind.
        kill(-child, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
        if ((batch - first) % 500 == 499) {
            printf("%lu calls\n", shared->made);
            fflush(stdout);
        }
    }
    printf("%lu calls made in %lu batches, %lu succeeded; %lu batches ended early, %lu of them were hung\n",
           shared->made, batches, shared->succeeded, early, hung);
    for (int i = 1; i < errors; ++i)
        if (shared->failed[i] > shared->made / 200) printf("  %-8lu %s\n", shared->failed[i], strerror(i));
    return aborted != 0;
}

// What every system call says to bad arguments, one at a time: pointers to nothing, across the ends of pages and outside
// the guest, lengths that wrap, numbers that mean nothing. Built for riscv64 and natively; errnos.py runs both where the
// calls cannot hurt the machine, and compares what is printed:
//
//   <call> <variant> <which argument, from 0; - for none> <its bad value> <errno; 0: success; none: no return>
//
// The other arguments are plausible ones (generator.h), others for each variant. The calls of one variant are made in a
// process of its own, whose state they change: one difference may make more.
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "generator.h"
#include "raw_calls.h"
#include "surroundings.h"

enum { variants = 6, seconds_for_a_variant = 10, microseconds_to_wait = 1000 };

/// Left out beside those that generator.h never makes: their arguments are in another order natively (clone), what
/// kiln refuses changes all that comes after (clone3, seccomp), or they may end the processes that wait for this one.
static const char* const left_out[] = {"clone", "clone3", "seccomp",        "kill",
                                       "tkill", "tgkill", "rt_sigqueueinfo"};

static int compared(const struct row* row) {
    const int is_there = strcmp(row->handler, "unimplemented") != 0 && strcmp(row->handler, "absent") != 0;
    for (unsigned i = 0; i < sizeof left_out / sizeof *left_out; ++i)
        if (strcmp(row->name, left_out[i]) == 0) return 0;
    return is_there && may_be_made(row);
}

/// The number of each row's call where this program runs. What these headers do not know has the same number on all
/// machines; -1: only riscv64 has it.
static long number_of(unsigned row) {
#define TEXT_OF(macro) TEXT(macro)
#define TEXT(word) #word
    static const char* const texts[] = {
#define SYSCALL(number, name, handler, kinds, meaning) TEXT_OF(SYS_##name),
#include "linux/syscalls.def"
#undef SYSCALL
    };
    if (isdigit(texts[row][0])) return strtol(texts[row], NULL, 10);
    return rows[row].number >= 424 ? rows[row].number : -1;
}

/// Whether a call changes the limit on the caller's CPU time. A hard limit of 0 ends it at the kernel's next tick, natively
/// too: which of the calls after it are made would be chance.
static int limits_cpu_time(const struct row* row, const word* arguments) {
    if (strcmp(row->name, "setrlimit") == 0) return (int)arguments[0] == RLIMIT_CPU;
    return strcmp(row->name, "prlimit64") == 0 && (int)arguments[1] == RLIMIT_CPU && arguments[2] != 0;
}

static const struct {
    const char* name;
    word value;
} bad[] = {
    {"null", 0},
    {"8", 8},
    {"-8", -8ul},
    {"-1", -1ul},
    {"2^63", 1ul << 63},
    {"2^62", 1ul << 62},
    {"2^38", 1ul << 38},
    {"user-end", 0x7ffffffff000},
    {"2^31-1", 0x7fffffff},
    {"2^31", 0x80000000},
    {"2^32-1", 0xffffffff},
    {"read-only", 0x10000000 + (word_pages + string_pages) * page},
    {"last-readable-byte", 0x10000000 + (word_pages + string_pages + 1) * page - 1},
    {"last-readable-word", 0x10000000 + (word_pages + string_pages + 1) * page - 8},
    {"last-writable-word", 0x10000000 + (word_pages + string_pages) * page - 8},
    {"inaccessible", 0x10000000 + (word_pages + string_pages + 1) * page},
    {"unmapped", 0x10000000 + pool_pages* page},
};
enum { bad_count = sizeof bad / sizeof *bad, results_of_variant = 1 + 6 * bad_count };

/// Shared with the processes that make the calls.
static short* results;
static const short no_return = -1;

static unsigned arguments_of(const struct row* row) {
    unsigned count = *row->kinds != 0;
    for (const char* at = row->kinds; *at != 0; ++at) count += *at == ' ';
    return count;
}

static void make_calls(unsigned row, unsigned variant, long number) {
    setpgid(0, 0);
    char folder[32];
    snprintf(folder, sizeof folder, "%u-%u", row, variant);
    mkdir(folder, 0700);
    if (chdir(folder) != 0) _exit(1);
    seed_with(variant, row);
    make_pool();
    const unsigned descriptors = make_descriptors();
    // Arguments that are never wrong, and not about the process that waits for this one.
    spared = getppid();
    word plausible[6];
    seed_with(variant, row);
    plausible_arguments(&rows[row], 1u << 30, descriptors, plausible);
    const struct sigaction action = {.sa_handler = wake};
    for (int signal = 1; signal <= 64; ++signal) sigaction(signal, &action, NULL);
    const long self = thread_id();
    for (unsigned i = 0; i < 1 + arguments_of(&rows[row]) * bad_count; ++i) {
        word arguments[6];
        memcpy(arguments, plausible, sizeof arguments);
        if (i > 0) arguments[(i - 1) / bad_count] = bad[(i - 1) % bad_count].value;
        if (limits_cpu_time(&rows[row], arguments)) continue;
        set_alarm(microseconds_to_wait);
        const long result = raw_call(number, arguments);
        if (thread_id() != self) raw_call(SYS_exit, (word[6]){0});
        results[i] = (short)(result < 0 && result > -4096 ? -result : 0);
    }
    raw_call(SYS_exit_group, (word[6]){0});
}

static void print(const struct row* row, unsigned variant) {
    for (unsigned i = 0; i < 1 + arguments_of(row) * bad_count; ++i) {
        if (i == 0)
            printf("%s %u - - ", row->name, variant);
        else
            printf("%s %u %u %s ", row->name, variant, (i - 1) / bad_count, bad[(i - 1) % bad_count].name);
        if (results[i] == no_return)
            puts("none");
        else
            printf("%d\n", results[i]);
    }
    fflush(stdout);
}

int main(int count, char** arguments) {
    const struct sigaction action = {.sa_handler = wake};
    sigaction(SIGALRM, &action, NULL);
    const struct rlimit small_files = {1 << 20, 1 << 20}, no_core = {0, 0};
    setrlimit(RLIMIT_FSIZE, &small_files);
    setrlimit(RLIMIT_CORE, &no_core);
    results = mmap(NULL, results_of_variant * sizeof *results, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned row = 0; row < row_count; ++row) {
        const long number = number_of(row);
        if (number < 0 || !compared(&rows[row])) continue;
        if (count > 1 && strcmp(arguments[1], rows[row].name) != 0) continue;
        for (unsigned variant = 0; variant < variants; ++variant) {
            for (unsigned i = 0; i < results_of_variant; ++i) results[i] = no_return;
            const pid_t child = fork();
            if (child == 0) make_calls(row, variant, number);
            status_of(child, seconds_for_a_variant);
            kill(-child, SIGKILL);
            while (waitpid(-1, NULL, WNOHANG) > 0) continue;
            print(&rows[row], variant);
        }
    }
    return 0;
}

// Much of everything: forks, execs, threads, signals, contended counters, code rewritten under running threads. Each
// part takes how much as its argument, checks its own sums, and at the end that nothing is left over: no child, no
// descriptor, no memory. `stress <part> <count>`; without arguments a little of each.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static const char* own_path;

static int descriptors(void) {
    int count = 0;
    DIR* list = opendir("/proc/self/fd");
    if (list == NULL) return -1;
    while (readdir(list) != NULL) ++count;
    closedir(list);
    return count;
}
static long resident_kib(void) {
    char text[200] = "";
    int fd = open("/proc/self/statm", O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return 0;
    close(fd);
    long total = 0, resident = 0;
    sscanf(text, "%ld %ld", &total, &resident);
    return resident * 4;
}
static void end_well(pid_t child, int wanted) {
    int status = -1;
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == wanted) return;
    CHECK(!"a child ended otherwise");
    printf("child %d: wanted %d, status %#x\n", child, wanted, status);
}

// ---- Processes ----

static void forks(long count) {
    for (volatile long i = 0; i < count; ++i) {
        pid_t child = i % 4 == 3 ? vfork() : fork();
        if (child == 0) _exit((int)(i & 127));
        if (child < 0) return CHECK(!"fork");
        end_well(child, (int)(i & 127));
    }
}

/// A chain of programs, each run by the one before.
static void execs(long count) {
    char left[24], opened[24];
    pid_t child = fork();
    if (child == 0) {
        snprintf(left, sizeof left, "%ld", count);
        snprintf(opened, sizeof opened, "%d", descriptors());
        execl(own_path, "stress", "link", left, opened, (char*)NULL);
        _exit(99);
    }
    end_well(child, 0);
}
static int link_of_chain(char** argv) {
    long left = atol(argv[2]);
    char fewer[24];
    if (descriptors() != atoi(argv[3])) return 3;
    if (left == 0) return 0;
    snprintf(fewer, sizeof fewer, "%ld", left - 1);
    execl("/proc/self/exe", "stress", "link", fewer, argv[3], (char*)NULL);
    return 4;
}

/// Other threads allocate, map and compute; the children of this one must be whole.
static atomic_int stop;
static void* stay_busy(void* argument) {
    unsigned long sum = (unsigned long)argument;
    while (!stop) {
        char* block = malloc(1000 + sum % 5000);
        block[0] = 1;
        char* pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pages[sum % 65536] = 1;
        munmap(pages, 65536);
        free(block);
        sum = sum * 6364136223846793005ul + 1442695040888963407ul;
    }
    return NULL;
}
static void* nothing(void* argument) { return argument; }
static void forks_among_threads(long count) {
    pthread_t threads[3];
    stop = 0;
    for (long i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, stay_busy, (void*)i) == 0);
    for (long i = 0; i < count; ++i) {
        pid_t child = fork();
        if (child == 0) {
            // The child has one thread, and may have others again.
            pthread_t own;
            free(malloc(100000));
            if (pthread_create(&own, NULL, nothing, NULL) != 0 || pthread_join(own, NULL) != 0) _exit(1);
            _exit(7);
        }
        end_well(child, 7);
    }
    stop = 1;
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
}

// ---- Threads ----

static __thread long own_value = 5;
static void* use_tls(void* argument) {
    own_value += (long)argument;
    char frame[2000];
    memset(frame, (int)own_value, sizeof frame);
    return (void*)(own_value + (frame[1999] == (char)own_value ? 0 : 1000));
}
static void threads(long rounds) {
    enum { many = 256 };
    static pthread_t list[many];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 16);
    for (long round = 0; round < rounds; ++round) {
        for (long i = 0; i < many; ++i)
            if (pthread_create(&list[i], &attributes, use_tls, (void*)i) != 0)
                return CHECK(!"pthread_create");
        for (long i = 0; i < many; ++i) {
            void* result;
            if (pthread_join(list[i], &result) != 0 || (long)result != 5 + i) CHECK(!"a thread's result");
        }
    }
}

// ---- Signals ----

static volatile long handled, handled_sum;
static void count_one(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    ++handled;
    handled_sum += info->si_value.sival_int;
}
static long to_send;
static pthread_t receiver;
static void* send_all(void* argument) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (long i = 1; i <= to_send;) {
        union sigval value = {.sival_int = (int)(i % 1000)};
        // To the process and to the thread in turn; a full queue says so.
        int refused =
            i % 2 ? sigqueue(getpid(), SIGRTMIN + 1, value) : pthread_sigqueue(receiver, SIGRTMIN + 2, value);
        if (refused)
            sched_yield();
        else
            ++i;
    }
    return argument;
}
static void signals(long count) {
    struct sigaction action = {.sa_sigaction = count_one, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigaction(SIGRTMIN + 2, &action, NULL);
    handled = handled_sum = 0;
    to_send = count;
    receiver = pthread_self();
    pthread_t sender;
    CHECK(pthread_create(&sender, NULL, send_all, NULL) == 0);
    // Computes, calls and sleeps by turns, so that they come at every moment.
    unsigned long sum = 1;
    while (handled < count) {
        for (int i = 0; i < 200; ++i) sum = sum * 31 + (unsigned long)i;
        getppid();
        if (sum % 7 == 0) syscall(SYS_nanosleep, &(struct timespec){0, 1000}, NULL);
    }
    pthread_join(sender, NULL);
    long wanted = count / 1000 * (999 * 1000 / 2);
    for (long i = count / 1000 * 1000 + 1; i <= count; ++i) wanted += i % 1000;
    CHECK(handled == count && handled_sum == wanted);
}

/// Timers for all threads at once: every expiry is a signal or an overrun, and no call or number is harmed.
static atomic_long expiries;
static void count_expiry(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    atomic_fetch_add(&expiries, 1 + info->si_overrun);
}
static void* compute(void* argument) {
    const long steps = (long)argument;
    double x = 1, y = 0;
    for (long i = 0; i < steps; ++i) {
        x = x * 1.0000001 + 0.5;
        y += x;
        if (x > 1e6) x = 1;
    }
    double* result = malloc(sizeof *result);
    *result = y;
    return result;
}
static void timers(long steps) {
    struct sigaction action = {.sa_sigaction = count_expiry, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 3, &action, NULL);
    double* quiet = compute((void*)steps);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    timer_t timer;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec fast = {{0, 100000}, {0, 100000}}, off = {{0, 0}, {0, 0}};
    timer_settime(timer, 0, &fast, NULL);
    pthread_t list[3];
    for (int i = 0; i < 3; ++i) pthread_create(&list[i], NULL, compute, (void*)steps);
    for (int i = 0; i < 3; ++i) {
        double* stormy;
        pthread_join(list[i], (void**)&stormy);
        CHECK(*stormy == *quiet);
        free(stormy);
    }
    timer_settime(timer, 0, &off, NULL);
    CHECK(expiries > 0 && timer_delete(timer) == 0);
    free(quiet);
}

// ---- Counters that four threads share ----

static long amo_counter, cas_counter, reserved_counter, locked_counter;
static int small_counter;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t line;
static void* add_up(void* argument) {
    const long count = (long)argument;
    pthread_barrier_wait(&line);
    for (long i = 0; i < count; ++i) {
        __atomic_fetch_add(&amo_counter, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&small_counter, 1, __ATOMIC_ACQ_REL);
        long seen = __atomic_load_n(&cas_counter, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&cas_counter, &seen, seen + 1, 1, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED)) {
        }
#ifdef __riscv
        long value, failed;
        __asm__ volatile("1: lr.d.aq %0, (%2)\n addi %0, %0, 1\n sc.d.rl %1, %0, (%2)\n bnez %1, 1b"
                         : "=&r"(value), "=&r"(failed)
                         : "r"(&reserved_counter)
                         : "memory");
#else
        __atomic_fetch_add(&reserved_counter, 1, __ATOMIC_SEQ_CST);
#endif
        if (i % 16 == 0) {
            pthread_mutex_lock(&mutex);
            locked_counter += 16;
            pthread_mutex_unlock(&mutex);
        }
    }
    return NULL;
}
static void counters(long count) {
    pthread_t list[4];
    count = count / 16 * 16;
    amo_counter = cas_counter = reserved_counter = locked_counter = small_counter = 0;
    pthread_barrier_init(&line, NULL, 4);
    for (int i = 0; i < 4; ++i) pthread_create(&list[i], NULL, add_up, (void*)count);
    for (int i = 0; i < 4; ++i) pthread_join(list[i], NULL);
    CHECK(amo_counter == 4 * count && cas_counter == 4 * count && reserved_counter == 4 * count);
    CHECK(locked_counter == 4 * count && small_counter == (int)(4 * count));
}

/// Four threads take turns: each counts only when it is its own.
static atomic_long turn;
static long turns_wanted;
static void* take_turns(void* argument) {
    for (long i = (long)argument; i < turns_wanted; i += 4) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != i) sched_yield();
        atomic_store_explicit(&turn, i + 1, memory_order_release);
    }
    return NULL;
}
static void lock_step(long count) {
    pthread_t list[4];
    turn = 0;
    turns_wanted = count / 4 * 4;
    for (long i = 0; i < 4; ++i) pthread_create(&list[i], NULL, take_turns, (void*)i);
    for (int i = 0; i < 4; ++i) pthread_join(list[i], NULL);
    CHECK(turn == turns_wanted);
}

// ---- Code that changes while it runs ----

#ifdef __riscv
static unsigned* writable;
static const void* executable;
static atomic_long generation, calls_made;
/// `li a0, value; ret` in one store each: whoever calls sees a value that was there at some time, in order.
static void write_code(long value) {
    __atomic_store_n(&writable[1], 0x00008067, __ATOMIC_RELAXED);
    __atomic_store_n(&writable[0], (unsigned)(value & 0x7ff) << 20 | 0x513, __ATOMIC_RELEASE);
}
static void* call_code(void* argument) {
    long calls = 0;
    while (!stop) {
        long before = atomic_load(&generation);
        __asm__ volatile("fence.i" ::: "memory");
        long value = ((long (*)(void))executable)();
        long after = atomic_load(&generation);
        // The generation is counted up after its code was made visible to all: an older value than before's is stale.
        long distance = (value - before) & 0x7ff;
        if (distance > after - before + 1 && after - before < 1000) {
            CHECK(!"old code ran");
            printf("value %ld, generation %ld to %ld\n", value, before & 0x7ff, after & 0x7ff);
            break;
        }
        ++calls;
    }
    atomic_fetch_add(&calls_made, calls);
    return argument;
}
static void rewritten_code(long count) {
    int fd = memfd_create("code", 0);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    for (int way = 0; way < 3; ++way) {
        // One mapping for all, two views of one file, or rights that change.
        unsigned* first = mmap(NULL, 4096, PROT_READ | PROT_WRITE | (way == 0 ? PROT_EXEC : 0),
                               way == 1 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
        void* second = way == 1 ? mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) : first;
        writable = first;
        executable = second;
        stop = generation = calls_made = 0;
        write_code(0);
        if (way == 2) mprotect(first, 4096, PROT_READ | PROT_EXEC);
        syscall(259, executable, (char*)executable + 8, 0);
        pthread_t list[3];
        // Who executes while the page is not executable gets a fault: with changing rights only this thread calls.
        int callers = way == 2 ? 0 : 3;
        for (int i = 0; i < callers; ++i) pthread_create(&list[i], NULL, call_code, NULL);
        for (long i = 1; i <= count; ++i) {
            if (way == 2) mprotect(first, 4096, PROT_READ | PROT_WRITE);
            write_code(i);
            if (way == 2) mprotect(first, 4096, PROT_READ | PROT_EXEC);
            syscall(259, executable, (char*)executable + 8, 0);
            atomic_store(&generation, i);
            if (((long (*)(void))executable)() != (i & 0x7ff)) {
                CHECK(!"the new code");
                break;
            }
            if (i % 64 == 0) sched_yield();
        }
        stop = 1;
        for (int i = 0; i < callers; ++i) pthread_join(list[i], NULL);
        munmap(first, 4096);
        if (way == 1) munmap(second, 4096);
    }
    close(fd);
}
#else
static void rewritten_code(long count) { (void)count; }
#endif

// ---- All of it ----

static const struct part {
    const char* name;
    void (*run)(long);
    long little;
} parts[] = {
    {"forks", forks, 60},
    {"execs", execs, 10},
    {"forks_among_threads", forks_among_threads, 20},
    {"threads", threads, 2},
    {"signals", signals, 5000},
    {"timers", timers, 200000},
    {"counters", counters, 4000},
    {"lock_step", lock_step, 2000},
    {"rewritten_code", rewritten_code, 300},
};

static void run(const struct part* part, long count) {
    // What is kept for the next time is no growth.
    part->run(part->little);
    int opened = descriptors();
    long before = resident_kib();
    part->run(count);
    long grown = resident_kib() - before;
    CHECK(descriptors() == opened);
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    // Translated code, and the stacks of threads that have just ended.
    if (grown > 48 << 10) {
        CHECK(!"memory has grown");
        printf("%s: %ld KiB more\n", part->name, grown);
    }
    if (getenv("STRESS_FIGURES") != NULL)
        fprintf(stderr, "%s %ld: %ld KiB grown, %d descriptors\n", part->name, count, grown, opened);
}

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    own_path = argv[0];
    if (argc == 4 && strcmp(argv[1], "link") == 0) return link_of_chain(argv);
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; ++i)
        if (argc == 1 || strcmp(argv[1], parts[i].name) == 0)
            run(&parts[i], argc > 2 ? atol(argv[2]) : parts[i].little);
    return verdict();
}

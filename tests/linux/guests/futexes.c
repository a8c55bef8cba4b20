// Every futex operation, robust lists, barriers on all threads, and what the scheduler's calls say.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static _Atomic unsigned* words;  // shared with children
static long futex(_Atomic unsigned* word, int operation, unsigned value, const void* fourth,
                  _Atomic unsigned* second, unsigned third) {
    return syscall(SYS_futex, word, operation, value, fourth, second, third);
}
static struct timespec from_now(clockid_t clock, long milliseconds) {
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_nsec += milliseconds * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}
static void wait_until(_Atomic unsigned* word, unsigned value) {
    while (atomic_load(word) != value) sched_yield();
}

// ---- Waiting and waking ----

struct waiter {
    pthread_t thread;
    _Atomic unsigned* word;
    int operation;
    unsigned bits;
    long result;
    _Atomic int done;
    _Atomic unsigned* second;
};
static _Atomic unsigned entered;
static void* wait_there(void* argument) {
    struct waiter* self = argument;
    atomic_fetch_add(&entered, 1);
    if (self->operation == FUTEX_WAIT_REQUEUE_PI)
        self->result = futex(self->word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, self->second, 0);
    else
        self->result = futex(self->word, self->operation, 0, NULL, NULL, self->bits);
    if (self->result < 0) self->result = -errno;
    atomic_store(&self->done, 1);
    return NULL;
}
/// Starts waiters and returns once the kernel has them all: moving none of them to another word counts them.
static void start(struct waiter* waiters, int count, _Atomic unsigned* word, int operation) {
    entered = 0;
    for (int i = 0; i < count; ++i) {
        waiters[i] = (struct waiter){.word = word, .operation = operation, .bits = 1u << i};
        CHECK(pthread_create(&waiters[i].thread, NULL, wait_there, &waiters[i]) == 0);
    }
    int flags = operation & FUTEX_PRIVATE_FLAG;
    while (futex(word, FUTEX_REQUEUE | flags, 0, (void*)1000, word, 0) != count) sched_yield();
}
static int finish(struct waiter* waiters, int count) {
    int zero = 0;
    for (int i = 0; i < count; ++i) {
        pthread_join(waiters[i].thread, NULL);
        zero += waiters[i].result == 0;
    }
    return zero;
}

/// Wakes so many waiters that were moved from one word to another, and says how many of them it found at the
/// other. A waiter that was moved just before it slept may go back to where it came from: in Linux it takes the
/// moment in which it is in no queue for a wake-up without a reason, and starts anew.
static int wake_moved(_Atomic unsigned* from, _Atomic unsigned* to, int count) {
    int woken = 0, there = 0;
    while (woken < count) {
        const int more = (int)futex(to, FUTEX_WAKE_PRIVATE, count - woken, NULL, NULL, 0);
        there += more;
        woken += more;
        if (woken < count) woken += (int)futex(from, FUTEX_WAKE_PRIVATE, count - woken, NULL, NULL, 0);
        sched_yield();
    }
    return there;
}

static void waking(void) {
    static _Atomic unsigned word, other;
    struct waiter waiters[4];
    struct timespec short_time = {0, 1000000};
    CHECK_FAILS(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    CHECK_FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 0, &short_time, NULL, 0), ETIMEDOUT);
    struct timespec bad = {0, 1000000000};
    CHECK_FAILS(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
    CHECK_FAILS(futex((void*)((char*)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
    struct timespec soon = from_now(CLOCK_REALTIME, 2);
    CHECK_FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &soon, NULL, 1), ETIMEDOUT);
    CHECK_FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);

    start(waiters, 4, &word, FUTEX_WAIT);
    CHECK(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
    CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0) == 0);
    CHECK(futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0) == 3 && finish(waiters, 4) == 4);

    start(waiters, 4, &word, FUTEX_WAIT_BITSET_PRIVATE);
    CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4) == 1);
    pthread_join(waiters[2].thread, NULL);
    CHECK(waiters[2].done && !waiters[0].done && !waiters[1].done && !waiters[3].done);
    CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 11) == 3);
    for (int i = 0; i < 4; ++i)
        if (i != 2) pthread_join(waiters[i].thread, NULL);

    start(waiters, 4, &word, FUTEX_WAIT_PRIVATE);
    CHECK_FAILS(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void*)9, &other, 7), EAGAIN);
    CHECK(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void*)2, &other, 0) == 3);
    CHECK(wake_moved(&word, &other, 3) >= 1 && finish(waiters, 4) == 4);

    // Changes the second word, wakes at the first, and at the second if it had the value asked for.
    start(waiters, 2, &word, FUTEX_WAIT_PRIVATE);
    other = 5;
    CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void*)1, &other,
                FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 6)) == 1 &&
          other == 8);
    CHECK(futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, (void*)1, &word,
                FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0)) == 1 &&
          finish(waiters, 2) == 2);
    other = 0;
}

// ---- Several words at once, and the calls that the newer kernels have ----

struct several {
    unsigned long value, address;
    unsigned flags, reserved;
};
static void* wait_for_any(void* argument) {
    return (void*)syscall(449, argument, 3, 0, NULL, CLOCK_MONOTONIC);
}
static void* wait_new(void* argument) { return (void*)syscall(455, argument, 0ul, 1ul, 2 | 128, NULL, 0); }
static void newer_calls(void) {
    static _Atomic unsigned three[3];
    struct several list[3];
    for (int i = 0; i < 3; ++i)
        list[i] = (struct several){0, (unsigned long)&three[i], 2 | FUTEX_PRIVATE_FLAG, 0};
    list[1].value = 7;
    CHECK_FAILS(syscall(449, list, 3, 0, NULL, CLOCK_MONOTONIC), EAGAIN);
    list[1].value = 0;
    struct timespec soon = from_now(CLOCK_MONOTONIC, 2);
    CHECK_FAILS(syscall(449, list, 3, 0, &soon, CLOCK_MONOTONIC), ETIMEDOUT);
    CHECK_FAILS(syscall(449, list, 0, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_FAILS(syscall(449, list, 129, 0, NULL, CLOCK_MONOTONIC), EINVAL);
    CHECK_FAILS(syscall(449, 8, 3, 0, NULL, CLOCK_MONOTONIC), EFAULT);
    pthread_t thread;
    void* index;
    pthread_create(&thread, NULL, wait_for_any, list);
    while (futex(&three[2], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 1) sched_yield();
    pthread_join(thread, &index);
    CHECK((long)index == 2);

    errno = 0;
    if (syscall(454, three, 1ul, 0, 2 | 128) != 0 && errno == ENOSYS) return;  // Linux 6.7 has them
    CHECK_FAILS(syscall(455, three, 1ul, 1ul, 2 | 128, NULL, 0), EAGAIN);
    CHECK_FAILS(syscall(455, three, 0ul, 1ul, 2 | 128, &soon, CLOCK_MONOTONIC), ETIMEDOUT);
    pthread_create(&thread, NULL, wait_new, &three[0]);
    while (syscall(454, &three[1], 1ul, 1, 2 | 128) !=
           1) {  // moved once more if it went back: see wake_moved
        syscall(456, list, 0, 0, 1);
        sched_yield();
    }
    pthread_join(thread, &index);
    CHECK(index == NULL);
    CHECK_FAILS(syscall(456, NULL, 0, 0, 1), EINVAL);
    CHECK_FAILS(syscall(456, 8, 0, 0, 1), EFAULT);
}

// ---- Priority inheritance ----

static _Atomic unsigned lock;
static _Atomic int phase;
static void* hold(void* argument) {
    int operation = (int)(long)argument;
    CHECK(futex(&lock, operation, 0, NULL, NULL, 0) == 0);
    CHECK((lock & FUTEX_TID_MASK) == (unsigned)syscall(SYS_gettid));
    phase = 1;
    while (phase != 2) sched_yield();
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}
static void inheriting(void) {
    unsigned self = (unsigned)syscall(SYS_gettid);
    pthread_t thread;
    const int operations[] = {FUTEX_LOCK_PI_PRIVATE, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG,
                              FUTEX_TRYLOCK_PI_PRIVATE};
    for (int i = 0; i < 3; ++i) {
        phase = 0;
        pthread_create(&thread, NULL, hold, (void*)(long)operations[i]);
        while (phase != 1) sched_yield();
        CHECK_FAILS(futex(&lock, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
        CHECK_FAILS(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
        struct timespec soon = from_now(CLOCK_REALTIME, 2), sooner = from_now(CLOCK_MONOTONIC, 2);
        CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, &soon, NULL, 0), ETIMEDOUT);
        CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG, 0, &sooner, NULL, 0), ETIMEDOUT);
        phase = 2;
        CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0 && (lock & FUTEX_TID_MASK) == self);
        CHECK_FAILS(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
        CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
        pthread_join(thread, NULL);
        CHECK((lock & FUTEX_TID_MASK) == 0);
        lock = 0;
    }
    // Waiters at a plain word become waiters for the lock, which they own when they wake.
    static _Atomic unsigned word;
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    struct waiter waiter = {.word = &word, .operation = FUTEX_WAIT_REQUEUE_PI, .second = &lock};
    pthread_create(&waiter.thread, NULL, wait_there, &waiter);
    while (futex(&word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void*)0, &lock, 0) != 1) sched_yield();
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    pthread_join(waiter.thread, NULL);
    CHECK(waiter.result == 0);
    lock = 0;

    pthread_mutexattr_t kind;
    pthread_mutex_t mutex;
    pthread_mutexattr_init(&kind);
    CHECK(pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT) == 0);
    CHECK(pthread_mutex_init(&mutex, &kind) == 0 && pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_trylock(&mutex) == EBUSY && pthread_mutex_unlock(&mutex) == 0);
}

// ---- Robust lists ----

struct list_head {
    void* next;
    long offset;
    void* pending;
};
struct robust {
    void* next;
    _Atomic unsigned word;
};
struct robust_set {
    struct list_head head;
    struct robust held[3];
};
static struct robust_set* set;

/// What a thread or process leaves behind when it ends: two locks in its list, one being locked.
static void fill_set(struct robust_set* own) {
    unsigned self = (unsigned)syscall(SYS_gettid);
    own->head = (struct list_head){&own->held[0], offsetof(struct robust, word), &own->held[2]};
    own->held[0] = (struct robust){&own->held[1], self | FUTEX_WAITERS};
    own->held[1] = (struct robust){&own->head, self + 1};  // somebody else's
    own->held[2] = (struct robust){NULL, self};
    CHECK(syscall(SYS_set_robust_list, own, sizeof own->head) == 0);
}
static int set_is_released(struct robust_set* own) {
    return own->held[0].word == (FUTEX_WAITERS | FUTEX_OWNER_DIED) && own->held[1].word != 0 &&
           !(own->held[1].word & FUTEX_OWNER_DIED) && own->held[2].word == FUTEX_OWNER_DIED;
}
static void* leave_set(void* argument) {
    fill_set(argument);
    return NULL;
}
static void* leave_and_stay(void* argument) {
    fill_set(argument);
    atomic_store(&words[5], 1);
    for (;;) pause();
    return argument;
}
static void* end_by_kernel(void* argument) {
    fill_set(argument);
    syscall(SYS_exit, 0);
    return NULL;
}

static void robust_lists(void) {
    set = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct list_head* head = NULL;
    size_t bytes = 0;
    CHECK_FAILS(syscall(SYS_set_robust_list, set, 16), EINVAL);
    CHECK(syscall(SYS_get_robust_list, 0, &head, &bytes) == 0 && bytes == sizeof *head && head != NULL);
    CHECK_FAILS(syscall(SYS_get_robust_list, 0, 8, &bytes), EFAULT);
    CHECK_FAILS(syscall(SYS_get_robust_list, 0x3fffffff, &head, &bytes), ESRCH);
    pthread_t thread;
    // By the time a thread's end is known its locks are released.
    for (int i = 0; i < 50; ++i) {
        memset(set, 0, sizeof *set);
        pthread_create(&thread, NULL, i % 2 ? leave_set : end_by_kernel, set);
        pthread_join(thread, NULL);
        if (i == 0 || !set_is_released(set)) CHECK(set_is_released(set));
    }
    // The end of a process, by every way out, releases what all its threads hold.
    for (int way = 0; way < 4; ++way) {
        memset(set, 0, 2 * sizeof *set);
        words[5] = 0;
        pid_t child = fork();
        if (child == 0) {
            pthread_create(&thread, NULL, leave_and_stay, set + 1);
            wait_until(&words[5], 1);
            fill_set(set);
            if (way == 0) _exit(0);
            if (way == 1) syscall(SYS_exit_group, 0);
            if (way == 2) kill(getpid(), SIGTERM);
            fclose(stderr);
            *(volatile int*)8 = 1;
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(set_is_released(set) && set_is_released(set + 1));
    }
    // A lock that is waited for, and a list that is a ring.
    memset(set, 0, sizeof *set);
    words[5] = 0;
    pid_t child = fork();
    if (child == 0) {
        fill_set(set);
        set->held[1].next = &set->held[0];
        atomic_store(&words[5], 1);
        while (futex(&set->held[0].word, FUTEX_REQUEUE, 0, (void*)1000, &set->held[0].word, 0) != 1)
            sched_yield();
        _exit(0);
    }
    wait_until(&words[5], 1);
    unsigned held = set->held[0].word;
    CHECK(futex(&set->held[0].word, FUTEX_WAIT, held, NULL, NULL, 0) == 0 || errno == EAGAIN);
    CHECK(waitpid(child, NULL, 0) == child && set_is_released(set));

    // As the C library uses them, between processes.
    pthread_mutex_t* mutex = (pthread_mutex_t*)(set + 2);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    for (int inherits = 0; inherits < 2; ++inherits) {
        pthread_mutexattr_setprotocol(&kind, inherits ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
        CHECK(pthread_mutex_init(mutex, &kind) == 0);
        if (fork() == 0) {
            pthread_mutex_lock(mutex);
            _exit(0);
        }
        wait(NULL);
        CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD && pthread_mutex_consistent(mutex) == 0);
        CHECK(pthread_mutex_unlock(mutex) == 0);
    }
}

// ---- Shared words, thread ids, barriers, scheduling ----

static void between_processes(void) {
    words[0] = words[1] = 0;
    pid_t child = fork();
    if (child == 0) {
        while (words[0] == 0) futex(&words[0], FUTEX_WAIT, 0, NULL, NULL, 0);
        words[1] = 1;
        futex(&words[1], FUTEX_WAKE, 1, NULL, NULL, 0);
        _exit(0);
    }
    words[0] = 1;
    futex(&words[0], FUTEX_WAKE, 1, NULL, NULL, 0);
    while (words[1] == 0) futex(&words[1], FUTEX_WAIT, 0, NULL, NULL, 0);
    CHECK(waitpid(child, NULL, 0) == child);
}

static _Atomic int own_tid;
static void* set_own_address(void* argument) {
    CHECK(syscall(SYS_set_tid_address, &own_tid) == syscall(SYS_gettid));
    own_tid = 77;
    syscall(SYS_exit, 0);
    return argument;
}
static void ends(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    own_tid = 77;
    pthread_create(&thread, &attributes, set_own_address, NULL);
    while (own_tid != 0) futex((_Atomic unsigned*)&own_tid, FUTEX_WAIT, 77, NULL, NULL, 0);
}

static void scheduling(void) {
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    CHECK(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED &&
          commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0);
    CHECK_FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0);
    CHECK_FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
    CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_yield() == 0);
    struct sched_param parameters = {9};
    CHECK(sched_getparam(0, &parameters) == 0 && parameters.sched_priority == 0);
    CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_RR) == 1);
    CHECK_FAILS(sched_get_priority_max(77), EINVAL);
    CHECK(sched_setscheduler(0, SCHED_BATCH, &parameters) == 0 && sched_getscheduler(0) == SCHED_BATCH);
    struct {
        unsigned size, policy;
        unsigned long flags;
        int nice;
        unsigned priority;
        unsigned long times[3];
    } attributes = {0};
    CHECK(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 &&
          attributes.policy == SCHED_BATCH);
    attributes.policy = SCHED_OTHER;
    attributes.nice = 5;
    CHECK(syscall(SYS_sched_setattr, 0, &attributes, 0) == 0 && sched_getscheduler(0) == SCHED_OTHER);
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && sched_getcpu() == cpu);
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    CHECK_FAILS(sched_setaffinity(0, sizeof one, &one), EINVAL);
    struct timespec interval;
    CHECK(sched_rr_get_interval(0, &interval) == 0);
    // No rseq, and nobody is told that there is one.
    static char area[64] __attribute__((aligned(32)));
#ifdef __riscv
    CHECK_FAILS(syscall(SYS_rseq, area, 32, 0, 0), ENOSYS);
#endif
    (void)area;
}

int main(void) {
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    waking();
    newer_calls();
    inheriting();
    robust_lists();
    between_processes();
    ends();
    scheduling();
    return verdict();
}

// Threads: creation, waiting, ids, cancellation, robust locks, fork among threads, and the end of the first
// thread.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static atomic_long atomic_counter;
static __thread long own = 7;

static void* add(void* argument) {
    for (int i = 0; i < 2000; ++i) {
        pthread_mutex_lock(&mutex);
        ++counter;
        pthread_mutex_unlock(&mutex);
        atomic_fetch_add(&atomic_counter, 1);
    }
    own += (long)argument;
    return (void*)own;
}

static void sums(void) {
    pthread_t threads[8];
    for (long i = 0; i < 8; ++i) CHECK(pthread_create(&threads[i], NULL, add, (void*)i) == 0);
    for (long i = 0; i < 8; ++i) {
        void* result;
        CHECK(pthread_join(threads[i], &result) == 0 && (long)result == 7 + i);
    }
    CHECK(counter == 16000 && atomic_counter == 16000 && own == 7);
    for (int i = 0; i < 200; ++i) {
        pthread_t brief;
        CHECK(pthread_create(&brief, NULL, add, NULL) == 0 && pthread_join(brief, NULL) == 0);
    }
}

static int turn;
static void* ping(void* argument) {
    for (int i = 0; i < 300; ++i) {
        pthread_mutex_lock(&mutex);
        while (turn != (long)argument) pthread_cond_wait(&changed, &mutex);
        turn = 1 - turn;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void turns(void) {
    pthread_t other;
    pthread_create(&other, NULL, ping, (void*)1);
    ping((void*)0);
    pthread_join(other, NULL);
    CHECK(turn == 0);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 10000000;
    if (soon.tv_nsec >= 1000000000) ++soon.tv_sec, soon.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&changed, &mutex, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static atomic_int handler_tid;
static sem_t ready;
static void on_signal(int number) {
    (void)number;
    handler_tid = (int)syscall(SYS_gettid);
}
static void* sleeper(void* argument) {
    *(int*)argument = (int)syscall(SYS_gettid);
    sem_post(&ready);
    struct timespec long_time = {30, 0};
    while (nanosleep(&long_time, NULL) == 0) {
    }
    return NULL;
}

static void directed(void) {
    sem_init(&ready, 0, 0);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread;
    int tid = 0;
    pthread_create(&thread, NULL, sleeper, &tid);
    sem_wait(&ready);
    CHECK(tid != getpid());
    // Again and again: the first ones may come before it sleeps.
    do {
        CHECK(pthread_kill(thread, SIGUSR1) == 0);
        usleep(10000);
    } while (pthread_tryjoin_np(thread, NULL) == EBUSY);
    CHECK(handler_tid == tid);
    pthread_create(&thread, NULL, sleeper, &tid);
    sem_wait(&ready);
    usleep(20000);
    void* result;
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}

static pthread_mutex_t robust;
static void* die_holding(void* argument) {
    pthread_mutex_lock(&robust);
    return argument;
}
static void robust_locks(void) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &kind);
    pthread_t thread;
    pthread_create(&thread, NULL, die_holding, NULL);
    pthread_join(thread, NULL);
    CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
}

static void* busy(void* argument) {
    while (!atomic_load((atomic_int*)argument)) {
        void* memory = malloc(100);
        char* pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pages[0] = 1;
        munmap(pages, 65536);
        free(memory);
    }
    return NULL;
}
static void forks_among_threads(void) {
    atomic_int stop = 0;
    pthread_t threads[3];
    for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, busy, &stop);
    for (int i = 0; i < 30; ++i) {
        pid_t child = fork();
        if (child == 0) {
            free(malloc(1000));
            _exit(i);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == i);
    }
    stop = 1;
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
}

static void* sleeps(void* lock) {
    pthread_mutex_lock(lock);
    return (void*)(long)getuid();
}

// Ids are each thread's own; the C library changes them in all threads, by a signal of its own. To be called before any
// thread is made; in a child, because it once ended the process.
static void ids_of_all_threads(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        pthread_t other;
        void* id;
        pthread_mutex_lock(&lock);
        pthread_create(&other, NULL, sleeps, &lock);
        int good = setresuid(-1, getuid(), -1) == 0 && setresgid(-1, getgid(), -1) == 0;
        pthread_mutex_unlock(&lock);
        pthread_join(other, &id);
        _exit(!good || (long)id != (long)getuid());
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/// A thread that blocks everything gets what is sent to it at once, the C library's own signals among it, and none of
/// these ends the process: timers that start threads count on that.
static int masked_start(void* got) {
    const unsigned long all = ~0ul;
    *(atomic_int*)got = (int)syscall(SYS_rt_sigtimedwait, &all, NULL, NULL, sizeof all);
    syscall(SYS_exit, 0);
    return 0;
}
static void masked_starts(void) {
    enum { internal_signal = 32, stack_bytes = 64 << 10 };
    static char stack[stack_bytes] __attribute__((aligned(16)));
    const unsigned long all = ~0ul;
    unsigned long before;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all) == 0);
    for (int round = 0; round < 300; ++round) {
        static atomic_int got, alive;
        got = 0;
        alive = 1;
        // It must not touch thread-local storage: it has its creator's.
        const int thread = clone(masked_start, stack + stack_bytes,
                                 CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                     CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                                 (void*)&got, NULL, NULL, &alive);
        CHECK(thread > 0 && syscall(SYS_tgkill, getpid(), thread, internal_signal) == 0);
        while (alive) sched_yield();
        CHECK(got == internal_signal);
    }
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before) == 0);
}

static void* finish(void* argument) {
    (void)argument;
    usleep(20000);
    exit(verdict());
}

int main(void) {
    ids_of_all_threads();
    sums();
    turns();
    directed();
    robust_locks();
    forks_among_threads();
    masked_starts();
    pthread_t last;
    pthread_create(&last, NULL, finish, NULL);
    pthread_exit(NULL);
}

// Signals at every moment: none is lost, no call is cut short without reason, no register is harmed.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

static atomic_long handled;
static void count(int number) {
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void* reader(void* argument) {
    long sum = 0;
    unsigned value;
    while (read(*(int*)argument, &value, sizeof value) == sizeof value) sum += value;
    return (void*)sum;
}

/// A pipeline under a fast timer: with SA_RESTART no call fails.
static void pipeline(void) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval fast = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &fast, NULL);
    int ends[2];
    CHECK(pipe(ends) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, reader, &ends[0]) == 0);
    long sum = 0;
    double control = 1;
    for (unsigned i = 0; i < 20000; ++i) {
        sum += i;
        control = control * 1.5 + i;
        if (control > 1e9) control = 1;
        if (write(ends[1], &i, sizeof i) != sizeof i) {
            CHECK(!"a write failed");
            break;
        }
    }
    close(ends[1]);
    void* result;
    CHECK(pthread_join(thread, &result) == 0 && (long)result == sum);
    for (int i = 0; i < 20; ++i) {
        pid_t child = fork();
        if (child == 0) _exit(i);
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == i);
    }
    CHECK(handled > 0 && control > 0);
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
}

static atomic_long queued_seen;
static void count_queued(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    atomic_fetch_add(&queued_seen, info->si_value.sival_int);
}

/// Queued signals from another thread arrive, each once, while this one computes and sleeps.
static void* sender(void* argument) {
    (void)argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 1; i <= 500; ++i)
        while (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) != 0) usleep(100);
    return NULL;
}

static void queue(void) {
    struct sigaction action = {.sa_sigaction = count_queued, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 1, &action, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, sender, NULL);
    while (pthread_tryjoin_np(thread, NULL) == EBUSY) usleep(50);
    CHECK(queued_seen == 500 * 501 / 2);
}

int main(void) {
    pipeline();
    queue();
    return verdict();
}

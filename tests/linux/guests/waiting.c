// Waiting for descriptors and time: poll, select, epoll, eventfd, timerfd, signalfd, clocks, timers.
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <time.h>

#include "check.h"

static volatile int seen;
static void note(int number) { seen = number; }

static int ends[2];

static void polls(void) {
    struct pollfd list[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
    CHECK(poll(list, 2, 0) == 1 && list[0].revents == 0 && list[1].revents == POLLOUT);
    CHECK(poll(list, 1, 10) == 0);
    CHECK(write(ends[1], "x", 1) == 1 && poll(list, 2, -1) == 2 && list[0].revents == POLLIN);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval brief = {0, 1000};
    CHECK(select(ends[0] + 1, &set, NULL, NULL, &brief) == 1 && FD_ISSET(ends[0], &set));
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    FD_SET(ends[0], &set);
    CHECK(select(ends[0] + 1, &set, NULL, NULL, &brief) == 0 && !FD_ISSET(ends[0], &set));

    // A signal that only the waiting lets through.
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    signal(SIGUSR1, note);
    raise(SIGUSR1);
    CHECK(seen == 0);
    struct timespec long_time = {10, 0};
    CHECK_FAILS(ppoll(list, 1, &long_time, &none), EINTR);
    CHECK(seen == SIGUSR1);
    seen = 0;
    raise(SIGUSR1);
    FD_SET(ends[0], &set);
    CHECK_FAILS(pselect(ends[0] + 1, &set, NULL, NULL, &long_time, &none), EINTR);
    CHECK(seen == SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &none);
    CHECK(sigismember(&none, SIGUSR1) == 1);
}

static void epolls(void) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[4] = {{.events = EPOLLIN, .data.u64 = 0x123456789abcdef0}};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &events[0]) == 0);
    CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &events[0]), EEXIST);
    int counter = eventfd(3, EFD_NONBLOCK);
    events[0].data.u64 = 77;
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, counter, &events[0]) == 0);
    CHECK(write(ends[1], "y", 1) == 1);
    memset(events, 0, sizeof events);
    CHECK(epoll_wait(set, events, 4, 1000) == 2);
    int first = events[0].data.u64 == 77;
    CHECK(events[first].data.u64 == 0x123456789abcdef0 && events[!first].data.u64 == 77);
    CHECK(events[0].events == EPOLLIN && events[1].events == EPOLLIN);
    char byte;
    unsigned long value;
    CHECK(read(ends[0], &byte, 1) == 1 && read(counter, &value, 8) == 8 && value == 3);
    CHECK(epoll_wait(set, events, 4, 5) == 0);
    CHECK_FAILS(epoll_wait(set, events, 0, 5), EINVAL);
    CHECK(epoll_ctl(set, EPOLL_CTL_DEL, counter, NULL) == 0);
    sigset_t none;
    sigemptyset(&none);
    raise(SIGUSR1);
    seen = 0;
    CHECK_FAILS(epoll_pwait(set, events, 4, 5000, &none), EINTR);
    CHECK(seen == SIGUSR1);
    close(set);
    close(counter);
}

static void timers(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec soon = {.it_value = {0, 5000000}};
    unsigned long expired = 0;
    CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0 && read(timer, &expired, 8) == 8 && expired == 1);
    close(timer);

    signal(SIGUSR2, note);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    timer_t posix;
    seen = 0;
    // Again and again: the first one may come before the call waits.
    soon.it_interval = soon.it_value;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &posix) == 0 && timer_settime(posix, 0, &soon, NULL) == 0);
    struct timespec pause_time = {2, 0};
    CHECK_FAILS(nanosleep(&pause_time, NULL), EINTR);
    CHECK(seen == SIGUSR2 && timer_delete(posix) == 0);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int signals = signalfd(-1, &set, 0);
    raise(SIGUSR1);
    struct signalfd_siginfo info;
    CHECK(read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
    CHECK(info.ssi_pid == (unsigned)getpid());
    close(signals);

    struct timespec before, after, rest = {0, 2000000};
    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0 &&
          clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >= 2000000);
    CHECK_FAILS(clock_gettime(99, &after), EINVAL);
    struct timeval now;
    CHECK(gettimeofday(&now, NULL) == 0 && labs(now.tv_sec - time(NULL)) <= 1);
    struct tms used;
    CHECK(times(&used) != -1);
}

int main(void) {
    CHECK(pipe(ends) == 0);
    polls();
    epolls();
    timers();
    int watch = inotify_init1(0);
    CHECK(watch >= 0 && inotify_add_watch(watch, "/tmp", IN_CREATE) == 1);
    return verdict();
}

// Which signals come, in which order and with what they tell: queues, children, timers, job control, signalfd, and
// masks while they run.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "check.h"

static volatile int order[64], values[64], taken;
static volatile siginfo_t last;
static void note(int number, siginfo_t* info, void* context) {
    (void)context;
    last = *info;
    if (taken < 64) {
        order[taken] = number;
        values[taken] = info->si_value.sival_int;
    }
    ++taken;
}
static void handle_masked(int number, int flags, int fill) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
    if (fill) sigfillset(&action.sa_mask);
    CHECK(sigaction(number, &action, NULL) == 0);
}
static void handle(int number, int flags) { handle_masked(number, flags, 0); }
static void wait_for(int count) {
    while (taken < count) sched_yield();
}
/// The same for timers of the time that is spent in computing: who yields on a busy machine spends next to none.
static void compute_until(int count) {
    while (taken < count) continue;
}

/// All that is pending comes before the call that unblocks it returns: the lowest number first, queued ones in order.
static void orders(void) {
    sigset_t set, old;
    sigfillset(&set);
    const int numbers[] = {SIGRTMIN + 5, SIGRTMIN + 1, SIGUSR2, SIGUSR1, SIGURG, SIGRTMAX};
    for (int i = 0; i < 6; ++i) handle_masked(numbers[i], 0, 1);
    sigprocmask(SIG_SETMASK, &set, &old);
    for (int round = 0; round < 3; ++round)
        for (int i = 0; i < 6; ++i)
            sigqueue(getpid(), numbers[i], (union sigval){.sival_int = 10 * round + i});
    taken = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    // The frames of handlers that mask all run one after the other; standard signals merge.
    for (int i = 0; i < taken && i < 64; ++i)
        printf("%d:%d ", order[i] - (order[i] > 33 ? SIGRTMIN - 100 : 0), values[i]);
    printf("\n");
    // Without masks in the handlers the last frame runs first.
    for (int i = 0; i < 6; ++i) handle(numbers[i], 0);
    sigprocmask(SIG_SETMASK, &set, &old);
    for (int i = 0; i < 6; ++i) sigqueue(getpid(), numbers[i], (union sigval){.sival_int = i});
    taken = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < taken && i < 64; ++i) printf("%d ", values[i]);
    printf("\n");
}

static volatile int depth, deepest, sent;
static void again(int number) {
    if (++depth > deepest) deepest = depth;
    if (++sent < 4) kill(getpid(), number);
    --depth;
}
static void masks(void) {
    struct sigaction action = {.sa_handler = again};
    for (int nodefer = 0; nodefer < 2; ++nodefer) {
        action.sa_flags = nodefer ? SA_NODEFER : 0;
        sigaction(SIGUSR1, &action, NULL);
        deepest = sent = 0;
        kill(getpid(), SIGUSR1);
        printf("deepest %d\n", deepest);
    }
}

static void show_child(const char* what) {
    printf("%s: code %d status %d, child %d\n", what, last.si_code, last.si_status, last.si_pid > 1);
}
static pid_t sleeper(void) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        for (;;) pause();
    }
    return child;
}
static void children(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    handle(SIGCHLD, SA_RESTART);
    int status;
    taken = 0;
    pid_t child = fork();
    if (child == 0) _exit(7);
    wait_for(1);
    show_child("exited");
    CHECK(last.si_pid == child && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    const int ends[] = {SIGTERM, SIGKILL, SIGABRT};
    for (int i = 0; i < 3; ++i) {
        taken = 0;
        child = sleeper();
        kill(child, SIGSTOP);
        wait_for(1);
        show_child("stopped");
        siginfo_t info;
        CHECK(waitid(P_PID, child, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED &&
              info.si_status == SIGSTOP);
        kill(child, SIGCONT);
        wait_for(2);
        show_child("continued");
        CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
        kill(child, ends[i]);
        wait_for(3);
        if (i < 2) show_child("killed");
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == ends[i]);
    }
    handle(SIGCHLD, SA_RESTART | SA_NOCLDSTOP);
    taken = 0;
    child = sleeper();
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && taken == 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    CHECK(taken == 1);
    // Nobody has to wait for these.
    handle(SIGCHLD, SA_RESTART | SA_NOCLDWAIT);
    if (fork() == 0) _exit(0);
    CHECK_FAILS(waitpid(-1, &status, 0), ECHILD);
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) _exit(0);
    CHECK_FAILS(waitpid(-1, &status, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void timers(void) {
    int number = SIGRTMIN + 4;
    handle(number, 0);
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = number, .sigev_value.sival_int = 4711};
    struct itimerspec often = {{0, 1000000}, {0, 1000000}}, once = {{0, 0}, {0, 1000000}},
                      off = {{0, 0}, {0, 0}}, left;
    timer_t timer;
    taken = 0;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
    wait_for(1);
    CHECK(last.si_code == SI_TIMER && last.si_value.sival_int == 4711 && last.si_overrun == 0);
    CHECK(timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0 && timer_getoverrun(timer) == 0);
    // While the signal is blocked its timer counts.
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, &old);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    struct timespec nap = {0, 30000000};
    nanosleep(&nap, NULL);
    taken = 0;
    CHECK(timer_settime(timer, 0, &often, &left) == 0 && left.it_interval.tv_nsec == 1000000);
    nanosleep(&nap, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    timer_settime(timer, 0, &off, NULL);
    CHECK(taken >= 1 && last.si_code == SI_TIMER);
    CHECK(timer_delete(timer) == 0);
    CHECK_FAILS(timer_delete(timer), EINVAL);
    event.sigev_notify = SIGEV_NONE;
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
    taken = 0;
    nanosleep(&nap, NULL);
    CHECK(taken == 0 && timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0 &&
          timer_delete(timer) == 0);
    event.sigev_notify = 99;
    CHECK_FAILS(timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
    struct itimerval interval = {{0, 0}, {0, 1000}};
    handle(SIGVTALRM, 0);
    handle(SIGPROF, 0);
    taken = 0;
    CHECK(setitimer(ITIMER_VIRTUAL, &interval, NULL) == 0);
    compute_until(1);
    CHECK(last.si_signo == SIGVTALRM && setitimer(ITIMER_PROF, &interval, NULL) == 0);
    compute_until(2);
    CHECK(last.si_signo == SIGPROF && last.si_code == SI_KERNEL);
}

static atomic_int timer_thread;
static void note_thread(int number) {
    (void)number;
    timer_thread = (int)syscall(SYS_gettid);
}
static void* has_timer(void* argument) {
    int tid = (int)syscall(SYS_gettid);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 6};
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
    event.sigev_notify_thread_id = tid;
    timer_t timer;
    struct itimerspec once = {{0, 0}, {0, 1000000}};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
    while (!timer_thread) sched_yield();
    CHECK(timer_thread == tid && timer_delete(timer) == 0);
    return argument;
}
static atomic_int notified;
static void notify(union sigval value) { notified = value.sival_int; }
static void threads(void) {
    struct sigaction action = {.sa_handler = note_thread};
    sigaction(SIGRTMIN + 6, &action, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, has_timer, NULL);
    pthread_join(thread, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 5};
    event.sigev_notify_function = notify;
    timer_t timer;
    struct itimerspec once = {{0, 0}, {0, 1000000}};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
    while (!notified) sched_yield();
    CHECK(notified == 5 && timer_delete(timer) == 0);
    siginfo_t info = {.si_signo = SIGUSR2, .si_code = SI_QUEUE};
    info.si_value.sival_int = 12;
    handle(SIGUSR2, 0);
    taken = 0;
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGUSR2, &info) == 0);
    CHECK(taken == 1 && last.si_value.sival_int == 12 && last.si_code == SI_QUEUE);
    CHECK_FAILS(syscall(SYS_tgkill, getpid(), 1, SIGUSR2), ESRCH);
    CHECK_FAILS(kill(getpid(), 65), EINVAL);
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0 && taken == 1);
}

static void descriptors(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info[4];
    CHECK_FAILS(read(fd, info, sizeof info), EAGAIN);
    for (int i = 0; i < 3; ++i) sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i});
    kill(getpid(), SIGUSR1);
    CHECK(read(fd, info, sizeof info) == sizeof info && info[0].ssi_signo == SIGUSR1);
    for (int i = 0; i < 3; ++i) CHECK(info[i + 1].ssi_int == i && info[i + 1].ssi_code == SI_QUEUE);
    CHECK(info[0].ssi_pid == (unsigned)getpid() && info[0].ssi_code == SI_USER);
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/// A session on a terminal of its own: its background group is stopped when it reads or writes.
static void job_control(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        int terminal = open(ptsname(master), O_RDWR);
        CHECK(terminal >= 0 && tcgetpgrp(terminal) == getpid());
        struct termios modes;
        tcgetattr(terminal, &modes);
        modes.c_lflag |= TOSTOP;
        CHECK(tcsetattr(terminal, TCSANOW, &modes) == 0);
        for (int way = 0; way < 4; ++way) {
            pid_t child = fork();
            if (child == 0) {
                setpgid(0, 0);
                char byte;
                if (way == 0) _exit(read(terminal, &byte, 1) != -1);
                if (way == 1) _exit(write(terminal, "x", 1) != 1);
                // Ignored or blocked, reading fails and writing goes through.
                signal(SIGTTIN, SIG_IGN);
                signal(SIGTTOU, SIG_IGN);
                if (way == 2) _exit(read(terminal, &byte, 1) != -1 || errno != EIO);
                _exit(write(terminal, "y", 1) != 1);
            }
            int status;
            CHECK(waitpid(child, &status, WUNTRACED) == child);
            if (way < 2) {
                CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == (way == 0 ? SIGTTIN : SIGTTOU));
                kill(child, SIGKILL);
                kill(child, SIGCONT);
                CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
            } else {
                CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            }
        }
        // The foreground group is stopped by the terminal, in the middle of what it does, and goes on.
        handle(SIGCONT, 0);
        taken = 0;
        const pid_t busy = fork();
        if (busy == 0) {
            while (taken == 0) continue;
            _exit(last.si_signo != SIGCONT);
        }
        signal(SIGTTOU, SIG_IGN);
        CHECK(setpgid(busy, busy) == 0 && tcsetpgrp(terminal, busy) == 0 && write(master, "\032", 1) == 1);
        int state;
        CHECK(waitpid(busy, &state, WUNTRACED) == busy && WIFSTOPPED(state) && WSTOPSIG(state) == SIGTSTP);
        CHECK(tcsetpgrp(terminal, getpid()) == 0 && kill(-busy, SIGCONT) == 0);
        CHECK(waitpid(busy, &state, 0) == busy && state == 0);
        // The terminal's own signals, and the end of the line.
        handle(SIGINT, 0);
        taken = 0;
        CHECK(write(master, "\003", 1) == 1);
        wait_for(1);
        CHECK(last.si_signo == SIGINT && last.si_code == SI_KERNEL);
        handle(SIGWINCH, 0);
        struct winsize size = {30, 70, 0, 0};
        CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
        wait_for(2);
        CHECK(last.si_signo == SIGWINCH);
        _exit(failures);
    }
    int status;
    CHECK(waitpid(leader, &status, 0) == leader && status == 0);
    close(master);
}

static sigjmp_buf out;
static volatile int jumps;
static void jump(int number) {
    (void)number;
    siglongjmp(out, ++jumps);
}
/// Out of handlers, off the alternate stack, out of waiting calls: the mask and the stack are as before.
static void jumps_out(void) {
    static char stack[1 << 15];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, now;
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = jump, .sa_flags = SA_ONSTACK};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {.it_value = {0, 2000}};
    for (volatile int i = 0; i < 10; ++i) {
        if (sigsetjmp(out, 1) == 0) {
            setitimer(ITIMER_REAL, &soon, NULL);
            if (i % 2) pause();
            for (;;) {
            }
        }
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        CHECK(!sigismember(&mask, SIGALRM) && sigaltstack(NULL, &now) == 0 && now.ss_flags == 0);
    }
    CHECK(jumps == 10);
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    orders();
    masks();
    children();
    timers();
    threads();
    descriptors();
    job_control();
    jumps_out();
    return verdict();
}

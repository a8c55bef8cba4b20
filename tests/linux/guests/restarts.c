// Which call a signal ends, which one is made again, and what is left of its time: with a handler that asks for
// SA_RESTART, with one that does not, and after a stop. What each call did is printed and must be what the host's
// kernel does (signal(7) has the table).
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static int ends[2], pair[2], quick_pair[2], listener, full[2], locked, event, events, watch, timer, queue,
    set;
static char fifo[] = "/tmp/restarts.XXXXXX/fifo";
static int word;
static struct timespec rest;

static long read_pipe(void) {
    char byte;
    return read(ends[0], &byte, 1);
}
static long write_pipe(void) {
    static char block[1 << 16];
    return write(full[1], block, sizeof block) < 0 ? -1 : 1;
}
static long open_fifo(void) { return open(fifo, O_RDONLY); }
static long wait_child(void) { return waitpid(-1, NULL, 0); }
static long receive(void) {
    char byte;
    return recv(pair[0], &byte, 1, 0);
}
static long receive_with_limit(void) {
    char byte;
    return recv(quick_pair[0], &byte, 1, 0);
}
static long take_connection(void) { return accept(listener, NULL, NULL); }
static long lock_file(void) { return flock(locked, LOCK_EX); }
static long lock_record(void) {
    struct flock whole = {.l_type = F_WRLCK};
    return fcntl(locked, F_SETLKW, &whole);
}
static long read_event(void) {
    long value;
    return read(event, &value, 8);
}
static long read_timer(void) {
    long value;
    return read(timer, &value, 8);
}
static long read_watch(void) {
    char text[1000];
    return read(watch, text, sizeof text);
}
static long wait_epoll(void) {
    struct epoll_event event;
    return epoll_wait(events, &event, 1, -1);
}
static long wait_poll(void) {
    struct pollfd one = {ends[0], POLLIN, 0};
    return poll(&one, 1, -1);
}
static long wait_select(void) {
    fd_set readers;
    FD_ZERO(&readers);
    FD_SET(ends[0], &readers);
    return select(ends[0] + 1, &readers, NULL, NULL, NULL);
}
static long sleep_long(void) { return syscall(SYS_nanosleep, &(struct timespec){20, 0}, &rest); }
static long sleep_clock(void) {
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){20, 0}, &rest);
}
static long wait_word(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL); }
static long wait_word_limited(void) {
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &(struct timespec){20, 0});
}
static long wait_bits_limited(void) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 20;
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &end, NULL, 1);
}
static long wait_signal(void) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    return sigtimedwait(&one, NULL, &(struct timespec){20, 0});
}
static long wait_any_signal(void) { return pause(); }
static long receive_message(void) {
    struct {
        long kind;
        char text[8];
    } message;
    return msgrcv(queue, &message, 8, 0, 0);
}
static long wait_semaphore(void) {
    struct sembuf take = {0, -1, 0};
    return semop(set, &take, 1);
}

struct row {
    const char* name;
    long (*call)(void);
};

static volatile int handled;
static void note(int number) {
    (void)number;
    ++handled;
}

static volatile int ended;
static void end(int number) {
    (void)number;
    ended = 1;
}

/// Whether the process sleeps: in the call under test, once it does so for a while. -1 when it has ended.
static int sleeps(pid_t pid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return -1;
    long bytes = read(fd, text, sizeof text - 1);
    close(fd);
    char* state = strrchr(text, ')');
    if (bytes <= 0 || state == NULL || state[2] == 'Z') return -1;
    return state[2] == 'S';
}

/// Waits until the process sleeps (1) or has ended (0).
static int falls_asleep(pid_t pid) {
    for (int in_a_row = 0; in_a_row < 4;) {
        int now = sleeps(pid);
        if (now < 0) return 0;
        in_a_row = now ? in_a_row + 1 : 0;
        usleep(1000);
    }
    return 1;
}

/// Makes the call; a signal interrupts it, and if it is made again a second signal ends it.
static void interrupt(const struct row* row, int flags) {
    struct sigaction first = {.sa_handler = note, .sa_flags = flags}, last = {.sa_handler = end};
    sigaction(SIGALRM, &first, NULL);
    sigaction(SIGUSR1, &last, NULL);
    pid_t self = getpid();
    pid_t helper = fork();
    if (helper == 0) {
        falls_asleep(self);
        kill(self, SIGALRM);
        falls_asleep(self);
        kill(self, SIGUSR1);
        pause();
    }
    handled = ended = 0;
    errno = 0;
    rest = (struct timespec){0, 0};
    long result = row->call();
    int code = errno;
    int again = ended;
    // Waiting for this child would look like the call under test.
    kill(helper, SIGKILL);
    while (waitpid(helper, NULL, WNOHANG) != helper) sched_yield();
    printf("%s, %s: %ld %s, %s", row->name, flags & SA_RESTART ? "restarting" : "plain", result,
           result < 0 ? strerror(code) : "", again ? "made again" : "ended at once");
    if (rest.tv_sec != 0) printf(", %ld s left", (long)rest.tv_sec);
    printf(", %d handled\n", handled);
}

/// A stop in the middle of a call: most go on with what is left, some end.
static void stop_in(const struct row* row) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        errno = 0;
        ended = 0;
        long result = row->call();
        printf("%s, stopped: %ld %s\n", row->name, result, result < 0 ? strerror(errno) : "");
        fflush(stdout);
        _exit(0);
    }
    falls_asleep(child);
    kill(child, SIGSTOP);
    int status;
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    if (!falls_asleep(child)) {
        waitpid(child, &status, 0);
    } else {
        printf("%s, stopped: goes on\n", row->name);
        fflush(stdout);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
}

static void prepare(void) {
    CHECK(pipe(ends) == 0 && pipe(full) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
          socketpair(AF_UNIX, SOCK_STREAM, 0, quick_pair) == 0);
    struct timeval limit = {20, 0};
    CHECK(setsockopt(quick_pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(bind(listener, (struct sockaddr*)&address, sizeof(sa_family_t)) == 0 && listen(listener, 1) == 0);
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    static char block[1 << 16];
    while (write(full[1], block, sizeof block) > 0) {
    }
    fcntl(full[1], F_SETFL, 0);
    *strrchr(fifo, '/') = 0;
    CHECK(mkdtemp(fifo) != NULL);
    fifo[strlen(fifo)] = '/';
    CHECK(mkfifo(fifo, 0600) == 0);
    char name[] = "/tmp/restarts.XXXXXX";
    locked = mkstemp(name);
    event = eventfd(0, 0);
    events = epoll_create1(0);
    watch = inotify_init1(0);
    inotify_add_watch(watch, fifo, IN_MODIFY);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec late = {.it_value = {20, 0}};
    timerfd_settime(timer, 0, &late, NULL);
    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    CHECK(queue >= 0 && set >= 0);
    // Another process has the locks and holds the PI futex until this one ends.
    int ready[2];
    CHECK(pipe(ready) == 0);
    if (fork() == 0) {
        int own = open(name, O_RDWR);
        struct flock whole = {.l_type = F_WRLCK};
        flock(own, LOCK_EX);
        fcntl(own, F_SETLK, &whole);
        close(ready[0]);
        CHECK(write(ready[1], "x", 1) == 1);
        pid_t parent = getppid();
        while (getppid() == parent) usleep(10000);
        _exit(0);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    unlink(name);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    prepare();
    static const struct row rows[] = {
        {"read of a pipe", read_pipe},
        {"write to a pipe", write_pipe},
        {"open of a fifo", open_fifo},
        {"waitpid", wait_child},
        {"recv", receive},
        {"recv with a time limit", receive_with_limit},
        {"accept", take_connection},
        {"flock", lock_file},
        {"fcntl lock", lock_record},
        {"read of an eventfd", read_event},
        {"read of a timerfd", read_timer},
        {"read of inotify", read_watch},
        {"epoll_wait", wait_epoll},
        {"poll", wait_poll},
        {"select", wait_select},
        {"nanosleep", sleep_long},
        {"clock_nanosleep", sleep_clock},
        {"futex wait", wait_word},
        {"futex wait with a time limit", wait_word_limited},
        {"futex wait for bits with a time limit", wait_bits_limited},
        {"sigtimedwait", wait_signal},
        {"pause", wait_any_signal},
        {"msgrcv", receive_message},
        {"semop", wait_semaphore},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        interrupt(&rows[i], 0);
        interrupt(&rows[i], SA_RESTART);
        if (rows[i].call != wait_child) stop_in(&rows[i]);
    }
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
    unlink(fifo);
    *strrchr(fifo, '/') = 0;
    rmdir(fifo);
    return verdict();
}

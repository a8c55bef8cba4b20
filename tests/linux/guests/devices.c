// ioctl(2): terminals and job control, network interfaces, files; and the descriptors of events.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <net/if.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "check.h"

static void terminals(void) {
    struct winsize size = {24, 80, 0, 0};
    int outer, inner;
    if (openpty(&outer, &inner, NULL, NULL, &size) != 0) return;
    struct termios settings;
    CHECK(tcgetattr(inner, &settings) == 0 && settings.c_lflag & ICANON && settings.c_lflag & ECHO);
    cfmakeraw(&settings);
    settings.c_cc[VMIN] = 3;
    CHECK(cfsetspeed(&settings, B115200) == 0 && tcsetattr(inner, TCSANOW, &settings) == 0);
    memset(&settings, 0, sizeof settings);
    CHECK(tcgetattr(inner, &settings) == 0 && !(settings.c_lflag & ICANON) && settings.c_cc[VMIN] == 3);
    CHECK(cfgetospeed(&settings) == B115200);
    struct winsize seen;
    size.ws_row = 50;
    CHECK(ioctl(outer, TIOCSWINSZ, &size) == 0 && ioctl(inner, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 50);
    char text[8] = "";
    CHECK(write(outer, "abc", 3) == 3 && read(inner, text, 8) == 3 && strcmp(text, "abc") == 0);
    int queued = -1, number = -1;
    CHECK(ioctl(inner, TIOCOUTQ, &queued) == 0 && queued == 0 && ioctl(outer, TIOCGPTN, &number) == 0);
    CHECK_FAILS(ioctl(inner, TIOCGPGRP, &number), ENOTTY);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        // A session of its own, where the terminal knows the foreground group and sends it SIGINT.
        if (setsid() < 0 || ioctl(inner, TIOCSCTTY, 0) != 0) _exit(1);
        if (tcgetpgrp(inner) != getpid() || tcgetsid(inner) != getpid()) _exit(2);
        const pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            for (;;) pause();
        }
        setpgid(job, job);
        struct termios cooked;
        tcgetattr(inner, &cooked);
        cooked.c_lflag |= ISIG;
        cooked.c_cc[VINTR] = 3;
        tcsetattr(inner, TCSANOW, &cooked);
        if (tcsetpgrp(inner, job) != 0 || tcgetpgrp(inner) != job) _exit(3);
        if (write(outer, "\3", 1) != 1) _exit(4);
        int status;
        if (waitpid(job, &status, 0) != job) _exit(5);
        _exit(!(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT));
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void interfaces(void) {
    const int plain = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq list[8], request = {0};
    struct ifconf conf = {.ifc_len = sizeof list, .ifc_req = list};
    CHECK(ioctl(plain, SIOCGIFCONF, &conf) == 0 && conf.ifc_req == list);
    strcpy(request.ifr_name, "lo");
    if (ioctl(plain, SIOCGIFINDEX, &request) == 0) {
        const int index = request.ifr_ifindex;
        CHECK(if_nametoindex("lo") == (unsigned)index);
        CHECK(ioctl(plain, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_LOOPBACK);
    }
    strcpy(request.ifr_name, "kiln-none");
    CHECK_FAILS(ioctl(plain, SIOCGIFFLAGS, &request), ENODEV);
    conf.ifc_req = (void*)8;
    if (conf.ifc_len > 0) CHECK_FAILS(ioctl(plain, SIOCGIFCONF, &conf), EFAULT);
    CHECK_FAILS(ioctl(plain, SIOCGIFCONF, 8), EFAULT);
}

static void events(void) {
    const int counter = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    unsigned long value;
    CHECK(read(counter, &value, 8) == 8 && value == 1);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    // The two halves of the data must both come back.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef0}, seen[3];
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, counter, &event) == 0);
    const int second = eventfd(1, 0);
    event.data.u64 = ~event.data.u64;
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, second, &event) == 0);
    CHECK(epoll_wait(set, seen, 3, 0) == 2);
    CHECK((seen[0].data.u64 ^ seen[1].data.u64) == ~0ul && seen[0].events == EPOLLIN);
    CHECK(epoll_wait(set, seen, 3, 0) == 0);
    CHECK_FAILS(epoll_wait(set, seen, 0, 0), EINVAL);
    CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, second, &event), EEXIST);

    const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE) == 1);
    close(open("noticed", O_CREAT | O_WRONLY, 0600));
    char buffer[512];
    CHECK(read(watch, buffer, sizeof buffer) > (long)sizeof(struct inotify_event));
    const struct inotify_event* first = (const void*)buffer;
    CHECK(first->wd == 1 && first->mask == IN_CREATE && strcmp(first->name, "noticed") == 0);
    CHECK(inotify_rm_watch(watch, 1) == 0 && unlink("noticed") == 0);

    const int marks = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (marks < 0) return;
    CHECK(fanotify_mark(marks, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD, ".") == 0);
    close(open("marked", O_CREAT | O_RDONLY, 0600));
    struct fanotify_event_metadata facts;
    CHECK(read(marks, &facts, sizeof facts) == sizeof facts && facts.mask & FAN_OPEN && facts.fd >= 0);
    CHECK(facts.vers == FANOTIFY_METADATA_VERSION && facts.pid == getpid() && unlink("marked") == 0);
}

static void files(void) {
    const int file = open("attributes", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, "12345", 5) == 5 && lseek(file, 2, SEEK_SET) == 2);
    int bytes = 0;
    CHECK(ioctl(file, FIONREAD, &bytes) == 0 && bytes == 3);
    CHECK(ioctl(file, FIGETBSZ, &bytes) == 0 && bytes >= 512);
    CHECK(ioctl(file, FIOCLEX) == 0 && fcntl(file, F_GETFD) == FD_CLOEXEC);
    CHECK_FAILS(ioctl(file, 0x12345678, 0), ENOTTY);
    CHECK_FAILS(ioctl(999, 0x12345678, 0), EBADF);
    struct f_owner_ex owner = {F_OWNER_PID, getpid()};
    CHECK(fcntl(file, F_SETOWN_EX, &owner) == 0);
    memset(&owner, 0, sizeof owner);
    CHECK(fcntl(file, F_GETOWN_EX, &owner) == 0 && owner.type == F_OWNER_PID && owner.pid == getpid());
    CHECK(unlink("attributes") == 0);
}

int main(void) {
    char place[] = "/tmp/devices.XXXXXX";
    CHECK(mkdtemp(place) != NULL && chdir(place) == 0);
    terminals();
    interfaces();
    events();
    files();
    CHECK(chdir("/") == 0 && rmdir(place) == 0);
    return verdict();
}

// Runs one command several times and reports what the kernel charged for it. It exists because ru_maxrss of a
// child starts at the size of the process that forked it: a small static parent keeps that below any guest, a
// Python parent would not.
//
//   launch REPEAT TIMEOUT_SECONDS ROOT STDIN STDOUT STDERR command [arguments]
//
// ROOT is the command's root directory; "/" leaves it as it is.
// Prints "cpu_us wall_us maxrss_kb status": the sums over the runs of user + system time and of wall time,
// the largest peak memory, and the first bad status in the shell's sense (128 + signal; 124 after the
// timeout). Each run is a process group of its own, killed as a whole after the timeout.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t timed_out;
static volatile pid_t child;

static void on_alarm(int signal) {
    (void)signal;
    timed_out = 1;
    kill(-child, SIGKILL);
}

static long long micros(struct timeval t) { return t.tv_sec * 1000000ll + t.tv_usec; }

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static void redirect(int fd, const char* path, int flags) {
    int file = open(path, flags | O_CLOEXEC, 0666);
    if (file < 0 || dup2(file, fd) < 0) {
        perror(path);
        _exit(126);
    }
}

int main(int argc, char** argv) {
    if (argc < 8) {
        fprintf(stderr, "usage: %s REPEAT TIMEOUT_SECONDS ROOT STDIN STDOUT STDERR command [arguments]\n",
                argv[0]);
        return 2;
    }
    int repeat = atoi(argv[1]), status = 0;
    long long cpu = 0, wall = 0;
    long largest = 0;
    signal(SIGALRM, on_alarm);
    for (int i = 0; i < repeat && status == 0; i++) {
        long long start = now_us();
        child = fork();
        if (child < 0) {
            perror("fork");
            return 1;
        }
        if (child == 0) {
            setpgid(0, 0);
            redirect(0, argv[4], O_RDONLY);
            redirect(1, argv[5], O_WRONLY | O_CREAT | O_TRUNC);
            redirect(2, argv[6], O_WRONLY | O_CREAT | O_TRUNC);
            if (strcmp(argv[3], "/") != 0 && (chroot(argv[3]) != 0 || chdir("/") != 0)) {
                perror(argv[3]);
                _exit(126);
            }
            execv(argv[7], argv + 7);
            perror(argv[7]);
            _exit(127);
        }
        setpgid(child, child);
        alarm((unsigned)atoi(argv[2]));
        int ended;
        struct rusage usage;
        while (wait4(child, &ended, 0, &usage) < 0);
        alarm(0);
        wall += now_us() - start;
        cpu += micros(usage.ru_utime) + micros(usage.ru_stime);
        if (usage.ru_maxrss > largest) largest = usage.ru_maxrss;
        status = timed_out ? 124 : WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    }
    printf("%lld %lld %ld %d\n", cpu, wall, largest, status);
    return 0;
}

// Processes: fork, vfork, exec, wait, and what a program's end looks like to its parent.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

extern char** environ;
static char self[4096];

static int wait_for(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static int run(char** args) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execv(args[0], args);
        _exit(errno == ENOENT ? 127 : 126);
    }
    return wait_for(child);
}

static void forks(void) {
    int shared = 1;
    pid_t child = fork();
    if (child == 0) {
        shared = 2;
        _exit(shared + 40);
    }
    int status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42 && shared == 1);
    child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        kill(getpid(), SIGTERM);
        _exit(0);
    }
    status = wait_for(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    child = fork();
    if (child == 0) {
        kill(getpid(), SIGSTOP);
        _exit(9);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    CHECK(WEXITSTATUS(wait_for(child)) == 9);
    CHECK_FAILS(waitpid(-1, &status, 0), ECHILD);
}

static void vforks(void) {
    volatile int shared = 1;
    pid_t child = vfork();
    if (child == 0) {
        shared = 2;
        _exit(3);
    }
    // The child ran in this memory, and first.
    CHECK(shared == 2 && WEXITSTATUS(wait_for(child)) == 3);
    for (int i = 0; i < 20; ++i) {
        pid_t spawned;
        char* args[] = {self, "exit", "6", NULL};
        CHECK(posix_spawn(&spawned, self, NULL, NULL, args, environ) == 0);
        CHECK(WEXITSTATUS(wait_for(spawned)) == 6);
        CHECK(posix_spawn(&spawned, "/nowhere/at/all", NULL, NULL, args, environ) == ENOENT);
    }
}

// How many descriptors are open, apart from those that an emulator keeps high up.
static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 800; ++fd) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

// A program without a path: its descriptor is closed by exec, and it finds nothing open but what it shall have.
static void program_in_memory(void) {
    int open_now = descriptors();
    int memory = memfd_create("program", MFD_CLOEXEC), file = open(self, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    CHECK(fstat(file, &facts) == 0 && sendfile(memory, file, NULL, facts.st_size) == facts.st_size);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        fexecve(memory, (char*[]){"any name", "descriptors", NULL}, environ);
        _exit(127);
    }
    CHECK(WEXITSTATUS(wait_for(child)) == open_now);
    close(memory);
    close(file);
}

// A script's process has the script's name, and its interpreter is told of it.
static void script_name(void) {
    char path[] = "/tmp/kiln-named-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && dprintf(fd, "#!%s name\n", self) > 0 && fchmod(fd, 0755) == 0 && close(fd) == 0);
    CHECK(WEXITSTATUS(run((char*[]){path, NULL})) == 0);
    unlink(path);
}

// Runs as that interpreter.
static int is_named(const char* script) {
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    return strncmp(name, strrchr(script, '/') + 1, 15) == 0 &&
           strcmp((char*)getauxval(AT_EXECFN), script) == 0;
}

static void programs(void) {
    script_name();
    program_in_memory();
    CHECK(WEXITSTATUS(run((char*[]){self, "exit", "11", NULL})) == 11);
    CHECK(WEXITSTATUS(run((char*[]){"/proc/self/exe", "exit", "12", NULL})) == 12);
    CHECK(WEXITSTATUS(run((char*[]){"/nowhere", NULL})) == 127);
    CHECK(WEXITSTATUS(run((char*[]){"/etc/passwd", NULL})) == 126);
    CHECK(WEXITSTATUS(run((char*[]){"/", NULL})) == 126);
    CHECK(WEXITSTATUS(run((char*[]){self, "argv", "a b", "", "c\"d", NULL})) == 0);

    char script[] = "/tmp/processes.XXXXXX";
    int fd = mkstemp(script);
    dprintf(fd, "#!%s argv one word\n", self);
    fchmod(fd, 0700);
    close(fd);
    CHECK(WEXITSTATUS(run((char*[]){script, "x", NULL})) == 0);
    unlink(script);

    fd = open(self, O_RDONLY | O_CLOEXEC);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, fd, "", (char*[]){"by descriptor", "exit", "13", NULL}, environ, AT_EMPTY_PATH);
        _exit(1);
    }
    CHECK(WEXITSTATUS(wait_for(child)) == 13);
    // Ignored signals and the mask outlive exec; handlers do not.
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, (void (*)(int))1234);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(WEXITSTATUS(run((char*[]){self, "inherited", NULL})) == 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void pipes(void) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl(self, self, "argv", "through a pipe", NULL);
        _exit(1);
    }
    close(ends[1]);
    char text[200] = "";
    long bytes, total = 0;
    while ((bytes = read(ends[0], text + total, sizeof text - 1 - total)) > 0) total += bytes;
    CHECK(WEXITSTATUS(wait_for(child)) == 0 && strstr(text, "through a pipe") != NULL);
    close(ends[0]);
}

static void clones(void) {
    struct {
        unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } args = {.exit_signal = SIGCHLD};
    pid_t child = syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) _exit(21);
    CHECK(WEXITSTATUS(wait_for(child)) == 21);
    int pidfd = -1;
    args.flags = CLONE_PIDFD;
    args.pidfd = (unsigned long)&pidfd;
    child = syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) _exit(22);
    siginfo_t info;
    CHECK(pidfd >= 0 && waitid(P_PIDFD, pidfd, &info, WEXITED) == 0 && info.si_status == 22);
    CHECK_FAILS(syscall(SYS_clone3, &args, 8), EINVAL);
    args.flags = CLONE_PARENT;
    CHECK_FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
    CHECK_FAILS(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
}

// ---- Children that share more than the C library's fork lets them, but not the memory ----

static volatile int ends_seen;
static void on_end(int number) { ends_seen += number; }

static pid_t clone_with(unsigned long flags) {
    fflush(stdout);
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static void sharing(void) {
    // Descriptors, and the working directory.
    pid_t child = clone_with(CLONE_FILES | CLONE_FS | CLONE_IO | CLONE_SYSVSEM | SIGCHLD);
    if (child == 0) {
        free(malloc(100000));
        _exit(dup2(1, 90) == 90 && chdir("/") == 0 ? 31 : 1);
    }
    CHECK(WEXITSTATUS(wait_for(child)) == 31);
    char folder[4096];
    CHECK(fcntl(90, F_GETFD) == 0 && close(90) == 0 && strcmp(getcwd(folder, sizeof folder), "/") == 0);

    // A program that one of them becomes has a table of its own.
    child = clone_with(CLONE_FILES | SIGCHLD);
    if (child == 0) {
        fcntl(dup2(1, 91), F_SETFD, FD_CLOEXEC);
        execl(self, self, "exit", "32", NULL);
        _exit(1);
    }
    CHECK(WEXITSTATUS(wait_for(child)) == 32 && fcntl(91, F_GETFD) == FD_CLOEXEC && close(91) == 0);

    // A sibling is somebody else's child.
    int ends[2];
    pid_t parents[2] = {0, getppid()};
    CHECK(pipe(ends) == 0);
    child = clone_with(CLONE_PARENT | SIGCHLD);
    if (child == 0) {
        parents[0] = getppid();
        _exit(write(ends[1], parents, sizeof *parents) < 0);
    }
    CHECK(child > 0 && read(ends[0], parents, sizeof *parents) == sizeof *parents &&
          parents[0] == parents[1]);
    CHECK_FAILS(waitpid(child, NULL, 0), ECHILD);
    close(ends[0]);
    close(ends[1]);

    // Its end is told by any signal, or by none.
    signal(SIGUSR1, on_end);
    ends_seen = 0;
    child = clone_with(CLONE_FS | SIGUSR1);
    if (child == 0) _exit(33);
    CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
    int status = -1;
    while (waitpid(child, &status, __WCLONE) < 0 && errno == EINTR) continue;
    CHECK(WEXITSTATUS(status) == 33 && ends_seen == SIGUSR1);
    child = clone_with(0);
    if (child == 0) _exit(34);
    CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 34 && ends_seen == SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}

// Takes and leaves the C library's locks, the allocator's above all, until told to end.
static void* busy(void* stop) {
    while (!__atomic_load_n((int*)stop, __ATOMIC_RELAXED)) free(malloc(300));
    return NULL;
}

static void sharing_among_threads(void) {
    int stop = 0;
    pthread_t other;
    CHECK(pthread_create(&other, NULL, busy, &stop) == 0);
    for (int i = 0; i < 5; ++i) {
        pid_t child = clone_with(CLONE_FILES | SIGCHLD);
        if (child == 0) _exit(35);
        CHECK(WEXITSTATUS(wait_for(child)) == 35);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
}

int main(int argc, char** argv) {
    if (argc > 2 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
    if (argc > 2 && strcmp(argv[1], "name") == 0) return !is_named(argv[2]);
    if (argc > 1 && strcmp(argv[1], "descriptors") == 0) return descriptors();
    if (argc > 1 && strncmp(argv[1], "argv", 4) == 0) {
        for (int i = 1; i < argc; ++i) printf("[%s]", strncmp(argv[i], "/tmp/", 5) == 0 ? "script" : argv[i]);
        printf("\n");
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "inherited") == 0) {
        struct sigaction ignored, handled;
        sigset_t set;
        sigaction(SIGUSR1, NULL, &ignored);
        sigaction(SIGUSR2, NULL, &handled);
        sigprocmask(SIG_BLOCK, NULL, &set);
        return !(ignored.sa_handler == SIG_IGN && handled.sa_handler == SIG_DFL && sigismember(&set, SIGHUP));
    }
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    forks();
    vforks();
    programs();
    pipes();
    clones();
    sharing();
    sharing_among_threads();
    return verdict();
}

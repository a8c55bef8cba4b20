// What the tests of the GDB stub look at. The first argument says which part runs; gdb_test.py has the scripts.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int counter;
volatile double ratio = 1.5;
volatile int release;

__attribute__((noinline)) int leaf(int x) {
    counter += x;
    return counter * 2;
}
__attribute__((noinline)) int middle(int x) {
    int result = leaf(x + 1);
    return result + 1;
}

static int calls(void) {
    int sum = 0;
    for (int i = 0; i < 3; i++) sum += middle(i);
    printf("sum %d\n", sum);
    return sum;
}

static int fault(void) {
    volatile int* bad = (int*)0x123000;
    *bad = 1;
    return 0;
}

// ---- Signals ----

volatile int seen;
void on_signal(int number) { seen = number; }

static int signals(void) {
    signal(SIGUSR1, on_signal);
    signal(SIGALRM, on_signal);
    raise(SIGUSR1);
    printf("seen %d\n", seen);
    seen = 0;
    raise(SIGALRM);
    printf("seen %d\n", seen);
    return 0;
}

static void ready(void) {
    if (write(1, "ready\n", 6) != 6) _exit(1);
}

static int wait_for_signal(void) {
    signal(SIGUSR2, on_signal);
    ready();
    int result = pause();
    printf("pause %d %d seen %d\n", result, errno == EINTR, seen);
    return 0;
}

// ---- Threads ----

pthread_barrier_t barrier;
__thread long own_number = 5;
__thread char own_text[16];
__attribute__((noinline)) void in_worker(long number) {
    __atomic_fetch_add(&counter, number, __ATOMIC_SEQ_CST);
}

static void* worker(void* argument) {
    char name[16];
    snprintf(name, sizeof name, "worker-%ld", (long)argument);
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&barrier);
    own_number = 10 * (long)argument;
    snprintf(own_text, sizeof own_text, "own %ld", (long)argument);
    errno = 70 + (int)(long)argument;
    in_worker((long)argument);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static int threads(void) {
    pthread_t all[3];
    pthread_barrier_init(&barrier, NULL, 4);
    for (long i = 0; i < 3; i++) pthread_create(&all[i], NULL, worker, (void*)(i + 1));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++) pthread_join(all[i], NULL);
    printf("counter %d\n", counter);
    return 0;
}

static void* last_thread(void* argument) {
    (void)argument;
    usleep(100000);
    return NULL;
}

// The first thread ends before the other: its status is the process's.
static int first_thread_ends(void) {
    pthread_t other;
    pthread_create(&other, NULL, last_thread, NULL);
    syscall(SYS_exit, 9);
    return 0;
}

// ---- Processes ----

__attribute__((noinline)) void in_child(void) { counter = 11; }
__attribute__((noinline)) void in_parent(int status) { counter = status; }

static int forks(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        in_child();
        _exit(counter);
    }
    int status;
    waitpid(child, &status, 0);
    in_parent(WEXITSTATUS(status));
    printf("child's status %d\n", counter);
    return 0;
}

/// The program itself, another part of it.
static void become(char* part) {
    char self[4096] = {0};
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) _exit(1);
    execl(self, self, part, NULL);
    _exit(2);
}

static int executes(void) {
    execl("/nowhere/at/all", "at all", NULL);
    become("calls");
    return 1;
}

static int vforks(void) {
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) become("calls");
    int status;
    waitpid(child, &status, 0);
    in_parent(WEXITSTATUS(status));
    return 0;
}

static int vfork_without_program(void) {
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        in_child();
        _exit(counter);
    }
    int status;
    waitpid(child, &status, 0);
    in_parent(WEXITSTATUS(status));
    printf("child's status %d\n", counter);
    return 0;
}

static int spawns_nothing(void) {
    pid_t child;
    char* args[] = {"program", NULL};
    printf("error %d\n", posix_spawn(&child, "/no/such/program", NULL, NULL, args, NULL));
    printf("children %d\n", waitpid(-1, NULL, 0));
    return 0;
}

static int starts_program(void) {
    int status = system("exit 5");
    printf("status %d\n", WEXITSTATUS(status));
    return 0;
}

// ---- Code that changes ----

static int self_modifying(void) {
    unsigned* code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int (*function)(void) = (int (*)(void))code;
    code[1] = 0x00008067;  // ret
    int sum = 0;
    for (int i = 1; i <= 3; i++) {
        code[0] = 0x00000513 | (unsigned)i << 20;  // li a0, i
        __builtin___clear_cache((char*)code, (char*)code + 8);
        sum = sum * 10 + function();
    }
    printf("sum %d\n", sum);
    return 0;
}

// A guest that reads its own code sees no breakpoints.
static int reads_code(void) {
    unsigned sum = 0;
    for (int i = 0; i < 16; i++) sum = sum * 31 + ((volatile unsigned char*)leaf)[i];
    leaf(1);
    unsigned again = 0;
    for (int i = 0; i < 16; i++) again = again * 31 + ((volatile unsigned char*)leaf)[i];
    printf("same code %d, no ebreak %d\n", sum == again,
           *(volatile unsigned short*)leaf != 0x9002 && *(volatile unsigned*)leaf != 0x00100073);
    return 0;
}

// ---- Loops to be interrupted ----

static int spin(void) {
    ready();
    while (!release) counter++;
    printf("released\n");
    return 0;
}

// What a system call writes to is a watchpoint's matter too.
char buffer[16];
static int call_writes(void) {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "watched", 8) != 8) return 1;
    ssize_t bytes = read(ends[0], buffer, sizeof buffer);
    printf("read %zd\n", bytes);
    return 0;
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        int (*function)(void);
    } parts[] = {{"calls", calls},           {"fault", fault},
                 {"signals", signals},       {"wait", wait_for_signal},
                 {"threads", threads},       {"first", first_thread_ends},
                 {"forks", forks},           {"system", starts_program},
                 {"executes", executes},     {"vforks", vforks},
                 {"spawns", spawns_nothing}, {"changes", self_modifying},
                 {"reads", reads_code},      {"spin", spin},
                 {"call", call_writes},      {"vfork_only", vfork_without_program}};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) return parts[i].function();
    return 2;
}

// Signals: handlers, masks, stacks, queues, restarts, and faults with exact registers.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

static volatile int seen, depth, deepest;
static volatile siginfo_t last_info;
static volatile sigset_t mask_in_handler;
static volatile int order[16], order_count;

static void note(int number, siginfo_t* info, void* context) {
    (void)context;
    seen = number;
    last_info = *info;
    sigprocmask(SIG_BLOCK, NULL, (sigset_t*)&mask_in_handler);
    if (order_count < 16) order[order_count++] = info->si_value.sival_int;
}

static void handle(int number, void (*function)(int, siginfo_t*, void*), int flags) {
    struct sigaction action = {.sa_sigaction = function, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void basic(void) {
    handle(SIGUSR1, note, 0);
    seen = 0;
    raise(SIGUSR1);
    CHECK(seen == SIGUSR1);
    CHECK(last_info.si_code == SI_TKILL && last_info.si_pid == getpid());
    CHECK(sigismember((sigset_t*)&mask_in_handler, SIGUSR1) == 1);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 0);
    seen = 0;
    kill(getpid(), SIGUSR1);
    CHECK(seen == SIGUSR1 && last_info.si_code == SI_USER);

    handle(SIGUSR1, note, SA_RESETHAND | SA_NODEFER);
    raise(SIGUSR1);
    CHECK(sigismember((sigset_t*)&mask_in_handler, SIGUSR1) == 0);
    struct sigaction old;
    sigaction(SIGUSR1, NULL, &old);
    CHECK(old.sa_handler == SIG_DFL);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    CHECK_FAILS(sigaction(SIGKILL, &old, NULL), EINVAL);
    CHECK_FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
}

static void blocked(void) {
    handle(SIGUSR2, note, 0);
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &old);
    seen = 0;
    raise(SIGUSR2);
    CHECK(seen == 0);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR2) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(seen == SIGUSR2);

    // SIGSEGV sent by somebody waits too.
    handle(SIGSEGV, note, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, &old);
    seen = 0;
    kill(getpid(), SIGSEGV);
    CHECK(seen == 0);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGSEGV) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(seen == SIGSEGV && last_info.si_code == SI_USER);
}

static void queued(void) {
    int number = SIGRTMIN + 3;
    handle(number, note, 0);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 1; i <= 5; ++i) CHECK(sigqueue(getpid(), number, (union sigval){.sival_int = i}) == 0);
    order_count = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(order_count == 5);
    for (int i = 0; i < 5; ++i) CHECK(order[i] == i + 1);

    sigprocmask(SIG_BLOCK, &set, &old);
    sigqueue(getpid(), number, (union sigval){.sival_int = 77});
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == number && info.si_value.sival_int == 77 && info.si_code == SI_QUEUE);
    struct timespec soon = {0, 1000000};
    CHECK_FAILS(sigtimedwait(&set, &info, &soon), EAGAIN);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void nest(int number, siginfo_t* info, void* context) {
    (void)info, (void)context;
    if (++depth > deepest) deepest = depth;
    if (number == SIGUSR1) raise(SIGUSR2);
    --depth;
}

static char stack[65536];
static volatile int on_stack, disturbed;
static void where(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    char here;
    on_stack = &here >= stack && &here < stack + sizeof stack;
    stack_t now;
    sigaltstack(NULL, &now);
    disturbed = !(now.ss_flags & SS_ONSTACK);
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(&other, NULL) != -1 || errno != EPERM) disturbed = 1;
    CHECK(((ucontext_t*)context)->uc_stack.ss_sp == stack);
}

static void stacks(void) {
    handle(SIGUSR1, nest, 0);
    handle(SIGUSR2, nest, 0);
    raise(SIGUSR1);
    CHECK(deepest == 2 && depth == 0);
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    CHECK(sigaltstack(&alternate, &old) == 0 && old.ss_flags == SS_DISABLE);
    handle(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(on_stack && !disturbed);
    handle(SIGUSR1, note, 0);
    stack_t small = {.ss_sp = stack, .ss_size = 100};
    CHECK_FAILS(sigaltstack(&small, NULL), ENOMEM);
}

static void alarm_soon(void) {
    struct itimerval timer = {.it_value = {0, 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int pipe_ends[2];
static void feed(int number, siginfo_t* info, void* context) {
    (void)number, (void)info, (void)context;
    ++seen;
    CHECK(write(pipe_ends[1], "x", 1) == 1);
}

/// Whether SIGALRM ends `call` with EINTR. Another try where the signal was there before the call waited: then the byte that
/// its handler has sent is still to be read, or the call has read it.
static int ends_early(long (*call)(void)) {
    for (int tries = 0; tries < 50; ++tries) {
        char byte;
        alarm_soon();
        errno = 0;
        const long result = call();
        const int code = errno;
        if (result == 1) continue;
        if (read(pipe_ends[0], &byte, 1) != 1) return 0;
        if (result != 0) return result == -1 && code == EINTR;
    }
    return 0;
}
static long read_byte(void) {
    char byte;
    return read(pipe_ends[0], &byte, 1);
}
static long sleep_long(void) {
    struct timespec long_time = {5, 0}, rest = {0, 0};
    const long result = nanosleep(&long_time, &rest);
    return result == -1 && errno == EINTR && (rest.tv_sec < 1 || rest.tv_sec > 4) ? -2 : result;
}

static void restarts(void) {
    CHECK(pipe(pipe_ends) == 0);
    char byte;
    seen = 0;
    handle(SIGALRM, feed, SA_RESTART);
    alarm_soon();
    CHECK(read(pipe_ends[0], &byte, 1) == 1 && byte == 'x' && seen == 1);
    handle(SIGALRM, feed, 0);
    CHECK(ends_early(read_byte));
    // Sleeping never restarts after a handler, and tells what is left.
    handle(SIGALRM, feed, SA_RESTART);
    CHECK(ends_early(sleep_long));
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    seen = 0;
    alarm_soon();
    CHECK_FAILS(sigsuspend(&none), EINTR);
    CHECK(seen == 1);
    sigprocmask(SIG_BLOCK, NULL, &none);
    CHECK(sigismember(&none, SIGALRM) == 1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

// A loop without system calls is left too.
static volatile int stop;
static void halt(int number, siginfo_t* info, void* context) {
    (void)number, (void)info, (void)context;
    stop = 1;
}
static void asynchronous(void) {
    handle(SIGALRM, halt, 0);
    alarm_soon();
    volatile double sum = 1;
    while (!stop) sum = sum * 1.0000001;
    CHECK(sum > 1);
}

#ifdef __riscv
// ---- Faults, with the registers that a handler sees and changes ----

extern char fault_load[], fault_store[], illegal[], breakpoint[];
__asm__(
    ".option push\n.option norvc\n"
    "try_load: .globl try_load\nfault_load: ld a0, 0(a0)\nret\n"
    "try_store: .globl try_store\nfault_store: sd a1, 8(a0)\nret\n"
    "try_illegal: .globl try_illegal\nillegal: .word 0\nret\n"
    "try_break: .globl try_break\nbreakpoint: ebreak\nret\n"
    ".option pop\n");
long try_load(void* p);
long try_store(void* p, long value);
long try_illegal(void);
long try_break(void);

static volatile unsigned long fault_pc, fault_address, fault_a0;
static volatile int fault_code, fault_number;
static void fault(int number, siginfo_t* info, void* context) {
    ucontext_t* machine = context;
    fault_number = number;
    fault_code = info->si_code;
    fault_address = (unsigned long)info->si_addr;
    fault_pc = machine->uc_mcontext.__gregs[0];
    fault_a0 = machine->uc_mcontext.__gregs[10];
    machine->uc_mcontext.__gregs[0] += 4;
    machine->uc_mcontext.__gregs[10] = 42;
}

static void faults(void) {
    int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    for (int i = 0; i < 4; ++i) handle(numbers[i], fault, 0);
    char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mprotect(page, 4096, PROT_READ) == 0);
    munmap(page + 4096, 4096);

    CHECK(try_load(page + 4096) == 42);
    CHECK(fault_number == SIGSEGV && fault_code == SEGV_MAPERR && fault_pc == (unsigned long)fault_load);
    CHECK(fault_address == (unsigned long)page + 4096 && fault_a0 == fault_address);
    CHECK(try_store(page, 1) == 42);
    CHECK(fault_number == SIGSEGV && fault_code == SEGV_ACCERR && fault_pc == (unsigned long)fault_store);
    CHECK(fault_address == (unsigned long)page + 8);
    CHECK(try_illegal() == 42);
    CHECK(fault_number == SIGILL && fault_pc == (unsigned long)illegal);
    CHECK(try_break() == 42);
    CHECK(fault_number == SIGTRAP && fault_code == TRAP_BRKPT && fault_pc == (unsigned long)breakpoint);

    char name[] = "/tmp/signals.XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char* empty = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(try_load(empty + 16) == 42);
    CHECK(fault_number == SIGBUS && fault_code == BUS_ADRERR && fault_address == (unsigned long)empty + 16);
}

// A handler's registers are its own.
static void clobber(int number, siginfo_t* info, void* context) {
    (void)number, (void)info, (void)context;
    __asm__ volatile("fcvt.d.l fs0, zero\nfcvt.d.l fa0, zero\nfsflags zero\nli t6, 9" ::: "fs0", "fa0", "t6");
}
static void registers(void) {
    handle(SIGUSR1, clobber, 0);
    long flags, integer;
    double value;
    long pid = getpid(), tid = syscall(SYS_gettid);
    register long a0 __asm__("a0") = pid;
    register long a1 __asm__("a1") = tid;
    register long a2 __asm__("a2") = SIGUSR1;
    register long a7 __asm__("a7") = SYS_tgkill;
    __asm__ volatile(
        "li t6, 1234\nfcvt.d.l fa0, t6\nfsflagsi 21\necall\nfrflags %0\nfmv.d %1, fa0\nmv %2, t6\nfsflagsi 0"
        : "=&r"(flags), "=&f"(value), "=&r"(integer), "+r"(a0)
        : "r"(a1), "r"(a2), "r"(a7)
        : "t6", "fa0", "memory");
    CHECK(flags == 21 && value == 1234.0 && integer == 1234 && a0 == 0);
}
#else
static void faults(void) {}
static void registers(void) {}
#endif

static sigjmp_buf back;
static void jump(int number, siginfo_t* info, void* context) {
    (void)info, (void)context;
    siglongjmp(back, number);
}
static void jumps(void) {
    handle(SIGSEGV, jump, 0);
    for (int i = 0; i < 3; ++i) {
        int number = sigsetjmp(back, 1);
        if (number == 0) {
            *(volatile int*)16 = 1;
            CHECK(!"reached");
        }
        CHECK(number == SIGSEGV);
    }
}

static void children(void) {
    handle(SIGCHLD, note, SA_RESTART);
    seen = 0;
    pid_t child = fork();
    if (child == 0) _exit(5);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    CHECK(seen == SIGCHLD && last_info.si_code == CLD_EXITED && last_info.si_status == 5 &&
          last_info.si_pid == child);
    signal(SIGCHLD, SIG_DFL);
}

int main(void) {
    basic();
    blocked();
    queued();
    stacks();
    restarts();
    asynchronous();
    faults();
    jumps();
    registers();
    children();
    return verdict();
}

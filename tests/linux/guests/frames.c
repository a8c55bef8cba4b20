// Signal frames and the stacks they are on: what a handler finds in its ucontext, what it may change there, and
// signals in the guise of faults. What is printed is the same natively.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static char first[32768] __attribute__((aligned(16))), second[32768] __attribute__((aligned(16)));

static void handle(int number, void (*function)(int, siginfo_t*, void*), int flags) {
    struct sigaction action = {.sa_sigaction = function, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(number, &action, NULL) == 0);
}
static const char* stack_name(void* sp) {
    return sp == first ? "first" : sp == second ? "second" : sp ? "other" : "none";
}
static void show(const char* what, const stack_t* stack) {
    printf("%s: %s, %#x, %lu bytes\n", what, stack_name(stack->ss_sp), (unsigned)stack->ss_flags,
           (unsigned long)stack->ss_size);
}
static void show_now(const char* what) {
    stack_t now;
    CHECK(sigaltstack(NULL, &now) == 0);
    show(what, &now);
}
static int is_on(const char* stack) {
    char here;
    return &here >= stack && &here < stack + sizeof first;
}

static volatile int nesting;
static void look(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    ucontext_t* frame = context;
    printf("handler %d: on %s, flags %lx, link %p\n", nesting,
           is_on(first)    ? "first"
           : is_on(second) ? "second"
                           : "none",
           *(unsigned long*)frame & ~7ul, (void*)frame->uc_link);  // x86-64 has flags of its own there
    show("  frame", &frame->uc_stack);
    show_now("  now");
    stack_t other = {.ss_sp = second, .ss_size = sizeof second}, none = {.ss_flags = SS_DISABLE};
    errno = 0;
    printf("  another: %d", sigaltstack(&other, NULL));
    printf(" %s\n", strerror(errno));
    errno = 0;
    printf("  disable: %d", sigaltstack(&none, NULL));
    printf(" %s\n", strerror(errno));
    if (++nesting < 2) raise(SIGUSR1);
    --nesting;
}

static void stacks(void) {
    show_now("at first");
    handle(SIGUSR1, look, SA_ONSTACK | SA_NODEFER);
    raise(SIGUSR1);
    const int modes[] = {0, SS_ONSTACK, (int)SS_AUTODISARM, (int)(SS_AUTODISARM | SS_ONSTACK)};
    for (int i = 0; i < 4; ++i) {
        stack_t stack = {.ss_sp = first, .ss_size = sizeof first, .ss_flags = modes[i]};
        CHECK(sigaltstack(&stack, NULL) == 0);
        printf("mode %#x\n", (unsigned)modes[i]);
        show_now("before");
        raise(SIGUSR1);
        show_now("after");
    }
    handle(SIGUSR1, look, SA_NODEFER);
    raise(SIGUSR1);
    stack_t bad = {.ss_sp = first, .ss_size = sizeof first, .ss_flags = 4};
    CHECK_FAILS(sigaltstack(&bad, NULL), EINVAL);
    stack_t small = {.ss_sp = first, .ss_size = 2047};
    CHECK_FAILS(sigaltstack(&small, NULL), ENOMEM);
    CHECK_FAILS(syscall(SYS_sigaltstack, 8, NULL), EFAULT);
    CHECK_FAILS(syscall(SYS_sigaltstack, NULL, 8), EFAULT);
    stack_t off = {.ss_sp = first, .ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&off, NULL) == 0);
    show_now("off");
}

static stack_t replacement;
static void replace(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    ((ucontext_t*)context)->uc_stack = replacement;
}
/// Whatever a handler leaves in the frame becomes the stack, if sigaltstack would take it.
static void replaced_stacks(void) {
    stack_t off = {.ss_flags = SS_DISABLE};
    handle(SIGUSR1, replace, 0);
    const stack_t stacks[] = {{.ss_sp = second, .ss_size = sizeof second},
                              {.ss_sp = second, .ss_size = 100},
                              {.ss_sp = second, .ss_size = sizeof second, .ss_flags = 4},
                              {.ss_flags = SS_DISABLE}};
    for (int i = 0; i < 4; ++i) {
        stack_t stack = {.ss_sp = first, .ss_size = sizeof first};
        CHECK(sigaltstack(&stack, NULL) == 0);
        replacement = stacks[i];
        raise(SIGUSR1);
        show_now("replaced");
    }
    CHECK(sigaltstack(&off, NULL) == 0);
}

static void again(int number, siginfo_t* info, void* context) {
    (void)info, (void)context;
    raise(number);
}
static sigjmp_buf out;
static volatile int guard_hit;
static void leave(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    guard_hit = info->si_code;
    siglongjmp(out, 1);
}
/// Frames that do not fit: a handler that interrupts itself until the stack is full.
static void overflows(void) {
    pid_t child = fork();
    if (child == 0) {
        stack_t stack = {.ss_sp = first, .ss_size = sizeof first};
        sigaltstack(&stack, NULL);
        handle(SIGUSR1, again, SA_ONSTACK | SA_NODEFER);
        fclose(stderr);
        raise(SIGUSR1);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    // The normal stack is full: SIGSEGV's handler has a stack of its own and gets away.
    stack_t stack = {.ss_sp = first, .ss_size = sizeof first};
    sigaltstack(&stack, NULL);
    handle(SIGUSR1, again, SA_NODEFER);
    handle(SIGSEGV, leave, SA_ONSTACK);
    for (int i = 0; i < 2; ++i) {
        guard_hit = 0;
        if (sigsetjmp(out, 1) == 0) {
            raise(SIGUSR1);
            CHECK(!"reached");
        }
        CHECK(guard_hit != 0);
    }
    stack_t off = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&off, NULL) == 0);
}

static volatile siginfo_t seen;
static volatile int times;
static void note(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    seen = *info;
    ++times;
}
static long queue_to_self(int number, siginfo_t* info) {
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info);
}
/// Crash reporters send themselves the fault that they have caught once more.
static void disguised(void) {
    handle(SIGSEGV, note, 0);
    handle(SIGBUS, note, 0);
    siginfo_t info = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
    info.si_addr = (void*)0x1234;
    CHECK(queue_to_self(SIGSEGV, &info) == 0 && times == 1);
    CHECK(seen.si_code == SEGV_MAPERR && seen.si_addr == (void*)0x1234 && seen.si_signo == SIGSEGV);
    info.si_code = BUS_ADRERR;
    CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGBUS, &info) == 0 && times == 2);
    CHECK(seen.si_code == BUS_ADRERR && seen.si_signo == SIGBUS);
    info.si_code = SI_QUEUE;
    CHECK(queue_to_self(SIGSEGV, &info) == 0 && times == 3 && seen.si_code == SI_QUEUE);
    info.si_code = 1;
    CHECK_FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), SIGSEGV, &info), EPERM);
    CHECK_FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), SIGSEGV, 8), EFAULT);

    // Blocked, they wait; sigtimedwait takes them, SIG_IGN discards them.
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGBUS);
    sigprocmask(SIG_BLOCK, &set, &old);
    info.si_code = SEGV_ACCERR;
    CHECK(queue_to_self(SIGSEGV, &info) == 0 && times == 3);
    struct timespec soon = {1, 0};
    CHECK(sigtimedwait(&set, (siginfo_t*)&seen, &soon) == SIGSEGV && seen.si_code == SEGV_ACCERR);
    raise(SIGBUS);
    raise(SIGBUS);
    CHECK(sigwaitinfo(&set, (siginfo_t*)&seen) == SIGBUS && seen.si_code == SI_USER);
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGBUS) && !sigismember(&pending, SIGSEGV));
    raise(SIGSEGV);
    signal(SIGSEGV, SIG_IGN);
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGSEGV));
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(times == 3);
}

static void change_mask(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    sigaddset(&((ucontext_t*)context)->uc_sigmask, SIGUSR2);
    sigaddset(&((ucontext_t*)context)->uc_sigmask, SIGKILL);
}
static void masks(void) {
    handle(SIGUSR1, change_mask, 0);
    raise(SIGUSR1);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1) && !sigismember(&now, SIGKILL));
    sigemptyset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);
    struct {
        void* handler;
        unsigned long flags, rest[2];
    } action = {SIG_IGN, SA_RESTART | 0x100 | 0x400, {0, 0}}, back = {0};
    CHECK(syscall(SYS_rt_sigaction, SIGUSR2, &action, &back, 8) == 0);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR2, NULL, &back, 8) == 0 && back.flags == SA_RESTART);
    // The action changes although the old one has nowhere to go.
    action.flags = 0;
    CHECK_FAILS(syscall(SYS_rt_sigaction, SIGUSR2, &action, 8, 8), EFAULT);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR2, NULL, &back, 8) == 0 && back.flags == 0);
}

static void* in_thread(void* argument) {
    show_now("in a thread");
    handle(SIGUSR1, look, SA_ONSTACK | SA_NODEFER);
    nesting = 1;
    raise(SIGUSR1);
    nesting = 0;
    return argument;
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    stacks();
    replaced_stacks();
    overflows();
    disguised();
    masks();
    stack_t stack = {.ss_sp = first, .ss_size = sizeof first};
    sigaltstack(&stack, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    if (fork() == 0) {
        show_now("in a child");
        _exit(0);
    }
    wait(NULL);
    return verdict();
}

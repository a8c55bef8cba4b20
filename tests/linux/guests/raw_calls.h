// For guest programs that make system calls with arguments of any kind: the call alone, a signal that ends its
// waiting, and the end of the process that made it. Also for native runs.
#pragma once

#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/// The result, or minus an errno: a new thread with bad thread-local storage would have no place for errno. Without a frame
/// of its own, so that a child may return from it in its parent's memory.
static inline __attribute__((always_inline, unused)) long raw_call(long number,
                                                                   const unsigned long* arguments) {
#if defined(__riscv)
    register unsigned long a0 __asm__("a0") = arguments[0];
    register unsigned long a1 __asm__("a1") = arguments[1];
    register unsigned long a2 __asm__("a2") = arguments[2];
    register unsigned long a3 __asm__("a3") = arguments[3];
    register unsigned long a4 __asm__("a4") = arguments[4];
    register unsigned long a5 __asm__("a5") = arguments[5];
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
    return (long)a0;
#elif defined(__x86_64__)
    register unsigned long r10 __asm__("r10") = arguments[3];
    register unsigned long r8 __asm__("r8") = arguments[4];
    register unsigned long r9 __asm__("r9") = arguments[5];
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
#else
#error "how are system calls made here?"
#endif
}

__attribute__((unused)) static long thread_id(void) { return raw_call(SYS_gettid, (unsigned long[6]){0}); }

__attribute__((unused)) static void wake(int number) { (void)number; }

/// Whatever a call did to signals: from now on one comes every `microseconds`, and a call that waits ends.
__attribute__((unused)) static void set_alarm(long microseconds) {
    const struct sigaction action = {.sa_handler = wake};
    sigaction(SIGALRM, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const struct itimerval often = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &often, NULL);
}

/// The status a child ended with; -1 if it did not end in time, but by SIGKILL. The caller has `wake` for SIGALRM. A child
/// that is stopped is made to go on: a clone() chooses the signal that its parent gets at its end, and may choose SIGSTOP.
__attribute__((unused)) static int status_of(pid_t child, unsigned seconds) {
    int status = -1;
    const struct itimerval patience = {{1, 0}, {seconds, 0}}, none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &patience, NULL);
    pid_t changed;
    while ((changed = waitpid(child, &status, WUNTRACED)) == child && WIFSTOPPED(status))
        kill(child, SIGCONT);
    setitimer(ITIMER_REAL, &none, NULL);
    if (changed == child) return status;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return -1;
}

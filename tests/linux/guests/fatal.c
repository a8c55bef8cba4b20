// Ends in the way its argument says.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static void* end_all(void* argument) { exit((int)(long)argument); }

int main(int argc, char** argv) {
    if (argc < 3) return 99;
    const char* way = argv[1];
    int number = atoi(argv[2]);
    if (strcmp(way, "exit") == 0) return number;
    if (strcmp(way, "raise") == 0) raise(number);
    if (strcmp(way, "kill") == 0) kill(getpid(), number);
    if (strcmp(way, "abort") == 0) abort();
    if (strcmp(way, "null") == 0) *(volatile int*)0 = 1;
    if (strcmp(way, "jump") == 0) ((void (*)(void))16)();
    if (strcmp(way, "illegal") == 0) __builtin_trap();
    if (strcmp(way, "ignored") == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile int*)0 = 1;
    }
    if (strcmp(way, "blocked") == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        *(volatile int*)0 = 1;
    }
    if (strcmp(way, "overflow") == 0) {
        // No room for the handler's frame.
        struct sigaction action = {.sa_handler = (void (*)(int))1000};
        sigaction(SIGUSR1, &action, NULL);
#ifdef __riscv
        __asm__ volatile("li sp, 64\nli a7, 129\nmv a0, %0\nli a1, 10\necall" ::"r"((long)getpid())
                         : "a0", "a1", "a7", "memory");
#endif
    }
    if (strcmp(way, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, end_all, (void*)(long)number);
        pause();
    }
    if (strcmp(way, "fork") == 0) {
        for (int i = 0; i < 50; ++i) getppid();
        return fork() == 0 ? 0 : (wait(NULL), number);
    }
    if (strcmp(way, "unknown") == 0) {
        CHECK_FAILS(syscall(number), ENOSYS);
        CHECK_FAILS(syscall(number), ENOSYS);
        CHECK_FAILS(syscall(SYS_userfaultfd, 0), ENOSYS);
        return verdict();
    }
    return 98;
}

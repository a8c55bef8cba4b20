// A program whose parts are known: what Kiln says of its units can be checked. Each function is a habit of its own,
// and as hot as the first word says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) unsigned long hot_loop(unsigned long n) {
    unsigned long sum = 0;
    for (unsigned long i = 0; i < n; i++) {
        sum += i * i ^ sum >> 3;
        __asm__ volatile("" : "+r"(sum));
    }
    return sum;
}

__attribute__((noinline)) unsigned recursive(unsigned n) {
    __asm__ volatile("");
    return n < 2 ? n : recursive(n - 1) + recursive(n - 2);
}

static unsigned long one(unsigned long x) { return x + 1; }
static unsigned long two(unsigned long x) { return x * 3; }
unsigned long (*volatile calls[2])(unsigned long) = {one, two};

__attribute__((noinline)) unsigned long indirect(unsigned long n) {
    unsigned long x = 0;
    for (unsigned long i = 0; i < n; i++) x = calls[i & 1](x);
    return x;
}

__attribute__((noinline)) double rounding(unsigned long n) {
    volatile double sum = 0;
    for (unsigned long i = 0; i < n; i++) sum += 1.0 / 3;
    return sum;
}

// Compiled when it meets a null pointer.
__attribute__((noinline)) int crashing(volatile int* p, long n) {
    int sum = 0;
    for (long i = 0; i <= n; i++) sum += *p;
    return sum;
}

int main(int argc, char** argv) {
    if (argc > 1 && !strcmp(argv[1], "crash")) {
        int value = 0;
        for (int i = 0; i < 1000; i++) value += crashing(&value, 2);
        return crashing(NULL, value);
    }
    if (argc > 1 && !strcmp(argv[1], "fork")) {
        printf("%lu\n", hot_loop(100000));
        fflush(stdout);
        if (fork() != 0) return wait(NULL) < 0;
        printf("%d %lu\n", getpid(), indirect(100000));
        return 0;
    }
    const unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    printf("%lu %u %lu\n", hot_loop(100 * n), recursive(15), indirect(n));
    const double nearest = rounding(n);
    // Ties away from zero, which C has no name for, and few hosts an instruction.
    __asm__ volatile("fsrmi 4");
    printf("%d\n", rounding(n) >= nearest);
    return 0;
}

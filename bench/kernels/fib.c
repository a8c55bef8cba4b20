// Recursion: calls, returns and stack traffic with little work between. One round is one fib(24).
#include "kernel.h"

// Inlining a function into itself would leave few calls to measure, and a different number on each target.
__attribute__((noinline)) static uint64_t fib(uint64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), sum = 0;
    for (uint64_t i = 0; i < rounds; i++) sum = sum * 31 + fib(24 - (i & 1));
    return print_checksum(sum);
}

// What every kernel shares: the amount of work from the command line, a pseudo-random source and the one
// line of output. A kernel's output depends on its argument only, so native, qemu and kiln must agree on it;
// floating-point results are printed to fewer digits than fused multiply-add or another libm can disturb.
#ifndef KILN_BENCH_KERNEL_H
#define KILN_BENCH_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// The first argument, the number of rounds; what a round is, is each kernel's own business.
static inline uint64_t rounds_from(int argc, char** argv) {
    uint64_t rounds = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (rounds == 0) {
        fprintf(stderr, "usage: %s ROUNDS\n", argv[0]);
        exit(2);
    }
    return rounds;
}

// Xorshift64: one step of the state, which must not be zero.
static inline uint64_t next_random(uint64_t* state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline int print_checksum(uint64_t sum) {
    return printf("checksum %016llx\n", (unsigned long long)sum) < 0;
}

#endif

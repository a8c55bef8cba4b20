// What the kernels with threads share. Their arguments are ROUNDS and THREADS: the work is the same however many threads
// divide it, and so is the output.
#ifndef KILN_BENCH_THREADS_H
#define KILN_BENCH_THREADS_H

#include <pthread.h>

#include "kernel.h"

enum { max_threads = 16 };

struct share {
    uint64_t (*work)(unsigned index, unsigned threads, uint64_t rounds);
    unsigned index, threads;
    uint64_t rounds, result;
};

static inline void* work_of_share(void* argument) {
    struct share* share = argument;
    share->result = share->work(share->index, share->threads, share->rounds);
    return NULL;
}

// Calls work(index, threads, rounds) in each of the threads, the first of which is the caller; rounds are those of all
// together. Prints the sum of the results.
static inline int run_threads(int argc, char** argv, uint64_t (*work)(unsigned, unsigned, uint64_t)) {
    unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (threads < 1 || threads > max_threads) {
        fprintf(stderr, "usage: %s ROUNDS THREADS\n", argv[0]);
        return 2;
    }
    uint64_t rounds = rounds_from(2, argv), sum = 0;
    struct share shares[max_threads];
    pthread_t ids[max_threads];
    for (unsigned i = 0; i < threads; i++) {
        shares[i] = (struct share){work, i, threads, rounds, 0};
        if (i > 0 && pthread_create(&ids[i], NULL, work_of_share, &shares[i]) != 0) {
            fprintf(stderr, "cannot start a thread\n");
            return 1;
        }
    }
    work_of_share(&shares[0]);
    for (unsigned i = 0; i < threads; i++) {
        if (i > 0) pthread_join(ids[i], NULL);
        sum += shares[i].result;
    }
    return print_checksum(sum);
}

// Of rounds that may be divided in any way, how many this thread does.
static inline uint64_t part_of(unsigned index, unsigned threads, uint64_t rounds) {
    return rounds / threads + (index < rounds % threads);
}

#endif

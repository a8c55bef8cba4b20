// A counter that all threads increment: one atomic instruction, and a cache line that wanders.
#include <stdatomic.h>

#include "threads.h"

static _Atomic uint64_t counter;

static uint64_t work(unsigned index, unsigned threads, uint64_t rounds) {
    uint64_t mine = part_of(index, threads, rounds);
    for (uint64_t i = 0; i < mine; i++) atomic_fetch_add(&counter, 3);
    return mine;
}

int main(int argc, char** argv) {
    int failed = run_threads(argc, argv, work);
    return failed ? failed : print_checksum(counter);
}

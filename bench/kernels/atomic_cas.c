// A value that all threads replace by compare and exchange: on riscv64 without Zacas a loop of lr and sc.
#include <stdatomic.h>

#include "threads.h"

static _Atomic uint64_t value;

static uint64_t work(unsigned index, unsigned threads, uint64_t rounds) {
    uint64_t mine = part_of(index, threads, rounds);
    for (uint64_t i = 0; i < mine; i++) {
        uint64_t seen = atomic_load_explicit(&value, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&value, &seen, seen * 5 + 1));
    }
    return mine;
}

int main(int argc, char** argv) {
    int failed = run_threads(argc, argv, work);
    return failed ? failed : print_checksum(value);
}

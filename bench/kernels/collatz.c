// Threads that compute and share nothing. A round is the length of one Collatz sequence.
#include "threads.h"

static uint64_t work(unsigned index, unsigned threads, uint64_t rounds) {
    uint64_t sum = 0;
    for (uint64_t start = index + 1; start <= rounds; start += threads)
        for (uint64_t n = start; n != 1; n = n % 2 ? 3 * n + 1 : n / 2) sum++;
    return sum;
}

int main(int argc, char** argv) { return run_threads(argc, argv, work); }

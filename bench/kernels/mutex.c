// A queue's length and sum under a mutex that all threads want: lock, a few accesses, unlock.
#include "threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t length, sum;

static uint64_t work(unsigned index, unsigned threads, uint64_t rounds) {
    uint64_t mine = part_of(index, threads, rounds);
    for (uint64_t i = 0; i < mine; i++) {
        pthread_mutex_lock(&lock);
        length++;
        sum += length;
        pthread_mutex_unlock(&lock);
    }
    return mine;
}

int main(int argc, char** argv) {
    int failed = run_threads(argc, argv, work);
    return failed ? failed : print_checksum(sum);
}

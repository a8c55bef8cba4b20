// Threads that take turns: each round is one wait on a condition variable and one signal, so the time is the kernel's
// futex and switching of threads, and what an engine adds to a system call.
#include "threads.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed[max_threads];
static uint64_t turn;

static uint64_t work(unsigned index, unsigned threads, uint64_t rounds) {
    uint64_t mine = 0;
    pthread_mutex_lock(&lock);
    while (turn < rounds) {
        if (turn % threads != index) {
            pthread_cond_wait(&changed[index], &lock);
            continue;
        }
        turn++;
        mine++;
        pthread_cond_signal(&changed[turn % threads]);
    }
    for (unsigned i = 0; i < threads; i++) pthread_cond_signal(&changed[i]);
    pthread_mutex_unlock(&lock);
    return mine;
}

int main(int argc, char** argv) { return run_threads(argc, argv, work); }

// What RVWMO forbids must not be seen, and what fences and atomics order stays ordered. The classic shapes, each run
// many times by two to four threads that start together. Outcomes that are allowed are not asked for.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "check.h"

#ifdef __riscv
#define LOAD(value, address) __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "r"(address) : "memory")
#define STORE(value, address) __asm__ volatile("sd %0, 0(%1)" ::"r"((long)(value)), "r"(address) : "memory")
#define FENCE(before, after) __asm__ volatile("fence " #before ", " #after ::: "memory")
#define LOAD_ACQUIRE(value, address) \
    __asm__ volatile("ld %0, 0(%1)\nfence r, rw" : "=r"(value) : "r"(address) : "memory")
#define LR_SC_STORE(value, address)                                                   \
    do {                                                                              \
        long old, failed;                                                             \
        __asm__ volatile("1: lr.d.aqrl %0, (%3)\nsc.d.aqrl %1, %2, (%3)\nbnez %1, 1b" \
                         : "=&r"(old), "=&r"(failed)                                  \
                         : "r"((long)(value)), "r"(address)                           \
                         : "memory");                                                 \
    } while (0)
#define AMO_STORE(value, address) \
    __asm__ volatile("amoswap.d.aqrl zero, %0, (%1)" ::"r"((long)(value)), "r"(address) : "memory")
/// A load that waits for the other's value by an address that depends on it.
#define LOAD_DEPENDENT(value, address, on)                          \
    __asm__ volatile("xor %0, %2, %2\nadd %0, %0, %1\nld %0, 0(%0)" \
                     : "=&r"(value)                                 \
                     : "r"(address), "r"(on)                        \
                     : "memory")
#else
#define LOAD(value, address) (value = __atomic_load_n(address, __ATOMIC_RELAXED))
#define STORE(value, address) __atomic_store_n(address, value, __ATOMIC_RELAXED)
#define FENCE(before, after) __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define LOAD_ACQUIRE(value, address) (value = __atomic_load_n(address, __ATOMIC_ACQUIRE))
#define LR_SC_STORE(value, address) __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST)
#define AMO_STORE(value, address) __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST)
#define LOAD_DEPENDENT(value, address, on) \
    (value = __atomic_load_n(address + ((on) ^ (on)), __ATOMIC_RELAXED))
#endif

enum { rounds = 40, batch = 500, most_threads = 4 };

// Each round has a batch of pairs of cells; the threads go through it side by side, now one ahead, now the other.
static struct {
    long value __attribute__((aligned(64)));
} cells[batch][2];
static long seen[batch][most_threads][2];
static atomic_int arrived, round_number;

#define X (&cells[at][0].value)
#define Y (&cells[at][1].value)
#define SEE(thread, index, value) (seen[at][thread][index] = (value))

// Store buffering: with a full fence, or atomics instead, one of the two sees the other.
static void sb(int self, int at) {
    long value;
    STORE(1, self ? Y : X);
    FENCE(rw, rw);
    LOAD(value, self ? X : Y);
    SEE(self, 0, value);
}
static int sb_forbidden(int at) { return seen[at][0][0] == 0 && seen[at][1][0] == 0; }
static void sb_narrow(int self, int at) {
    long value;
    STORE(1, self ? Y : X);
    FENCE(w, r);
    LOAD(value, self ? X : Y);
    SEE(self, 0, value);
}
static void sb_amo(int self, int at) {
    long value;
    AMO_STORE(1, self ? Y : X);
    LOAD(value, self ? X : Y);
    SEE(self, 0, value);
}
static void sb_lr_sc(int self, int at) {
    long value;
    LR_SC_STORE(1, self ? Y : X);
    LOAD(value, self ? X : Y);
    SEE(self, 0, value);
}

// Message passing: who sees the flag sees the data.
static void mp(int self, int at) {
    long flag, data;
    if (self == 0) {
        STORE(1, X);
        FENCE(w, w);
        STORE(1, Y);
    } else {
        LOAD(flag, Y);
        FENCE(r, r);
        LOAD(data, X);
        SEE(1, 0, flag), SEE(1, 1, data);
    }
}
static int mp_forbidden(int at) { return seen[at][1][0] == 1 && seen[at][1][1] == 0; }
static void mp_dependent(int self, int at) {
    long flag, data;
    if (self == 0) {
        STORE(1, X);
        FENCE(w, w);
        STORE(1, Y);
    } else {
        LOAD(flag, Y);
        LOAD_DEPENDENT(data, X, flag);
        SEE(1, 0, flag), SEE(1, 1, data);
    }
}

// Load buffering: nobody sees a store that waits for his own.
static void lb(int self, int at) {
    long value;
    LOAD_ACQUIRE(value, self ? Y : X);
    STORE(1, self ? X : Y);
    SEE(self, 0, value);
}
static int lb_forbidden(int at) { return seen[at][0][0] == 1 && seen[at][1][0] == 1; }

// Independent reads of independent writes: all agree on the order of two stores.
static void iriw(int self, int at) {
    long first, second;
    if (self < 2) {
        STORE(1, self ? Y : X);
        return;
    }
    LOAD(first, self == 2 ? X : Y);
    FENCE(rw, rw);
    LOAD(second, self == 2 ? Y : X);
    SEE(self, 0, first), SEE(self, 1, second);
}
static int iriw_forbidden(int at) {
    return seen[at][2][0] == 1 && seen[at][2][1] == 0 && seen[at][3][0] == 1 && seen[at][3][1] == 0;
}

// Coherence: two loads of one cell do not go back in time.
static void coherence(int self, int at) {
    long first, second;
    if (self == 0) {
        STORE(1, X);
        STORE(2, X);
    } else {
        LOAD(first, X);
        LOAD(second, X);
        SEE(1, 0, first), SEE(1, 1, second);
    }
}
static int coherence_forbidden(int at) { return seen[at][1][0] > seen[at][1][1]; }

static const struct shape {
    const char* name;
    int threads;
    void (*run)(int, int);
    int (*forbidden)(int);
} shapes[] = {
    {"store buffering", 2, sb, sb_forbidden},
    {"store buffering with fence w, r", 2, sb_narrow, sb_forbidden},
    {"store buffering with amoswap", 2, sb_amo, sb_forbidden},
    {"store buffering with lr and sc", 2, sb_lr_sc, sb_forbidden},
    {"message passing", 2, mp, mp_forbidden},
    {"message passing by dependency", 2, mp_dependent, mp_forbidden},
    {"load buffering", 2, lb, lb_forbidden},
    {"independent reads", 4, iriw, iriw_forbidden},
    {"coherence", 2, coherence, coherence_forbidden},
};
static const struct shape* shape;

static void meet(int round) {
    // The last to arrive looks at the outcome of the round before and starts the next.
    if (atomic_fetch_add(&arrived, 1) + 1 == shape->threads) {
        int bad = 0;
        for (int at = 0; round > 0 && at < batch; ++at) bad += shape->forbidden(at) != 0;
        failures += bad;
        if (bad != 0) printf("%s: %d forbidden outcomes in round %d\n", shape->name, bad, round);
        memset(cells, 0, sizeof cells);
        arrived = 0;
        atomic_store(&round_number, round + 1);
        return;
    }
    for (int spins = 0; atomic_load(&round_number) <= round; ++spins)
        if (spins > 200) sched_yield();
}
static void* take_part(void* argument) {
    int self = (int)(long)argument;
    for (int round = 0; round <= rounds; ++round) {
        meet(round);
        for (int at = 0; round < rounds && at < batch; ++at) shape->run(self, at);
    }
    return NULL;
}

int main(void) {
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
        pthread_t list[most_threads];
        shape = &shapes[i];
        arrived = round_number = 0;
        memset(seen, 0, sizeof seen);
        for (long t = 0; t < shape->threads; ++t)
            CHECK(pthread_create(&list[t], NULL, take_part, (void*)t) == 0);
        for (int t = 0; t < shape->threads; ++t) pthread_join(list[t], NULL);
    }
    return verdict();
}

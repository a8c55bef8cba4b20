// Sieve of Eratosthenes over bytes: strided stores into a megabyte, then a counting scan. One round is one
// sieve.
#include "kernel.h"

#include <string.h>

enum { limit = 1 << 20 };
static unsigned char composite[limit];

static uint64_t count_primes(uint64_t top) {
    memset(composite, 0, sizeof composite);
    for (uint64_t i = 2; i * i < top; i++)
        if (!composite[i])
            for (uint64_t j = i * i; j < top; j += i) composite[j] = 1;
    uint64_t count = 0;
    for (uint64_t i = 2; i < top; i++) count += !composite[i];
    return count;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), sum = 0;
    for (uint64_t i = 0; i < rounds; i++) sum = sum * 31 + count_primes(limit - i % 1000);
    return print_checksum(sum);
}

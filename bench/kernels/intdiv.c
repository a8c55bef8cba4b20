// Integer division and remainder, 64 and 32 bits, signed and unsigned: Euclid's algorithm and digit sums. One
// round is one pair of numbers.
#include "kernel.h"

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint32_t digit_sum(uint32_t n, uint32_t base) {
    uint32_t sum = 0;
    for (; n; n /= base) sum += n % base;
    return sum;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 1618033988, sum = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t a = next_random(&random), b = next_random(&random);
        sum = sum * 31 + gcd(a >> 8, b >> 24) + digit_sum((uint32_t)a, 2 + (uint32_t)(b & 15));
        sum += (uint64_t)((int64_t)a / ((int64_t)(b >> 40) - (1 << 23) | 1));
        sum += (uint64_t)((int32_t)a % ((int32_t)(b & 0xffff) - 40000 | 1));
    }
    return print_checksum(sum);
}

// Integer loops: counters, adds, shifts, compares and branches in registers, in two shapes: a nest of counted
// loops and the Collatz walk, whose length no compiler can know. One round is both, once.
#include "kernel.h"

static uint64_t collatz_steps(uint64_t n) {
    uint64_t steps = 0;
    while (n != 1) {
        n = n & 1 ? 3 * n + 1 : n >> 1;
        steps++;
    }
    return steps;
}

// Counts lattice points near a circle, with two running sums beside the count.
static uint64_t lattice(uint64_t radius) {
    uint64_t inside = 0, low = 0, high = 0;
    for (uint64_t y = 0; y < radius; y++)
        for (uint64_t x = 0; x <= y; x++) {
            uint64_t square = x * x + y * y;
            inside += square < radius * radius;
            low ^= square >> 2;
            high += low & 0xff;
        }
    return inside + low + high;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), sum = 0;
    for (uint64_t i = 1; i <= rounds; i++) sum = sum * 31 + collatz_steps(i) + lattice(16 + i % 8);
    return print_checksum(sum);
}

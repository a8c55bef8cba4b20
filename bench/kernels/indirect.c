// Indirect calls whose target changes with the data: virtual methods, callbacks. One round is one call.
#include "kernel.h"

typedef uint64_t method(uint64_t value);

__attribute__((noinline)) static uint64_t rotate(uint64_t v) { return v << 7 | v >> 57; }
__attribute__((noinline)) static uint64_t scale(uint64_t v) { return v * 0x9e3779b97f4a7c15u; }
__attribute__((noinline)) static uint64_t fold(uint64_t v) { return v ^ v >> 29; }
__attribute__((noinline)) static uint64_t shift(uint64_t v) { return v + (v << 3); }
__attribute__((noinline)) static uint64_t flip(uint64_t v) { return ~v + 12345; }
__attribute__((noinline)) static uint64_t drop(uint64_t v) { return v - (v >> 5); }

static method* const methods[8] = {rotate, scale, fold, shift, flip, drop, scale, fold};

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), value = 1;
    for (uint64_t i = 0; i < rounds; i++) value = methods[(value >> 20 ^ i) & 7](value) + i;
    return print_checksum(value);
}

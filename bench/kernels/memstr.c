// memcpy, strlen and memset in the C library's own code, over pieces of 8 bytes to 8 KiB (each power of two
// equally often) at random places of a 256 KiB buffer. One round is one piece.
#include "kernel.h"

#include <string.h>

enum { size = 1 << 18, longest = 1 << 13 };
static char source[size + 2 * longest], target[size + 2 * longest];

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 362436069, sum = 0;
    memset(source, 'k', sizeof source);
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t r = next_random(&random);
        size_t scale = (size_t)8 << r % 10, length = scale + (r >> 4) % scale, from = (r >> 20) % size,
               to = (r >> 40) % size;
        memcpy(target + to, source + from, length);
        target[to + length] = 0;
        size_t seen = strlen(target + to);
        memset(target + from, 'a' + (int)(i % 26), seen / 4 + 1);
        sum = sum * 31 + seen + (unsigned char)target[r % size];
    }
    return print_checksum(sum);
}

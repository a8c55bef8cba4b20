// malloc, realloc and free of 16 to 1024 bytes in random order over 1024 live blocks. One round is one block.
#include "kernel.h"

#include <string.h>

enum { live = 1024 };
static unsigned char* block[live];

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 271828, sum = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t r = next_random(&random);
        unsigned char** slot = &block[r % live];
        size_t size = 16 + (r >> 20) % (r & 0x10000 ? 1008 : 112);
        if (*slot) {
            sum = sum * 31 + **slot;
            if (r & 0x20000) {
                *slot = realloc(*slot, size);
            } else {
                free(*slot);
                *slot = NULL;
            }
        }
        if (!*slot) *slot = malloc(size);
        if (!*slot) return 1;
        **slot = (unsigned char)i;
    }
    return print_checksum(sum);
}

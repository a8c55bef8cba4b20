// Short strings: strcmp, strchr, strcpy, strcat, memcmp and a hash over words of 3 to 12 letters, where the
// cost is the call and the branches rather than the bytes. One round is one pair of words.
#include "kernel.h"

#include <string.h>

enum { words = 1024 };
static char word[words][16];

static void make_words(void) {
    uint64_t random = 521288629;
    for (int i = 0; i < words; i++) {
        int length = 3 + (int)(next_random(&random) % 10);
        for (int j = 0; j < length; j++) word[i][j] = (char)('a' + next_random(&random) % 6);
    }
}

static uint64_t hash(const char* s) {
    uint64_t h = 5381;
    for (; *s; s++) h = h * 33 + (unsigned char)*s;
    return h;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 123456789, sum = 0;
    make_words();
    for (uint64_t i = 0; i < rounds; i++) {
        const char *a = word[next_random(&random) % words], *b = word[next_random(&random) % words];
        char joined[40];
        strcpy(joined, a);
        strcat(joined, "/");
        strcat(joined, b);
        int order = strcmp(a, b);
        const char* slash = strchr(joined, '/');
        sum = sum * 31 + hash(joined) + (order < 0 ? 1 : order > 0 ? 2 : 3) + (uint64_t)(slash - joined);
        sum += memcmp(joined, b, 3) == 0;
    }
    return print_checksum(sum);
}

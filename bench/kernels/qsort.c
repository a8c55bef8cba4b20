// The C library's qsort with a comparison callback over 16384 records. One round is one sort of fresh data.
#include "kernel.h"

enum { count = 16384 };
struct record {
    uint64_t key;
    uint32_t tag, order;
};
static struct record records[count];

static int by_key(const void* left, const void* right) {
    const struct record *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 2463534242, sum = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        for (uint32_t j = 0; j < count; j++) {
            uint64_t r = next_random(&random);
            records[j] = (struct record){r % 10007, (uint32_t)(r >> 32), j};
        }
        qsort(records, count, sizeof records[0], by_key);
        for (int j = 0; j < count; j += 61) sum = sum * 31 + records[j].key + records[j].tag;
    }
    return print_checksum(sum);
}

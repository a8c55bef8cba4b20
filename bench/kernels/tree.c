// An unbalanced binary search tree of 20000 nodes: random look-ups, with a full recursive walk after every
// 32768 of them. One round is one look-up.
#include "kernel.h"

enum { nodes = 20000 };
struct node {
    uint64_t key;
    struct node *left, *right;
};
static struct node pool[nodes];

static void insert(struct node* root, struct node* fresh) {
    for (struct node** at = &root;;) {
        at = fresh->key < (*at)->key ? &(*at)->left : &(*at)->right;
        if (!*at) {
            *at = fresh;
            return;
        }
    }
}

static const struct node* floor_of(const struct node* at, uint64_t key) {
    const struct node* best = NULL;
    while (at) {
        if (at->key <= key) best = at;
        at = key < at->key ? at->left : at->right;
    }
    return best;
}

static uint64_t walk(const struct node* at, uint64_t sum) {
    return at ? walk(at->right, walk(at->left, sum) * 31 + at->key) : sum;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 99991, sum = 0;
    for (int i = 0; i < nodes; i++) {
        pool[i].key = next_random(&random);
        if (i > 0) insert(pool, &pool[i]);
    }
    for (uint64_t i = 0; i < rounds; i++) {
        const struct node* found = floor_of(pool, next_random(&random));
        sum = sum * 31 + (found ? found->key : 0);
        if ((i & 32767) == 32767) sum = walk(pool, sum);
    }
    return print_checksum(sum);
}

// A bytecode interpreter around one switch: the shape of every scripting language's core loop. The program it
// runs counts steps of a pseudo-random walk. One round is one run of that program.
#include "kernel.h"

enum op {
    op_const,
    op_add,
    op_sub,
    op_mul,
    op_and,
    op_shr,
    op_xor,
    op_load,
    op_store,
    op_dup,
    op_jump_if,
    op_halt
};

// clang-format off
// A stack machine with 4 variables: v0 counts down from 1000, v1 is the walker, v2 and v3 the tallies.
static const unsigned char program[] = {
    op_const, 200, op_const, 5,  op_mul, op_store, 0,                              // v0 = 1000
    op_load,  1,   op_const, 77, op_mul, op_const, 13, op_add, op_store, 1,        // loop: v1 = v1 * 77 + 13
    op_load,  1,   op_const, 9,  op_shr, op_const, 1,  op_and, op_jump_if, 34,     // if (v1 >> 9 & 1) goto odd
    op_load,  2,   op_const, 1,  op_add, op_store, 2,                              // v2 = v2 + 1
    op_load,  3,   op_load,  1,  op_xor, op_dup,   op_add, op_store, 3,            // odd: v3 = (v3 ^ v1) * 2
    op_load,  0,   op_const, 1,  op_sub, op_dup,   op_store, 0, op_jump_if, 7,     // if (--v0) goto loop
    op_halt,
};
// clang-format on

static uint64_t run(uint64_t seed) {
    uint64_t var[4] = {0, seed, 0, 0}, stack[8], *top = stack;
    const unsigned char* pc = program;
    for (;;) {
        switch ((enum op) * pc++) {
            case op_const: *top++ = *pc++; break;
            case op_add: top--, top[-1] += top[0]; break;
            case op_sub: top--, top[-1] -= top[0]; break;
            case op_mul: top--, top[-1] *= top[0]; break;
            case op_and: top--, top[-1] &= top[0]; break;
            case op_shr: top--, top[-1] >>= top[0] & 63; break;
            case op_xor: top--, top[-1] ^= top[0]; break;
            case op_load: *top++ = var[*pc++]; break;
            case op_store: var[*pc++] = *--top; break;
            case op_dup: top[0] = top[-1], top++; break;
            case op_jump_if: pc = *--top ? program + *pc : pc + 1; break;
            case op_halt: return var[2] * 1000003 ^ var[3];
        }
    }
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), sum = 0;
    for (uint64_t i = 0; i < rounds; i++) sum = sum * 31 + run(i);
    return print_checksum(sum);
}

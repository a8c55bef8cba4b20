// Calls of sin, exp, log and pow in the C library's own code. One round is one call of each.
#include "kernel.h"

#include <math.h>

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 0x9e3779b97f4a7c15u;
    double sum = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        double x = (double)(next_random(&random) >> 40) * 0x1p-20;
        sum += sin(x) + exp(-x) + log(x + 0.5) + pow(x + 1, 0.3);
    }
    printf("sum %.6f\n", sum);
    return 0;
}

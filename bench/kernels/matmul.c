// Product of square matrices of double. The entries are small integers, so every sum is exact and fused
// multiply-add gives the same bits. One round is one product.
#include "kernel.h"

enum { size = 96 };
static double a[size][size], b[size][size], c[size][size];

static void multiply(void) {
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            double sum = 0;
            for (int k = 0; k < size; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 88172645463325252u;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            a[i][j] = (double)(int64_t)(next_random(&random) % 201) - 100;
            b[i][j] = (double)(int64_t)(next_random(&random) % 201) - 100;
        }
    double trace = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        a[i % size][i * 7 % size] += 1;
        multiply();
        for (int k = 0; k < size; k++) trace += c[k][k];
    }
    printf("trace %.0f\n", trace);
    return 0;
}

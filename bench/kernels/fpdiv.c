// Division and square root in double and float, latency-bound: Newton steps and a continued fraction. One
// round is one fraction of 32 terms.
#include "kernel.h"

#include <math.h>

static double fraction(double x) {
    double value = 1;
    for (int i = 32; i > 0; i--) value = i + x / (value + 1);
    return value;
}

static float root_by_newton(float x) {
    float guess = x;
    for (int i = 0; i < 8; i++) guess = 0.5f * (guess + x / guess);
    return guess;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv);
    double sum = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        double x = (double)(i & 1023) + 1;
        sum += fraction(x) / sqrt(x + fraction(x + sqrt(sum + 1)));
        sum += root_by_newton((float)x) - sqrtf((float)x);
    }
    printf("sum %.3f\n", sum);
    return 0;
}

// Escape times over a window of the Mandelbrot set: a short loop of double multiplies and a compare. One
// round is one row of 256 points.
#include "kernel.h"

enum { width = 256, depth = 96 };

static unsigned escape_time(double re, double im) {
    double x = 0, y = 0;
    for (unsigned n = 0; n < depth; n++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4) return n;
        y = 2 * x * y + im;
        x = xx - yy + re;
    }
    return depth;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), sum = 0;
    for (uint64_t row = 0; row < rounds; row++) {
        double im = -1.2 + 2.4 * ((double)row + 0.5) / (double)rounds;
        for (int col = 0; col < width; col++) sum = sum * 31 + escape_time(-2.1 + 2.8 * col / width, im);
    }
    return print_checksum(sum);
}

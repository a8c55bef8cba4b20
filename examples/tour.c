// The program `make run` shows where Debian's archive cannot be reached: it names the machine it believes to
// run on and draws the Mandelbrot set, which exercises integer and double-precision code and the C library's
// output.
#include <stdio.h>
#include <sys/utsname.h>

enum { width = 78, height = 24, limit = 2000 };

static int iterations(double cx, double cy) {
    double x = 0, y = 0;
    int n = 0;
    for (; n < limit && x * x + y * y < 4; n++) {
        double next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
    }
    return n;
}

int main(void) {
    static const char shades[] = " .:-=+*#%@";
    struct utsname machine;
    if (uname(&machine) == 0) printf("hello from %s on %s\n", machine.machine, machine.sysname);
    long total = 0;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            int n = iterations(-2.1 + 2.8 * column / width, -1.2 + 2.4 * row / height);
            total += n;
            putchar(n == limit ? shades[9] : shades[n % 9]);
        }
        putchar('\n');
    }
    printf("%ld iterations\n", total);
    return 0;
}

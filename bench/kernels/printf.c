// Formatted output: snprintf of integers, strings and a double, and fprintf through a stdio buffer. One round
// is one line.
#include "kernel.h"

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 31415926, sum = 0;
    FILE* sink = fopen("/dev/null", "w");
    if (!sink) return 1;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t r = next_random(&random);
        char line[128];
        int length = snprintf(line, sizeof line, "%d %s %08x %-6c| %.3f %llu", (int)(r >> 33),
                              r & 1 ? "left" : "right", (unsigned)r, (int)('a' + r % 26),
                              (double)(r >> 44) / 64, (unsigned long long)(r >> 20));
        for (int j = 0; j < length; j += 7) sum = sum * 31 + (unsigned char)line[j];
        fprintf(sink, "%s #%llu\n", line, (unsigned long long)i);
    }
    fclose(sink);
    return print_checksum(sum);
}

// CRC-32 (IEEE 802.3) by a table of 256 words, a byte at a time: one long dependence chain through loads. One
// round is 64 KiB.
#include "kernel.h"

enum { size = 65536 };
static uint32_t table[256];
static unsigned char data[size];

static uint32_t crc(uint32_t value, const unsigned char* bytes, size_t count) {
    value = ~value;
    for (size_t i = 0; i < count; i++) value = value >> 8 ^ table[(value ^ bytes[i]) & 255];
    return ~value;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), random = 7777777;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
        table[i] = value;
    }
    for (int i = 0; i < size; i++) data[i] = (unsigned char)next_random(&random);
    uint32_t value = 0;
    for (uint64_t i = 0; i < rounds; i++) value = crc(value, data, size);
    return print_checksum(value);
}

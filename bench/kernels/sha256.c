// SHA-256 (FIPS 180-4) over 64 KiB: rotates, adds and logic on 32-bit words. One round is one message. The
// standard's constants are computed from the roots of primes, as it defines them.
#include "kernel.h"

enum { message_size = 65536 };
static unsigned char message[message_size + 64];
static uint32_t round_constant[64], initial[8];

static uint32_t rotate(uint32_t v, int by) { return v >> by | v << (32 - by); }

// The first 32 bits of the fraction of the square or cube root of n.
static uint32_t root_fraction(uint64_t n, int degree) {
    unsigned __int128 target = (unsigned __int128)n << 32 * degree;
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 37; bit; bit >>= 1) {
        unsigned __int128 trial = root | bit, power = trial * trial;
        if (degree == 3) power *= trial;
        if (power <= target) root |= bit;
    }
    return (uint32_t)root;
}

static void make_constants(void) {
    int found = 0;
    for (uint64_t n = 2; found < 64; n++) {
        uint64_t d = 2;
        while (d * d <= n && n % d) d++;
        if (d * d <= n) continue;
        if (found < 8) initial[found] = root_fraction(n, 2);
        round_constant[found++] = root_fraction(n, 3);
    }
}

static void compress(uint32_t state[8], const unsigned char* block) {
    uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25), choose = (e & f) ^ (~e & g);
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22), majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t t = h + s1 + choose + round_constant[i] + w[i];
        h = g, g = f, f = e, e = d + t;
        d = c, c = b, b = a, a = t + s0 + majority;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv), bits = (uint64_t)message_size * 8;
    uint32_t state[8] = {0};
    make_constants();
    message[message_size] = 0x80;
    for (int i = 0; i < 8; i++) message[message_size + 63 - i] = (unsigned char)(bits >> 8 * i);
    for (uint64_t i = 0; i < rounds; i++) {
        message[i % message_size]++;
        for (int j = 0; j < 8; j++) state[j] = initial[j];
        for (int at = 0; at < message_size + 64; at += 64) compress(state, message + at);
    }
    for (int j = 0; j < 8; j++) printf("%08x", (unsigned)state[j]);
    return puts("") < 0;
}

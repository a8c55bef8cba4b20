// Loops over memory whose pages go away and come back at random: what the guest's registers are at each fault.
//
//   program FAULTS
//
// Kernels of many kinds work on an arena. Some of its pages have no rights; the handler of the fault writes a record of the
// whole context, gives the page back, takes another away by chance and lets the kernel go on. Records go to standard output;
// behind the last one comes the arena, which shows whether the kernels went on rightly. What the program does is the same in
// every run: it has no library, its memory is at fixed addresses, and its registers begin with zeros.
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

enum {
    call_write = 64,
    call_exit = 93,
    call_rt_sigaction = 134,
    call_sigaltstack = 132,
    call_mmap = 222,
    call_mprotect = 226
};
enum { sigsegv = 11, prot_none = 0, prot_read = 1, prot_all = 3 };
enum { page = 4096, pages = 32, most_away = 16, words = pages * page / 8 };

#define arena ((u8*)0x20000000ul)

static long call(long number, u64 a, u64 b, u64 c, u64 d, u64 e) {
    register u64 a0 __asm__("a0") = a;
    register u64 a1 __asm__("a1") = b;
    register u64 a2 __asm__("a2") = c;
    register u64 a3 __asm__("a3") = d;
    register u64 a4 __asm__("a4") = e;
    register u64 a5 __asm__("a5") = 0;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
    return (long)a0;
}

static __attribute__((noreturn)) void leave(int status) {
    for (;;) call(call_exit, (u64)status, 0, 0, 0, 0);
}

static void write_all(const void* bytes, u64 count) {
    for (const u8* at = bytes; count != 0;) {
        const long written = call(call_write, 1, (u64)at, count, 0, 0);
        if (written <= 0) leave(2);
        at += written;
        count -= (u64)written;
    }
}

// ---- Chance ----

static u64 next_random(u64* state) {  // Vigna, xorshift64*, 2016
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dul;
}
static u64 chance_state = 88172645463325252ul;
static u64 chance(void) { return next_random(&chance_state); }

// ---- Faults ----

/// What run.py knows, too.
struct record {
    u64 address, code;
    u64 pc, x[31], f[32], fcsr;
};
static struct record records[64];
static u32 recorded;
static u64 faults_left;

/// Of each page: its rights.
static u8 rights[pages];
static u32 away;

static void protect(u64 number, int prot) {
    away += (prot != prot_all) - (rights[number] != prot_all);
    rights[number] = (u8)prot;
    if (call(call_mprotect, (u64)(arena + number * page), page, (u64)prot, 0, 0) != 0) leave(3);
}

static void take_away(u64 number) {
    if (faults_left == 0 || away >= most_away) return;
    protect(number % pages, chance() % 3 == 0 ? prot_read : prot_none);
}

// riscv64's siginfo and ucontext, as far as they matter.
struct info {
    int number, error, code, pad;
    u64 address;
};
struct context {
    u8 before[176];
    u64 pc, x[31], f[32];
    u32 fcsr;
};

static void handle(int number, const struct info* info, const struct context* context) {
    (void)number;
    const u64 at = (info->address - (u64)arena) / page;
    if (at >= pages) leave(4);
    struct record* record = &records[recorded++];
    record->address = info->address;
    record->code = (u64)info->code;
    record->pc = context->pc;
    for (int i = 0; i < 31; i++) record->x[i] = context->x[i];
    for (int i = 0; i < 32; i++) record->f[i] = context->f[i];
    record->fcsr = context->fcsr;
    if (recorded == sizeof records / sizeof records[0]) {
        write_all(records, sizeof records);
        recorded = 0;
    }
    if (faults_left != 0) --faults_left;
    protect(at, prot_all);
    // Mostly what a loop may come to soon, but not what it has just got.
    take_away(at + 1 + chance() % (chance() % 4 == 0 ? pages - 1 : 3));
    if (chance() % 4 == 0) take_away(at + 1 + chance() % (pages - 1));
}

// ---- Kernels ----
//
// Each works from `seed` on, and gives a number that depends on all that it did. Loops are short, so that many begin and end.

typedef u64 kernel(u64 seed);
#define KERNEL static __attribute__((noinline)) u64

#define numbers ((u64*)arena)
#define halves ((u32*)arena)
#define doubles ((double*)(arena + 8 * page))
#define singles ((float*)(arena + 16 * page))

KERNEL mix_words(u64 seed) {
    u64 a = seed, b = ~seed, c = 3, d = 5, e = 7, f = 11, g = 13, h = 17;
    const u64* from = numbers + seed % (words / 2);
    u64* to = numbers + words / 2 + (seed >> 20) % (words / 4);
    for (u64 i = 0; i < 600; i++) {
        a += from[i] ^ (b >> 3);
        b = (b << 7 | b >> 57) + c;
        c ^= d * 9 + a;
        d += e & f;
        e = (e >> 1) ^ to[i];
        f += g | h;
        g ^= a + i;
        h = h * 31 + from[i + 1];
        to[i] = a ^ c ^ e ^ h;
    }
    return a + b + c + d + e + f + g + h;
}

KERNEL add_products(u64 seed) {
    const double* x = doubles + seed % 2048;
    double* y = doubles + 3000;
    double scale = (double)(seed % 1000) / 64, sum = 0, most = 0, least = 1e300, quotient = 1;
    for (u64 i = 0; i < 500; i++) {
        const double value = x[i];
        y[i] = y[i] * 0.5 + scale * value;
        sum += y[i];
        if (value > most) most = value;
        if (value < least) least = value;
        if (i % 16 == 0) quotient = (quotient + y[i]) / (value - least);
        if (!(sum < 1e18 && sum > -1e18)) sum = (double)i;
    }
    return (u64)(long)sum ^ (u64)(long)(most - least) ^ (u64)(long)quotient;
}

KERNEL convert_numbers(u64 seed) {
    float* out = singles;
    u64 total = 0;
    for (u64 i = 0; i < 500; i++) {
        const double value = doubles[(seed + 3 * i) % 4096];
        out[i] = (float)value * 1.25f;
        total += (u64)(int)value + (u64)(long)out[i] + (u64)(u32)(value * 3);
        doubles[(seed + 5 * i) % 4096] = (double)(long)(numbers[i] >> 8) / 1024 + (double)(int)i;
    }
    return total;
}

KERNEL filter_signal(u64 seed) {
    const float a = (float)(seed % 16) / 8, b = 0.25f, c = -0.5f, d = 0.125f, e = 1.5f;
    const float* in = singles + seed % 1024;
    float* out = singles + 2048;
    float last = 0;
    for (u64 i = 0; i < 400; i++) {
        last = in[i] * a + in[i + 1] * b + in[i + 2] * c + in[i + 3] * d + in[i + 4] * e + last * 0.5f;
        if (!(last < 1e6f && last > -1e6f)) last = 1;
        out[i] = last;
    }
    return (u64)(long)last;
}

KERNEL multiply_matrices(u64 seed) {
    enum { n = 12 };
    const double *a = doubles + seed % 512, *b = doubles + 1500;
    double* c = doubles + 2500;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++) sum += a[64 * i + k] * b[64 * k + j];
            c[64 * i + j] = sum < 1e9 && sum > -1e9 ? sum : 1;
        }
    return (u64)(long)c[65];
}

KERNEL count_bytes(u64 seed) {
    u32* counts = halves + 28 * (page / 4);
    const u8* text = arena + seed % (16 * page);
    u64 longest = 0, length = 0;
    for (u64 i = 0; i < 1200; i++) {
        counts[text[i]]++;
        length = text[i] < 128 ? length + 1 : 0;
        if (length > longest) longest = length;
    }
    return longest + counts[0];
}

KERNEL follow_chain(u64 seed) {
    u64 at = seed % words, sum = 0;
    for (u64 i = 0; i < 80; i++) {
        const u64 value = numbers[at];
        sum += value ^ at;
        numbers[(at + 17) % words] ^= sum;
        at = (value * 0x9e3779b97f4a7c15ul >> 40) % words;
    }
    return sum;
}

KERNEL sort_some(u64 seed) {
    u32* array = halves + seed % (20 * (page / 4));
    enum { n = 120, stride = 41 };
    for (u64 gap = 40; gap != 0; gap /= 3)
        for (u64 i = gap; i < n; i++) {
            const u32 value = array[stride * i];
            u64 at = i;
            for (; at >= gap && array[stride * (at - gap)] > value; at -= gap)
                array[stride * at] = array[stride * (at - gap)];
            array[stride * at] = value;
        }
    return array[stride * 5];
}

static __attribute__((noinline)) u64 partition_sum(u64 from, u64 to, u64 depth) {
    if (to - from < 4 || depth == 0) {
        u64 sum = 0;
        for (u64 i = from; i < to; i++) sum += numbers[i * 97 % words];
        return sum;
    }
    const u64 middle = from + (to - from) / 2;
    const u64 left = partition_sum(from, middle, depth - 1), right = partition_sum(middle, to, depth - 1);
    numbers[middle * 97 % words] += left ^ right;
    return left + right;
}
KERNEL recurse(u64 seed) { return partition_sum(seed % 1000, seed % 1000 + 256, 9); }

KERNEL access_across(u64 seed) {
    u64 sum = 0;
    for (u64 i = 0; i < 60; i++) {
        u8* const at = arena + (seed + i * (page / 2 - 3)) % ((pages - 1) * page);
        u64 value;
        u32 half;
        __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "r"(at) : "memory");
        __asm__ volatile("lw %0, 5(%1)" : "=r"(half) : "r"(at) : "memory");
        sum += value + half;
        __asm__ volatile("sd %0, 8(%1)" ::"r"(sum), "r"(at) : "memory");
        __asm__ volatile("sh %0, 3(%1)" ::"r"(sum), "r"(at) : "memory");
    }
    return sum;
}

KERNEL change_at_once(u64 seed) {
    u64 sum = 0, at = seed;
    for (u64 i = 0; i < 40; i++) {
        at = at * 6364136223846793005ul + 1442695040888963407ul;
        u64* const word = &numbers[(at >> 33) % words];
        u32* const half = &halves[(at >> 30) % (2 * words)];
        sum += __atomic_fetch_add(word, i, __ATOMIC_RELAXED);
        sum ^= __atomic_fetch_or(half, 1u << i % 32, __ATOMIC_ACQUIRE);
        sum += __atomic_exchange_n(word, sum, __ATOMIC_RELEASE);
    }
    return sum;
}

KERNEL divide_numbers(u64 seed) {
    u64 sum = 0;
    for (u64 i = 0; i < 60; i++) {
        const u64 at = (seed + i * 509) % words;
        const long value = (long)numbers[at], by = (long)numbers[(at + 1) % words] >> (i % 50);
        long quotient, rest;
        __asm__("div %0, %1, %2" : "=r"(quotient) : "r"(value), "r"(by));
        __asm__("rem %0, %1, %2" : "=r"(rest) : "r"(value), "r"(by));
        sum += (u64)(quotient ^ rest);
        numbers[(at + 3) % words] = sum;
    }
    return sum;
}

KERNEL interpret_code(u64 seed) {
    u64 stack = seed, other = 1;
    for (u64 i = 0, at = seed % (8 * page); i < 500; i++, at = (at + 1) % (8 * page)) {
        const u8 code = arena[at];
        switch (code % 8) {
            case 0: stack += other; break;
            case 1: stack ^= numbers[stack % words]; break;
            case 2: other = stack >> 3; break;
            case 3: arena[(stack ^ other) % (pages * page)] = (u8)i; break;
            case 4: at += code / 8; break;
            case 5: stack *= 7; break;
            case 6: other -= halves[other % words]; break;
            default: stack = stack << 1 | stack >> 63; break;
        }
        at %= 8 * page;
    }
    return stack ^ other;
}

struct body {
    double x, y, z, vx, vy, vz, mass;
    u64 steps;
};
KERNEL move_bodies(u64 seed) {
    struct body* const all = (struct body*)(arena + 20 * page);
    enum { n = 6, stride = 83 };
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            struct body *a = &all[stride * i], *b = &all[stride * j];
            const double dx = b->x - a->x, dy = b->y - a->y, dz = b->z - a->z;
            const double distance = dx * dx + dy * dy + dz * dz + 0.01;
            double root;
            __asm__("fsqrt.d %0, %1" : "=f"(root) : "f"(distance));
            const double pull = (b->mass + (double)(seed % 5)) / (distance * root);
            a->vx = (a->vx + dx * pull) * 0.5;
            a->vy = (a->vy + dy * pull) * 0.5;
            a->vz = (a->vz + dz * pull) * 0.5;
            a->x = a->x * 0.5 + a->vx;
            a->y = a->y * 0.5 + a->vy;
            a->z = a->z * 0.5 + a->vz;
            a->mass = 1 + (double)(a->steps++ % 7);
        }
    return (u64)(long)all[0].x;
}

static __attribute__((noinline)) u64 hash(const u64* at, u64 salt) {
    return (*at ^ salt) * 0x9e3779b97f4a7c15ul;
}
KERNEL fill_table(u64 seed) {
    u64* const table = numbers + 10 * (page / 8);
    enum { slots = 2048 };
    u64 probes = 0;
    for (u64 i = 0; i < 200; i++) {
        const u64 key = hash(&numbers[(seed + i * 61) % words], seed) | 1;
        u64 slot = key >> 20;
        for (u64 tries = 0; tries < 8 && table[slot % slots] != key && table[slot % slots] % 16 != 0; tries++)
            ++slot, ++probes;
        table[slot % slots] = key;
    }
    return probes;
}

static kernel* const kernels[] = {mix_words,         add_products,  convert_numbers, filter_signal,
                                  multiply_matrices, count_bytes,   follow_chain,    sort_some,
                                  recurse,           access_across, change_at_once,  divide_numbers,
                                  interpret_code,    move_bodies,   fill_table};

// ---- The run ----

static u8 stack[16 * page] __attribute__((aligned(16), used)),
    signal_stack[4 * page] __attribute__((aligned(16)));

__attribute__((used)) static void run(u64 faults) {
    const struct {
        void* pointer;
        int flags;
        u64 size;
    } alternate = {signal_stack, 0, sizeof signal_stack};
    const struct {
        void* handler;
        u64 flags, mask;
    } action = {(void*)handle, 0x08000004, 0};  // SA_SIGINFO | SA_ONSTACK
    enum { map_fixed_private_anonymous = 0x32 };
    if (call(call_mmap, (u64)arena, pages * page, prot_all, map_fixed_private_anonymous, ~0ul) !=
            (long)arena ||
        call(call_sigaltstack, (u64)&alternate, 0, 0, 0, 0) != 0 ||
        call(call_rt_sigaction, sigsegv, (u64)&action, 0, 8, 0) != 0)
        leave(5);
    u64 data = 1;
    for (u64 i = 0; i < words; i++) numbers[i] = next_random(&data);
    for (u64 i = 0; i < 4096; i++) doubles[i] = (double)(int)numbers[i] / 4096;
    for (u64 i = 0; i < pages; i++) rights[i] = prot_all;

    u64 result = 0;
    for (faults_left = faults; faults_left != 0;) {
        while (away < most_away) take_away(chance());
        __asm__ volatile("csrw fflags, zero");
        result = result * 31 + kernels[chance() % (sizeof kernels / sizeof kernels[0])](chance() >> 8);
    }
    for (u64 i = 0; i < pages; i++) protect(i, prot_all);
    numbers[0] = result;
    write_all(records, recorded * sizeof records[0]);
    write_all(arena, pages * page);
    leave(0);
}

/// The number that the first argument is. Nothing else is taken from the stack that the kernel has made.
__attribute__((used)) static u64 read_number(const u64* initial_stack) {
    u64 number = 0;
    if (initial_stack[0] == 2)
        for (const char* at = (const char*)initial_stack[2]; *at >= '0' && *at <= '9'; at++)
            number = 10 * number + (u64)(*at - '0');
    return number;
}

__asm__(
    ".global _start\n"
    "_start:\n"
    ".option push\n.option norelax\nlla gp, __global_pointer$\n.option pop\n"
    "mv a0, sp\n"
    "call read_number\n"
    "lla sp, stack + 16 * 4096\n"
    ".irp reg, ra, tp, t0, t1, t2, t3, t4, t5, t6, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11\n"
    "li \\reg, 0\n"
    ".endr\n"
    ".irp reg, a1, a2, a3, a4, a5, a6, a7\n"
    "li \\reg, 0\n"
    ".endr\n"
    "tail run\n");

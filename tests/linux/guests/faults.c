// Faults of every kind of instruction that touches memory: the handler sees the exact pc and every register as
// it was before the instruction, and what it puts into the ucontext is what runs on. For riscv64 only.
//
// A case is entered by a handler that fills in all registers of its ucontext, and left by the fault's handler, which
// puts the context of before back. Each runs often enough to be translated anew as warm code.
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "check.h"

enum { LOAD, STORE, ATOMIC, RESERVED };

struct instruction {
    unsigned long start, at;  ///< one instruction before, and the one that faults
    const char* text;
    int kind, bytes, base, unused;  ///< base: the number of the register with the address
};
extern const struct instruction __start_instructions[], __stop_instructions[];

#define CASE(text, kind, bytes, base)                                                                    \
    "1: addi t3, t3, 7\n2: " text                                                                        \
    "\naddi t3, t3, 100\nebreak\n"                                                                       \
    ".pushsection .rodata\n3: .string \"" text                                                           \
    "\"\n.popsection\n"                                                                                  \
    ".pushsection instructions, \"a\"\n.balign 8\n.quad 1b, 2b, 3b\n.word " #kind ", " #bytes ", " #base \
    ", 0\n.popsection\n"
#define AMO(name, bytes) CASE(name " a5, a1, (a0)", 2, bytes, 10)

__asm__(".option push\n.option norvc\n.option norelax\n.balign 4\n"
        // clang-format off
    CASE("lb a5, 0(a0)", 0, 1, 10) CASE("lbu a5, 0(a0)", 0, 1, 10) CASE("lh a5, 0(a0)", 0, 2, 10)
    CASE("lhu a5, 0(a0)", 0, 2, 10) CASE("lw a5, 0(a0)", 0, 4, 10) CASE("lwu a5, 0(a0)", 0, 4, 10)
    CASE("ld a5, 0(a0)", 0, 8, 10) CASE("ld a0, 0(a0)", 0, 8, 10) CASE("flw fa5, 0(a0)", 0, 4, 10)
    CASE("fld fa5, 0(a0)", 0, 8, 10) CASE(".insn 0x00051787", 0, 2, 10)  // flh fa5, 0(a0)
    CASE("sb a5, 0(a0)", 1, 1, 10) CASE("sh a5, 0(a0)", 1, 2, 10) CASE("sw a5, 0(a0)", 1, 4, 10)
    CASE("sd a5, 0(a0)", 1, 8, 10) CASE("sd zero, 0(a0)", 1, 8, 10) CASE("fsw fa5, 0(a0)", 1, 4, 10)
    CASE("fsd fa5, 0(a0)", 1, 8, 10) CASE(".insn 0x00f51027", 1, 2, 10)  // fsh fa5, 0(a0)
    AMO("amoadd.w", 4) AMO("amoadd.d", 8) AMO("amoswap.w.aqrl", 4) AMO("amoswap.d.aqrl", 8) AMO("amoxor.w", 4)
    AMO("amoand.d", 8) AMO("amoor.w", 4) AMO("amomin.w", 4) AMO("amomax.d", 8) AMO("amominu.d", 8) AMO("amomaxu.w", 4)
    CASE("amoadd.d zero, a1, (a0)", 2, 8, 10)
    CASE(".insn 0x28b527af", 2, 4, 10) CASE(".insn 0x28b537af", 2, 8, 10)  // amocas.w, amocas.d a5, a1, (a0)
    CASE(".insn 0x28c5472f", 2, 16, 10)                                    // amocas.q a4, a2, (a0)
    CASE(".insn 0x00b517af", 2, 2, 10)                                     // amoadd.h a5, a1, (a0)
    CASE("lr.w a5, (a0)", 3, 4, 10) CASE("lr.d.aq a5, (a0)", 3, 8, 10)
    ".option rvc\n"
    CASE("c.lw a5, 0(a0)", 0, 4, 10) CASE("c.ld a5, 0(a0)", 0, 8, 10) CASE("c.fld fa5, 0(a0)", 0, 8, 10)
    CASE("c.lwsp a5, 0(sp)", 0, 4, 2) CASE("c.ldsp a5, 0(sp)", 0, 8, 2) CASE("c.fldsp fa5, 0(sp)", 0, 8, 2)
    CASE("c.sw a5, 0(a0)", 1, 4, 10) CASE("c.sd a5, 0(a0)", 1, 8, 10) CASE("c.fsd fa5, 0(a0)", 1, 8, 10)
    CASE("c.swsp a5, 0(sp)", 1, 4, 2) CASE("c.sdsp a5, 0(sp)", 1, 8, 2) CASE("c.fsdsp fa5, 0(sp)", 1, 8, 2)
    CASE(".insn 0x811c", 0, 1, 10) CASE(".insn 0x851c", 0, 2, 10)          // c.lbu, c.lhu a5, 0(a0)
    CASE(".insn 0x891c", 1, 1, 10) CASE(".insn 0x8d1c", 1, 2, 10)          // c.sb, c.sh a5, 0(a0)
        // clang-format on
        ".option pop\n");

static ucontext_t before;  // of the handler that enters the case
static ucontext_t wanted;  // what the registers shall be in the case
static volatile siginfo_t seen;
static ucontext_t found;
static volatile int taken;

static void enter(int number, siginfo_t* info, void* context) {
    (void)number, (void)info;
    ucontext_t* frame = context;
    before = *frame;
    frame->uc_mcontext = wanted.uc_mcontext;
}
static void leave(int number, siginfo_t* info, void* context) {
    (void)number;
    seen = *info;
    ucontext_t* frame = context;
    found = *frame;
    ++taken;
    frame->uc_mcontext = before.uc_mcontext;
}

/// Runs from `pc` with `base` in a register, all others distinct, until the fault.
static void run(unsigned long pc, int base, unsigned long address) {
    ucontext_t now;
    getcontext(&now);
    unsigned long* x = wanted.uc_mcontext.__gregs;
    for (int i = 1; i < 32; ++i) x[i] = 0x1111111111111111ul * i ^ pc;
    x[0] = pc;
    __asm__("mv %0, gp" : "=r"(x[3]));
    __asm__("mv %0, tp" : "=r"(x[4]));
    x[base] = address;
    for (int i = 0; i < 32; ++i)
        wanted.uc_mcontext.__fpregs.__d.__f[i] = 0x4000000000000000ul + i * 0x123456789ul;
    wanted.uc_mcontext.__fpregs.__d.__fcsr = 1 << 5 | 0x15;
    taken = 0;
    raise(SIGUSR1);
    CHECK(taken == 1);
}

/// The registers are those that the case began with; `steps` times 7 were added to t3.
static int unharmed(unsigned long pc, int steps) {
    const unsigned long *x = wanted.uc_mcontext.__gregs, *y = found.uc_mcontext.__gregs;
    int same = y[0] == pc;
    for (int i = 1; i < 32; ++i) same &= y[i] == x[i] + (i == 28 ? 7 * steps : 0);
    for (int i = 0; i < 32; ++i)
        same &= found.uc_mcontext.__fpregs.__d.__f[i] == wanted.uc_mcontext.__fpregs.__d.__f[i];
    return same && found.uc_mcontext.__fpregs.__d.__fcsr == wanted.uc_mcontext.__fpregs.__d.__fcsr;
}

static void expect(const struct instruction* i, unsigned long address, int number, int code, unsigned long at,
                   const char* why) {
    for (int round = 0; round < 12; ++round) {
        run(i->start, i->base, address);
        int right = seen.si_signo == number && seen.si_code == code && (unsigned long)seen.si_addr == at;
        if (right && unharmed(i->at, 1)) continue;
        ++failures;
        printf("%s, %s, round %d: signal %d code %d at %p, pc %+ld, registers %s\n", i->text, why, round,
               seen.si_signo, seen.si_code, seen.si_addr, (long)(found.uc_mcontext.__gregs[0] - i->at),
               unharmed(found.uc_mcontext.__gregs[0], 1) ? "unharmed" : "differ");
        break;
    }
}

static unsigned long mapped(int prot) {
    return (unsigned long)mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void accesses(void) {
    char* good = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long gone = (unsigned long)good + 4096, none = mapped(PROT_NONE), fixed = mapped(PROT_READ);
    int fd = memfd_create("short", 0);
    unsigned long empty = (unsigned long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    munmap(good + 4096, 4096);
    for (const struct instruction* i = __start_instructions; i != __stop_instructions; ++i) {
        expect(i, gone, SIGSEGV, SEGV_MAPERR, gone, "unmapped");
        expect(i, 16, SIGSEGV, SEGV_MAPERR, 16, "null");
        expect(i, none + 128, SIGSEGV, SEGV_ACCERR, none + 128, "no rights");
        expect(i, empty + 64, SIGBUS, BUS_ADRERR, empty + 64, "beyond the file");
        if (i->kind == STORE || i->kind == ATOMIC)
            expect(i, fixed + 16, SIGSEGV, SEGV_ACCERR, fixed + 16, "read-only");
        if (i->bytes == 1) continue;
        if (i->kind == ATOMIC || i->kind == RESERVED) {
            expect(i, (unsigned long)good + 1, SIGBUS, BUS_ADRALN, i->at, "misaligned");
        } else {
            memset(good, 0x5a, 4096);
            expect(i, gone - 1, SIGSEGV, SEGV_MAPERR, gone, "across pages");
            CHECK(good[4095] == 0x5a);
        }
    }
    close(fd);
}

static void fetches(void) {
    char* code = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long page = (unsigned long)code, next = page + 4096;
    int fd = memfd_create("short", 0);
    unsigned long empty = (unsigned long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned long data = mapped(PROT_READ | PROT_WRITE), none = mapped(PROT_NONE);
    munmap(code + 4096, 4096);
    const unsigned step = 0x007e0e13;  // addi t3, t3, 7
    struct {
        unsigned long pc, at, address;
        int number, code, steps;
    } cases[] = {
        {next, next, next, SIGSEGV, SEGV_MAPERR, 0},
        {data, data, data, SIGSEGV, SEGV_ACCERR, 0},
        {none + 4, none + 4, none + 4, SIGSEGV, SEGV_ACCERR, 0},
        {empty + 8, empty + 8, empty + 8, SIGBUS, BUS_ADRERR, 0},
        {next - 8, next, next, SIGSEGV, SEGV_MAPERR, 2},       // runs into the next page
        {next - 18, next - 2, next, SIGSEGV, SEGV_MAPERR, 4},  // an instruction across the border
        {1ul << 38, 1ul << 38, 1ul << 38, SIGSEGV, SEGV_MAPERR, 0},
        {~0ul << 12, ~0ul << 12, ~0ul << 12, SIGSEGV, SEGV_MAPERR, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        for (unsigned long at = next; (at -= 4) >= page;) memcpy((void*)at, &step, 4);
        if (cases[i].at == next - 2)
            for (unsigned long at = next - 18; at + 2 <= next; at += 4)
                memcpy((void*)at, &step, at + 4 <= next ? 4 : 2);
        __asm__ volatile("fence.i" ::: "memory");
        for (int round = 0; round < 12; ++round) {
            run(cases[i].pc, 10, 0);
            int right = seen.si_signo == cases[i].number && seen.si_code == cases[i].code &&
                        (unsigned long)seen.si_addr == cases[i].address;
            if (right && unharmed(cases[i].at, cases[i].steps)) continue;
            ++failures;
            printf("fetch %u, round %d: signal %d code %d at %p, pc %+ld\n", i, round, seen.si_signo,
                   seen.si_code, seen.si_addr, (long)(found.uc_mcontext.__gregs[0] - cases[i].at));
            break;
        }
    }
    close(fd);
}

int main(void) {
    static char stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = enter, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_sigaction = leave;
    for (int i = 0; i < 4; ++i) sigaction((int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP}[i], &action, NULL);
    accesses();
    fetches();
    return verdict();
}

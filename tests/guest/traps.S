// Instructions that stop the guest: which signal arrives, that it arrives at the instruction itself, and that nothing
// of the instruction has been done.
#include "case.inc"

#define SIGILL 4
#define SIGTRAP 5
#define SIGBUS 7
#define SIGSEGV 11

// Runs the instruction at 781; the handler notes the signal's number and whether pc was there, and goes on behind it.
#define TRAPS(name, signal, ...) \
    lla s2, 781f;                \
    sd zero, 0(s1);              \
    781: __VA_ARGS__;            \
    ld a0, 0(s1);                \
    EXPECT(name, a0, signal)

START
lla s1, seen
li a0, SIGILL
call handle
li a0, SIGTRAP
call handle
li a0, SIGBUS
call handle
li a0, SIGSEGV
call handle

TRAPS(ebreak, SIGTRAP, .word 0x00100073)
TRAPS(c.ebreak, SIGTRAP, c.ebreak)
TRAPS(illegal, SIGILL, .half 0)
TRAPS(illegal, SIGILL, .word 0xffffffff)

// A reserved rounding mode traps where it is used.
csrwi frm, 5
fmv.d.x fa0, zero
li a1, 3
TRAPS(fadd.d, SIGILL, fadd.d fa0, fa0, fa0, dyn)
TRAPS(fcvt.d.l, SIGILL, fcvt.d.l fa0, a1, dyn)
fmv.x.d a0, fa0
EXPECT(fcvt.d.l, a0, 0)
csrwi frm, 0
TRAPS(fadd.d, 0, fadd.d fa0, fa0, fa0, dyn)

// Registers that are not there, and writes to one that is only read.
TRAPS(csrrw, SIGILL, csrw cycle, zero)
TRAPS(csrrs, SIGILL, csrrs a1, cycle, a1)
TRAPS(csrrsi, SIGILL, csrrsi a1, time, 1)
TRAPS(csrrs, SIGILL, csrr a1, mstatus)
TRAPS(csrrs, SIGILL, csrr a1, 0xc22)
EXPECT(csrrs, a1, 3)
TRAPS(csrrs, 0, csrrs a1, cycle, zero)

// Memory that is not there; the destination and memory keep their values.
li a1, 3
li a2, 64
TRAPS(ld, SIGSEGV, ld a1, 0(a2))
TRAPS(sd, SIGSEGV, sd a1, 0(a2))
TRAPS(lb, SIGSEGV, lb zero, 1(a2))
TRAPS(fld, SIGSEGV, fld fa0, 0(a2))
TRAPS(amoadd.d, SIGSEGV, amoadd.d a1, a2, (a2))
TRAPS(lr.d, SIGSEGV, lr.d a1, (a2))
EXPECT(ld, a1, 3)

// Atomics must be aligned.
lla a2, buffer + 1
TRAPS(amoadd.w, SIGBUS, amoadd.w a1, a2, (a2))
TRAPS(amoswap.d, SIGBUS, amoswap.d a1, a2, (a2))
EXPECT(amoswap.d, a1, 3)
ld a0, 0(a2)
EXPECT(amoswap.d, a0, 0)
TRAPS(lr.w, SIGBUS, lr.w a1, (a2))
TRAPS(lr.d, SIGBUS, lr.d a1, (a2))
EXPECT(lr.d, a1, 3)
// An SC without a reservation fails before its address matters.
TRAPS(sc.d, 0, sc.d a1, a2, (a2))
EXPECT(sc.d, a1, 1)
j done

handle: // the signal a0
lla a1, action
li a2, 0
li a3, 8
li a7, 134 // rt_sigaction
ecall
ret

handler: // a0: the signal, a2: the context, whose pc is at 176
ld a3, 176(a2)
bne a3, s2, elsewhere
sd a0, 0(s1)
elsewhere:
lhu a4, 0(a3)
andi a4, a4, 3
addi a3, a3, 2
addi a4, a4, -3
bnez a4, compressed
addi a3, a3, 2
compressed:
sd a3, 176(a2)
ret

done:
FINISH
MEMORY
.balign 8
seen: .dword 0
action: .dword handler, 4 /* SA_SIGINFO */, 0

// A: atomics on words and doublewords, by one hart.
#include "case.inc"

START

AMO(amoswap.w, 0xffffffff80000001, 0x7ffffffffffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoswap.d, 0x7fffffff80000001, 0x80000000fffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoadd.w, 0xffffffff80000001, 0x7fffffff7fffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoadd.d, 0x7fffffff80000001, 0x7fffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoxor.w, 0xffffffff80000001, 0x7fffffff7fffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoxor.d, 0x7fffffff80000001, 0xffffffff7fffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoand.w, 0xffffffff80000001, 0x7fffffff80000000, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoand.d, 0x7fffffff80000001, 0x80000000, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoor.w, 0xffffffff80000001, 0x7fffffffffffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amoor.d, 0x7fffffff80000001, 0xffffffffffffffff, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomin.w, 0xffffffff80000001, 0x7fffffff80000001, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomin.w, 0xfffffffffffffffe, 0x80000000fffffffe, 0x80000000fffffffe, 5)
AMO(amomin.d, 0x7fffffff80000001, 0x80000000fffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomin.d, 0x80000000fffffffe, 0x80000000fffffffe, 0x80000000fffffffe, 5)
AMO(amomax.w, 0xffffffff80000001, 0x7ffffffffffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomax.w, 0xfffffffffffffffe, 0x8000000000000005, 0x80000000fffffffe, 5)
AMO(amomax.d, 0x7fffffff80000001, 0x7fffffff80000001, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomax.d, 0x80000000fffffffe, 5, 0x80000000fffffffe, 5)
AMO(amominu.w, 0xffffffff80000001, 0x7fffffff80000001, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amominu.w, 0xfffffffffffffffe, 0x8000000000000005, 0x80000000fffffffe, 5)
AMO(amominu.d, 0x7fffffff80000001, 0x7fffffff80000001, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amominu.d, 0x80000000fffffffe, 5, 0x80000000fffffffe, 5)
AMO(amomaxu.w, 0xffffffff80000001, 0x7ffffffffffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomaxu.w, 0xfffffffffffffffe, 0x80000000fffffffe, 0x80000000fffffffe, 5)
AMO(amomaxu.d, 0x7fffffff80000001, 0x80000000fffffffe, 0x7fffffff80000001, 0x80000000fffffffe)
AMO(amomaxu.d, 0x80000000fffffffe, 0x80000000fffffffe, 0x80000000fffffffe, 5)
AMO(amoadd.w.aq, 1, 3, 1, 2)
AMO(amoadd.d.rl, 1, 3, 1, 2)
AMO(amoswap.d.aqrl, 1, 2, 1, 2)

// rd may be any of the sources.
lla a1, buffer
li a2, 5
sd a2, 0(a1)
li a0, 7
amoadd.d a0, a0, (a1)
EXPECT(amoadd.d, a0, 5)
ld a0, 0(a1)
EXPECT(amoadd.d, a0, 12)
amoadd.d a1, a1, (a1)
EXPECT(amoadd.d, a1, 12)

// A reservation lets one store succeed, and ends with it.
lla a1, buffer
LI(a2, 0x7fffffff80000001)
sd a2, 0(a1)
lr.w a0, (a1)
EXPECT(lr.w, a0, 0xffffffff80000001)
li a3, 3
sc.w a0, a3, (a1)
EXPECT(sc.w, a0, 0)
ld a0, 0(a1)
EXPECT(sc.w, a0, 0x7fffffff00000003)
sc.w a0, a3, (a1)
EXPECT(sc.w, a0, 1)
lr.d.aqrl a0, (a1)
EXPECT(lr.d, a0, 0x7fffffff00000003)
sc.d.rl a0, a2, (a1)
EXPECT(sc.d, a0, 0)
ld a0, 0(a1)
EXPECT(sc.d, a0, 0x7fffffff80000001)
sc.d a0, a2, (a1)
EXPECT(sc.d, a0, 1)
// Without a reservation on this address it fails and stores nothing; so it does once another store came between.
lr.w.aq a0, (a1)
addi a4, a1, 8
sd zero, 8(a1)
sc.w a0, a3, (a4)
EXPECT(sc.w, a0, 1)
ld a0, 8(a1)
EXPECT(sc.w, a0, 0)
sc.w a0, a3, (a1)
EXPECT(sc.w, a0, 1)
lr.d a0, (a1)
sd a3, 0(a1)
sc.d a0, a2, (a1)
EXPECT(sc.d, a0, 1)
ld a0, 0(a1)
EXPECT(sc.d, a0, 3)
// The loop that all of this is for.
li a4, 10
1: lr.d a0, (a1)
add a0, a0, a4
sc.d a2, a0, (a1)
bnez a2, 1b
addi a4, a4, -1
bnez a4, 1b
ld a0, 0(a1)
EXPECT(sc.d, a0, 58)
// The result register may be the address.
lr.d a0, (a1)
sc.d a1, a0, (a1)
EXPECT(sc.d, a1, 0)

FINISH
MEMORY

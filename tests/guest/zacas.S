// Zacas: compare and swap. Worked out from the manual: the qemu of Debian 12 lacks it.
#include "case.inc"

START
.option arch, +zacas

CAS(amocas.w, 0xffffffff80000001, 0x1122334400000005, 0x1122334480000001, 0x80000001, 5)
CAS(amocas.w, 0xffffffff80000001, 0x1122334480000001, 0x1122334480000001, 0x80000002, 5)
CAS(amocas.w.aqrl, 7, 0x1122334400000009, 0x1122334400000007, 0xffffffff00000007, 9)
CAS(amocas.d, 0x1122334480000001, 5, 0x1122334480000001, 0x1122334480000001, 5)
CAS(amocas.d, 0x1122334480000001, 0x1122334480000001, 0x1122334480000001, 0x80000001, 5)

// Pairs of registers: the even one is the low half.
lla a1, buffer
li a2, 0x11
sd a2, 0(a1)
li a2, 0x22
sd a2, 8(a1)
li a2, 0x11
li a3, 0x23
li a4, 0x33
li a5, 0x44
amocas.q a2, a4, (a1)
EXPECT(amocas.q, a2, 0x11)
EXPECT(amocas.q, a3, 0x22)
ld a0, 0(a1)
EXPECT(amocas.q, a0, 0x11)
amocas.q.aqrl a2, a4, (a1)
EXPECT(amocas.q, a2, 0x11)
EXPECT(amocas.q, a3, 0x22)
ld a0, 0(a1)
EXPECT(amocas.q, a0, 0x33)
ld a0, 8(a1)
EXPECT(amocas.q, a0, 0x44)
// The pair of x0 is 0, whatever x1 holds, and takes nothing.
li ra, 99
amocas.q zero, a4, (a1)
ld a0, 0(a1)
EXPECT(amocas.q, a0, 0x33)
amocas.q a4, zero, (a1)
ld a0, 0(a1)
EXPECT(amocas.q, a0, 0)
ld a0, 8(a1)
EXPECT(amocas.q, a0, 0)
EXPECT(amocas.q, ra, 99)
EXPECT(amocas.q, a4, 0x33)
EXPECT(amocas.q, a5, 0x44)

FINISH
MEMORY

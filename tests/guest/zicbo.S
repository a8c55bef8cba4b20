// Zicbom, Zicbop, Zicboz: cache blocks of 64 bytes. Worked out from the manual and from what Linux allows in user
// mode: the qemu of Debian 12 lacks them.
#include "case.inc"

START
.option arch, +zicbom, +zicbop, +zicboz

lla a1, buffer
li a2, -1
sd a2, 56(a1)
sd a2, 64(a1)
sd a2, 96(a1)
sd a2, 120(a1)
sd a2, 128(a1)
addi a1, a1, 100
cbo.zero (a1)
addi a1, a1, -100
ld a0, 56(a1)
EXPECT(cbo.zero, a0, -1)
ld a0, 64(a1)
EXPECT(cbo.zero, a0, 0)
ld a0, 96(a1)
EXPECT(cbo.zero, a0, 0)
ld a0, 120(a1)
EXPECT(cbo.zero, a0, 0)
ld a0, 128(a1)
EXPECT(cbo.zero, a0, -1)

// What is cached stays what it was.
cbo.clean (a1)
ld a0, 128(a1)
EXPECT(cbo.clean, a0, -1)
cbo.flush (a1)
ld a0, 128(a1)
EXPECT(cbo.flush, a0, -1)

cbo.inval (a1)
ld a0, 128(a1)
EXPECT(cbo.inval, a0, -1)

// Hints never fault.
li a1, 64
prefetch.i 32(a1)
prefetch.r 0(a1)
prefetch.w -32(a1)
EXPECT(prefetch.i, a1, 64)
EXPECT(prefetch.r, a1, 64)
EXPECT(prefetch.w, a1, 64)

FINISH
MEMORY

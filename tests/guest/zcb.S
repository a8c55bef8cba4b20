// Zcb: compressed byte and halfword access, extension, complement, multiply. Worked out from the manual: the qemu of
// Debian 12 lacks it.
#include "case.inc"

START
.option arch, +zcb, +zba, +zbb

X(c.zext.b, 0xf0, 0x123456789abcdef0)
X(c.sext.b, 0xfffffffffffffff0, 0x123456789abcdef0)
X(c.sext.b, 0x70, 0x123456789abcde70)
X(c.zext.h, 0xdef0, 0x123456789abcdef0)
X(c.sext.h, 0xffffffffffffdef0, 0x123456789abcdef0)
X(c.sext.h, 0x5ef0, 0x123456789abc5ef0)
X(c.zext.w, 0x9abcdef0, 0x123456789abcdef0)
X(c.not, 0xedcba9876543210f, 0x123456789abcdef0)
XR(c.mul, 0xfffffffffffffff1, -3, 5)
XR(c.mul, 0, 0x100000000, 0x100000000)

lla a1, data + 4
c.lbu a0, 0(a1)
EXPECT(c.lbu, a0, 0x89)
c.lbu a0, 1(a1)
EXPECT(c.lbu, a0, 0xab)
c.lbu a0, 2(a1)
EXPECT(c.lbu, a0, 0xcd)
c.lbu a0, 3(a1)
EXPECT(c.lbu, a0, 0xef)
c.lhu a0, 0(a1)
EXPECT(c.lhu, a0, 0xab89)
c.lhu a0, 2(a1)
EXPECT(c.lhu, a0, 0xefcd)
c.lh a0, 0(a1)
EXPECT(c.lh, a0, 0xffffffffffffab89)
c.lh a0, 2(a1)
EXPECT(c.lh, a0, 0xffffffffffffefcd)
lla a1, buffer
sd zero, 0(a1)
li a2, 0x1234
c.sb a2, 0(a1)
c.sb a2, 3(a1)
ld a0, 0(a1)
EXPECT(c.sb, a0, 0x34000034)
c.sh a2, 0(a1)
addi a1, a1, 4
c.sh a2, 2(a1)
ld a0, -4(a1)
EXPECT(c.sh, a0, 0x1234000034001234)

FINISH
MEMORY

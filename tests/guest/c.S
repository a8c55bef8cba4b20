// C: compressed instructions.
#include "case.inc"

START

XI(c.addi, 0x8000000000000000, 0x7fffffffffffffff, 1)
XI(c.addi, 0xffffffffffffffe5, 5, -32)
XI(c.addiw, 0xffffffff80000000, 0x7fffffff, 1)
XI(c.addiw, 0xffffffff9abcdef0, 0x123456789abcdef0, 0)
XI(c.slli, 2, 0x8000000000000001, 1)
XI(c.slli, 0x8000000000000000, 3, 63)
XI(c.srli, 0x4000000000000000, 0x8000000000000001, 1)
XI(c.srli, 1, -1, 63)
XI(c.srai, 0xc000000000000000, 0x8000000000000001, 1)
XI(c.srai, 0xffffffffffffffff, 0x8000000000000001, 63)
XI(c.andi, 15, 0x0123456789abcdef, 31)
XI(c.andi, 0x123456789abcde0, 0x0123456789abcdef, -16)
XR(c.add, 0x8000000000000000, 0x7fffffffffffffff, 1)
XR(c.sub, 0xffffffffffffffff, 0, 1)
XR(c.and, 0x23006700ab00ef, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
XR(c.or, 0x1ff45ff89ffcdff, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
XR(c.xor, 0x1dc45988954cd10, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
XR(c.addw, 0xffffffff80000000, 0x7fffffff, 1)
XR(c.subw, 0x7fffffff, 0x80000000, 1)
XR(c.mv, 0x123456789abcdef, 7, 0x0123456789abcdef)
c.li a0, -32
EXPECT(c.li, a0, 0xffffffffffffffe0)
c.li a0, 31
EXPECT(c.li, a0, 31)
c.lui a0, 0xfffe0
EXPECT(c.lui, a0, 0xfffffffffffe0000)
c.lui a0, 31
EXPECT(c.lui, a0, 0x1f000)

// Hints do nothing.
li a0, 9
c.nop
.half 0x0005 // c.nop 1
.half 0x8101 // c.srli64 a0
.half 0x8501 // c.srai64 a0
.half 0x0502 // c.slli64 a0
EXPECT(c.nop, a0, 9)
EXPECT(c.srli64, a0, 9)
EXPECT(c.srai64, a0, 9)
EXPECT(c.slli64, a0, 9)

// The stack pointer.
mv s0, sp
lla sp, buffer + 64
c.addi16sp sp, -512
lla a1, buffer + 64
sub a0, sp, a1
EXPECT(c.addi16sp, a0, 0xfffffffffffffe00)
c.addi16sp sp, 496
sub a0, sp, a1
EXPECT(c.addi16sp, a0, 0xfffffffffffffff0)
c.addi4spn a0, sp, 1020
sub a0, a0, sp
EXPECT(c.addi4spn, a0, 0x3fc)
lla sp, buffer
LI(a1, 0x8877665544332211)
c.sdsp a1, 8(sp)
ld a0, 8(sp)
EXPECT(c.sdsp, a0, 0x8877665544332211)
c.ldsp a0, 8(sp)
EXPECT(c.ldsp, a0, 0x8877665544332211)
c.lwsp a0, 12(sp)
EXPECT(c.lwsp, a0, 0xffffffff88776655)
c.swsp a1, 16(sp)
ld a0, 16(sp)
EXPECT(c.swsp, a0, 0x44332211)
c.fldsp fa0, 8(sp)
fmv.x.d a0, fa0
EXPECT(c.fldsp, a0, 0x8877665544332211)
c.fsdsp fa0, 504(sp)
ld a0, 504(sp)
EXPECT(c.fsdsp, a0, 0x8877665544332211)
mv sp, s0

// Memory through a register.
lla a1, data
c.lw a0, 4(a1)
EXPECT(c.lw, a0, 0xffffffffefcdab89)
c.ld a0, 8(a1)
EXPECT(c.ld, a0, 0x8796a5b4c3d2e1f0)
c.fld fa0, 8(a1)
fmv.x.d a0, fa0
EXPECT(c.fld, a0, 0x8796a5b4c3d2e1f0)
lla a1, buffer
sd zero, 120(a1)
sd zero, 248(a1)
LI(a2, 0x123456789abcdef0)
c.sw a2, 124(a1)
ld a0, 120(a1)
EXPECT(c.sw, a0, 0x9abcdef000000000)
c.sd a2, 248(a1)
ld a0, 248(a1)
EXPECT(c.sd, a0, 0x123456789abcdef0)
c.fsd fa0, 248(a1)
ld a0, 248(a1)
EXPECT(c.fsd, a0, 0x8796a5b4c3d2e1f0)

// Control flow.
li a0, 0
li a1, 0
c.beqz a1, 1f
li a0, 1
1: EXPECT(c.beqz, a0, 0)
li a1, 1
c.beqz a1, 1f
li a0, 1
1: EXPECT(c.beqz, a0, 1)
c.bnez a1, 1f
li a0, 2
1: EXPECT(c.bnez, a0, 1)
c.bnez a0, 2f
3: c.j 4f
2: c.bnez a0, 3b
li a0, 3
4: EXPECT(c.j, a0, 1)
lla a1, increment
c.jalr a1
EXPECT(c.jalr, a0, 2)
after_call:
lla a2, 5f
c.jr a2
li a0, 0
5: EXPECT(c.jr, a0, 2)
j past_functions
increment:
addi a0, a0, 1
c.jr ra
past_functions:

// An instruction of four bytes at an address that two divides and four does not.
.balign 4
c.nop
lui a0, 0x12345
EXPECT(lui, a0, 0x12345000)

FINISH
MEMORY
.zero 512

// What compilers write for rotations, extensions and scaled sums where there is neither Zba nor Zbb: code generators may
// know these together. Operands come from memory, so that nobody computes the results beforehand.
#include "case.inc"

START

#define OPERAND(reg, offset) \
    lla t0, operands;        \
    ld reg, offset(t0)

// reg = operand rotated right by n: `from` may be `reg`; both shifts' registers are looked at or not.
#define ROTATE(left, right, join, n, rest, want, offset, reg, from) \
    OPERAND(from, offset);                                          \
    left t1, from, rest;                                            \
    right reg, from, n;                                             \
    join reg, t1, reg;                                              \
    li t1, 0;                                                       \
    EXPECT(join, reg, want)
#define ROTATE_SEEN(left, right, join, n, rest, want_left, want_right, want, offset) \
    OPERAND(s2, offset);                                                          \
    left a1, s2, rest;                                                            \
    right s3, s2, n;                                                              \
    join a2, s3, a1;                                                              \
    EXPECT(join, a2, want);                                                       \
    EXPECT(left, a1, want_left);                                                  \
    EXPECT(right, s3, want_right)
#define EXTEND(right, by, want, offset) \
    OPERAND(s2, offset);                \
    slli a0, s2, by;                    \
    right a0, a0, by;                   \
    EXPECT(right, a0, want)
#define SCALED(reg, by, want, offset, addend) \
    OPERAND(reg, offset);                     \
    OPERAND(addend, 16);                      \
    slli reg, reg, by;                        \
    add reg, reg, addend;                     \
    EXPECT(add, reg, want)
#define SCALED_CONSTANT(reg, by, want, offset, addend) \
    OPERAND(reg, offset);                              \
    slli reg, reg, by;                                 \
    addi reg, reg, addend;                             \
    EXPECT(addi, reg, want)

ROTATE(slliw, srliw, or, 7, 25, 0x20eca864, 0, a0, a1)
ROTATE(slliw, srliw, xor, 25, 7, 0x2a19083b, 0, a1, a1)
ROTATE(slliw, srliw, add, 1, 31, 0x3b2a1908, 0, s2, s3)
ROTATE(slliw, srliw, or, 31, 1, 0xffffffffeca86420, 0, s4, s4)
ROTATE(slli, srli, or, 7, 57, 0x21fdb97530eca864, 0, a0, a1)
ROTATE(slli, srli, add, 57, 7, 0x6e5d4c3b2a19087f, 0, a1, a1)
ROTATE(slli, srli, xor, 32, 32, 0x76543210fedcba98, 0, s2, s3)
// Amounts and kinds of shifts that do not belong together.
ROTATE(slliw, srliw, or, 7, 24, 0x10eca864, 0, a0, a1)
ROTATE(slliw, sraiw, or, 7, 25, 0x20eca864, 0, a0, a1)
ROTATE(slli, srli, or, 7, 25, 0x31fdb97530eca864, 0, a0, a1)
ROTATE_SEEN(slliw, srliw, or, 9, 23, 0x8000000, 0x3b2a19, 0x83b2a19, 0)
ROTATE_SEEN(slli, srli, xor, 9, 55, 0x800000000000000, 0x7f6e5d4c3b2a19, 0x87f6e5d4c3b2a19, 0)
EXTEND(srli, 32, 0x76543210, 0)
EXTEND(srai, 32, 0x76543210, 0)
EXTEND(srli, 48, 0x3210, 0)
EXTEND(srai, 48, 0x3210, 0)
EXTEND(srli, 56, 0x10, 0)
EXTEND(srai, 56, 0x10, 0)
EXTEND(srli, 40, 0x543210, 0)
EXTEND(srai, 40, 0x543210, 0)
SCALED(a0, 1, 0xeca97531fdba864, 0, a1)
SCALED(s2, 2, 0xc840c840c840c84, 0, a2)
SCALED(a3, 3, 0x7f6f6e5e5d4d4c4, 0, s3)
SCALED(s4, 3, 0x7f6f6e5e5d4d4c4, 0, s5)
SCALED(a4, 4, 0xfedccba998766544, 0, a5)
SCALED_CONSTANT(a0, 1, 0xfdb97530eca86425, 0, 5)
SCALED_CONSTANT(s2, 3, 0xf6e5d4c3b2a19079, 0, -7)
ROTATE(slliw, srliw, or, 7, 25, 0xffffffffbdf13579, 8, a0, a1)
ROTATE(slliw, srliw, xor, 25, 7, 0x4d5e6f7c, 8, a1, a1)
ROTATE(slliw, srliw, add, 1, 31, 0x7c4d5e6f, 8, s2, s3)
ROTATE(slliw, srliw, or, 31, 1, 0xfffffffff13579bd, 8, s4, s4)
ROTATE(slli, srli, or, 7, 57, 0xbc02468acff13579, 8, a0, a1)
ROTATE(slli, srli, add, 57, 7, 0x91a2b3fc4d5e6f00, 8, a1, a1)
ROTATE(slli, srli, xor, 32, 32, 0xf89abcde01234567, 8, s2, s3)
// Amounts and kinds of shifts that do not belong together.
ROTATE(slliw, srliw, or, 7, 24, 0xffffffffdff13579, 8, a0, a1)
ROTATE(slliw, sraiw, or, 7, 25, 0xfffffffffff13579, 8, a0, a1)
ROTATE(slli, srli, or, 7, 25, 0xcff377fbfff13579, 8, a0, a1)
ROTATE_SEEN(slliw, srliw, or, 9, 23, 0x6f000000, 0x7c4d5e, 0x6f7c4d5e, 8)
ROTATE_SEEN(slli, srli, xor, 9, 55, 0x6f00000000000000, 0x91a2b3fc4d5e, 0x6f0091a2b3fc4d5e, 8)
EXTEND(srli, 32, 0xf89abcde, 8)
EXTEND(srai, 32, 0xfffffffff89abcde, 8)
EXTEND(srli, 48, 0xbcde, 8)
EXTEND(srai, 48, 0xffffffffffffbcde, 8)
EXTEND(srli, 56, 0xde, 8)
EXTEND(srai, 56, 0xffffffffffffffde, 8)
EXTEND(srli, 40, 0x9abcde, 8)
EXTEND(srai, 40, 0xffffffffff9abcde, 8)
SCALED(a0, 1, 0x1357acf22468be00, 8, a1)
SCALED(s2, 2, 0x159e37c2159e37bc, 8, a2)
SCALED(a3, 3, 0x1a2b4d61f8092b34, 8, s3)
SCALED(s4, 3, 0x1a2b4d61f8092b34, 8, s5)
SCALED(a4, 4, 0x234578a1bcdf1224, 8, a5)
SCALED_CONSTANT(a0, 1, 0x2468acff13579c1, 8, 5)
SCALED_CONSTANT(s2, 3, 0x91a2b3fc4d5e6e9, 8, -7)

// Low halves of sums, and what was extended already.
OPERAND(a1, 0)
OPERAND(s2, 8)
add a0, a1, s2
sext.w a0, a0
EXPECT(sext.w, a0, 0x6eeeeeee)
lw a1, 8(t0)
sext.w s2, a1
EXPECT(sext.w, s2, 0xfffffffff89abcde)
lwu s3, 8(t0)
sext.w a1, s3
EXPECT(sext.w, a1, 0xfffffffff89abcde)
addw a1, a1, s3
addw s2, a1, a1
slli s2, s2, 32
srli s2, s2, 32
EXPECT(srli, s2, 0xe26af378)

// Registers that are written again before anybody looks.
OPERAND(a1, 0)
mv s2, a1
addi s3, s2, 1
mv s2, s3
addi s2, s2, 1
ld s3, 8(t0)
sub s2, s2, a1
EXPECT(mv, s2, 2)

.pushsection .rodata
.balign 8
operands: .quad 0xfedcba9876543210, 0x1234567f89abcde, 0x1111222233334444
.popsection

FINISH

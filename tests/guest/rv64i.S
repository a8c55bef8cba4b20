// The base integer instructions.
#include "case.inc"

START
.option arch, +zihintpause

RRI(addi, 0x8000000000000000, 0x7fffffffffffffff, 1)
RRI(addi, 0xffffffffffffffff, 5, -6)
RRI(slti, 1, -1, 0)
RRI(slti, 0, 5, -5)
RRI(sltiu, 1, -2, -1)
RRI(sltiu, 0, 5, 5)
RRI(xori, 0xfedcba9876543210, 0x0123456789abcdef, -1)
RRI(xori, 0xf8f0, 0xff00, 0x7f0)
RRI(ori, 0x123456789abcdff, 0x0123456789abcdef, 0x0f0)
RRI(ori, 0xfffffffffffff900, 0x100, -0x800)
RRI(andi, 0x5e0, 0x0123456789abcdef, 0x7f0)
RRI(andi, 0x123456789abcde0, 0x0123456789abcdef, -16)
RRI(slli, 2, 0x8000000000000001, 1)
RRI(slli, 0x8000000000000000, 3, 63)
RRI(srli, 0x4000000000000000, 0x8000000000000001, 1)
RRI(srli, 1, 0xf000000000000000, 63)
RRI(srai, 0xc000000000000000, 0x8000000000000001, 1)
RRI(srai, 0xffffffffffffffff, 0x8000000000000001, 63)
RRI(addiw, 0xffffffff80000000, 0x7fffffff, 1)
RRI(addiw, 0xffffffff9abcdef0, 0x123456789abcdef0, 0)
RRI(slliw, 0xffffffff80000002, 0x40000001, 1)
RRI(slliw, 0xffffffff80000000, 0xffffffff00000001, 31)
RRI(srliw, 0x40000000, 0xffffffff80000000, 1)
RRI(srliw, 0xffffffff80000000, 0xffffffff80000000, 0)
RRI(sraiw, 0xffffffffc0000000, 0x80000000, 1)
RRI(sraiw, 1, 0xffffffff40000000, 30)

RRR(add, 0x8000000000000000, 0x7fffffffffffffff, 1)
RRR(add, 0, 0xffffffffffffffff, 1)
RRR(sub, 0xffffffffffffffff, 0, 1)
RRR(sub, 0x7fffffffffffffff, 0x8000000000000000, 1)
RRR(sll, 6, 0x8000000000000003, 65)
RRR(sll, 0x8000000000000000, 1, -1)
RRR(slt, 1, -1, 1)
RRR(slt, 0, 1, -1)
RRR(sltu, 0, -1, 1)
RRR(sltu, 1, 1, -1)
RRR(xor, 0x1dc45988954cd10, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
RRR(srl, 0x4000000000000001, 0x8000000000000003, 65)
RRR(srl, 1, -1, 127)
RRR(sra, 0xc000000000000001, 0x8000000000000003, 65)
RRR(sra, 1, 0x7fffffffffffffff, 62)
RRR(or, 0x1ff45ff89ffcdff, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
RRR(and, 0x23006700ab00ef, 0x00ff00ff00ff00ff, 0x0123456789abcdef)
RRR(addw, 0xffffffff80000000, 0x7fffffff, 1)
RRR(addw, 0, 0xffffffff00000001, 0x00000000ffffffff)
RRR(subw, 0x7fffffff, 0x80000000, 1)
RRR(subw, 0xffffffffffffffff, 0, 1)
RRR(sllw, 0xffffffff80000002, 0x40000001, 33)
RRR(sllw, 0xffffffff80000000, 1, 63)
RRR(srlw, 0x40000000, 0xffffffff80000000, 33)
RRR(srlw, 0xffffffff80000000, 0xffffffff80000000, 32)
RRR(sraw, 0xffffffffc0000000, 0x80000000, 33)
RRR(sraw, 1, 0xffffffff7fffffff, 30)

// x0 takes no value, and is 0 as a source.
li a0, 5
add x0, a0, a0
addi x0, a0, 1
lui x0, 1
EXPECT(add, x0, 0)
add a0, x0, x0
EXPECT(add, a0, 0)

lui a0, 0x80000
EXPECT(lui, a0, 0xffffffff80000000)
lui a0, 0x7ffff
EXPECT(lui, a0, 0x7ffff000)
auipc a0, 0x12345
auipc a1, 0
sub a0, a0, a1
EXPECT(auipc, a0, 0x12344ffc)
auipc a0, 0xfffff
auipc a1, 0
sub a0, a0, a1
EXPECT(auipc, a0, 0xffffffffffffeffc)

LOAD(lb, 35, 1)
LOAD(lb, 0xffffffffffffffef, 7)
LOAD(lbu, 0xef, 7)
LOAD(lh, 0x6745, 2)
LOAD(lh, 0xffffffffffffefcd, 6)
LOAD(lh, 0xfffffffffffff0ef, 7)
LOAD(lhu, 0xefcd, 6)
LOAD(lw, 0x67452301, 0)
LOAD(lw, 0xfffffffff0efcdab, 5)
LOAD(lwu, 0xefcdab89, 4)
LOAD(lwu, 0x8796a5b4, 12)
LOAD(ld, 0xefcdab8967452301, 0)
LOAD(ld, 0xd2e1f0efcdab8967, 3)
STORE(sb, 0xfffffffffffff0ff, 1, 0x123456789abcdef0)
STORE(sb, 0x7fffffffffffffff, 15, 0x7f)
STORE(sh, 0xffffffffdef0ffff, 2, 0x123456789abcdef0)
STORE(sh, 0xffffff0000ffffff, 11, 0)
STORE(sw, 0x9abcdef0ffffffff, 4, 0x123456789abcdef0)
STORE(sw, 0xffffff00000000ff, 9, 0)
STORE(sd, 0x123456789abcdef0, 0, 0x123456789abcdef0)
STORE(sd, 0xbcdef0ffffffffff, 5, 0x123456789abcdef0)

BRANCH(beq, 1, 5, 5)
BRANCH(beq, 0, 5, 0x100000005)
BRANCH(bne, 0, 5, 5)
BRANCH(bne, 1, 5, 0x100000005)
BRANCH(blt, 1, -1, 0)
BRANCH(blt, 0, 0, -1)
BRANCH(blt, 0, 7, 7)
BRANCH(bge, 0, -1, 0)
BRANCH(bge, 1, 0, -1)
BRANCH(bge, 1, 7, 7)
BRANCH(bltu, 0, -1, 0)
BRANCH(bltu, 1, 0, -1)
BRANCH(bltu, 0, 7, 7)
BRANCH(bgeu, 1, -1, 0)
BRANCH(bgeu, 0, 0, -1)
BRANCH(bgeu, 1, 7, 7)

// The link is the address after the jump.
lla a2, after_jal
jal a0, over_jal
after_jal:
li a0, 0
over_jal:
sub a0, a0, a2
EXPECT(jal, a0, 0)
// A jump through the register that the link goes to, its low bit ignored.
lla a0, over_jalr + 1 - 16
jalr a0, 16(a0)
after_jalr:
li a0, 0
over_jalr:
lla a2, after_jalr
sub a0, a0, a2
EXPECT(jalr, a0, 0)
// A call and its return, near and with auipc; a return through the alternate link register.
li a0, 1
jal ra, twice
EXPECT(jal, a0, 2)
1: auipc ra, %pcrel_hi(twice)
jalr ra, %pcrel_lo(1b)(ra)
EXPECT(jalr, a0, 4)
lla a1, twice_t0
jalr t0, 0(a1)
EXPECT(jalr, a0, 8)
j past_functions
twice:
add a0, a0, a0
ret
twice_t0:
add a0, a0, a0
jr t0
past_functions:
// A loop.
li a0, 0
li a1, 100
2: add a0, a0, a1
addi a1, a1, -1
bnez a1, 2b
EXPECT(bne, a0, 5050)

// Fences of every kind only order.
li a0, 7
fence
fence rw, w
fence r, rw
fence w, r
fence io, io
fence.tso
pause
EXPECT(fence, a0, 7)
EXPECT(fence.tso, a0, 7)
EXPECT(pause, a0, 7)

// A system call with a number that is none fails with ENOSYS and leaves the other registers alone.
li a1, 11
li a7, 9999
ecall
EXPECT(ecall, a0, -38)
EXPECT(ecall, a1, 11)

FINISH
MEMORY

// Zifencei: code that was just written runs as written.
#include "case.inc"

START

fence.i
li a0, 5
EXPECT(fence.i, a0, 5)

// Two instructions on the stack, `li a0, 1` and `ret`, run if the stack can be made executable; else this test has
// nothing more to say.
mv s0, sp
li a0, -4096
and a0, sp, a0
li a1, 4096
li a2, 7
li a7, 226 // mprotect
ecall
bnez a0, done
li a0, -4096
and s1, sp, a0
LI(a1, 0x80824505)
sw a1, 0(s1)
fence.i
li a0, 0
jalr s1
EXPECT(fence.i, a0, 1)
LI(a1, 0x80824509)
sw a1, 0(s1)
fence.i
jalr s1
EXPECT(fence.i, a0, 2)
done:

FINISH

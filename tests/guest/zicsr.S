// Zicsr and Zicntr: the registers that user mode sees.
#include "case.inc"

START

// Read and write, set, clear; by register and by immediate.
li a1, 0xff
csrw fflags, zero
csrrw a0, fflags, a1
EXPECT(csrrw, a0, 0)
csrr a0, fflags
EXPECT(csrrw, a0, 0x1f)
li a1, 0x0a
csrrc a0, fflags, a1
EXPECT(csrrc, a0, 0x1f)
csrr a0, fflags
EXPECT(csrrc, a0, 0x15)
li a1, 0x02
csrrs a0, fflags, a1
EXPECT(csrrs, a0, 0x15)
csrr a0, fflags
EXPECT(csrrs, a0, 0x17)
csrrwi a0, fflags, 9
EXPECT(csrrwi, a0, 0x17)
csrrsi a0, fflags, 6
EXPECT(csrrsi, a0, 9)
csrrci a0, fflags, 3
EXPECT(csrrci, a0, 0xf)
csrr a0, fflags
EXPECT(csrrci, a0, 0xc)
// Operands of nothing change nothing.
csrrs a0, fflags, zero
csrrci a0, fflags, 0
csrrsi a0, fflags, 0
EXPECT(csrrs, a0, 0xc)
// rd and rs1 the same.
li a0, 0x11
csrrw a0, fflags, a0
EXPECT(csrrw, a0, 0xc)
csrr a0, fflags
EXPECT(csrrw, a0, 0x11)

// fcsr is frm above fflags; frm has three bits.
li a1, 0xfff
csrw fcsr, a1
csrr a0, fcsr
EXPECT(csrrw, a0, 0xff)
csrr a0, frm
EXPECT(csrrs, a0, 7)
csrwi frm, 2
csrr a0, fcsr
EXPECT(csrrwi, a0, 0x5f)
csrrwi a0, fflags, 0
csrr a0, fcsr
EXPECT(csrrwi, a0, 0x40)
li a1, 0x55
csrrw a0, fcsr, a1
csrr a0, frm
EXPECT(csrrw, a0, 2)
csrwi fcsr, 0

// Counters run.
csrr a1, cycle
csrr a2, cycle
sltu a0, a2, a1
EXPECT(csrrs, a0, 0)
csrr a1, time
csrr a2, time
sltu a0, a2, a1
EXPECT(csrrs, a0, 0)
csrr a1, instret
1: nop
csrr a2, instret
sltu a0, a2, a1
EXPECT(csrrs, a0, 0)

FINISH

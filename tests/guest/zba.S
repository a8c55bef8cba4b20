// Zba: address generation.
#include "case.inc"

START
.option arch, +zba

RRR(add.uw, 0x76544210, 0xfedcba9876543210, 0x1000)
RRR(add.uw, 0x80000000, 0xffffffff80000001, -1)
RRR(sh1add, 0xfdb97530eca87420, 0xfedcba9876543210, 0x1000)
RRR(sh1add, 0xffffffff00000001, 0xffffffff80000001, -1)
RRR(sh2add, 0xfb72ea61d950d840, 0xfedcba9876543210, 0x1000)
RRR(sh2add, 0xfffffffe00000003, 0xffffffff80000001, -1)
RRR(sh3add, 0xf6e5d4c3b2a1a080, 0xfedcba9876543210, 0x1000)
RRR(sh3add, 0xfffffffc00000007, 0xffffffff80000001, -1)
RRR(sh1add.uw, 0xeca87420, 0xfedcba9876543210, 0x1000)
RRR(sh1add.uw, 0x100000001, 0xffffffff80000001, -1)
RRR(sh2add.uw, 0x1d950d840, 0xfedcba9876543210, 0x1000)
RRR(sh2add.uw, 0x200000003, 0xffffffff80000001, -1)
RRR(sh3add.uw, 0x3b2a1a080, 0xfedcba9876543210, 0x1000)
RRR(sh3add.uw, 0x400000007, 0xffffffff80000001, -1)
RRI(slli.uw, 0x765432100, 0xfedcba9876543210, 4)
RRI(slli.uw, 0x8000000000000000, -1, 63)
RRI(slli.uw, 0x80000000, 0xffffffff80000000, 0)
RR(zext.w, 0xffffffff, -1)

FINISH

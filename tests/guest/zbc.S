// Zbc: carry-less multiplication.
#include "case.inc"

START
.option arch, +zbc

RRR(clmul, 0x1833dffa163dd1f0, 0x123456789abcdef0, 0xfedcba9876543211)
RRR(clmul, 0x5555555555555555, -1, -1)
RRR(clmul, 0, 0x8000000000000000, 2)
RRR(clmul, 0, 3, 0)
RRR(clmulh, 0xe038d8688850b04, 0x123456789abcdef0, 0xfedcba9876543211)
RRR(clmulh, 0x5555555555555555, -1, -1)
RRR(clmulh, 1, 0x8000000000000000, 2)
RRR(clmulh, 0, 3, 0)
RRR(clmulr, 0x1c071b0d110a1608, 0x123456789abcdef0, 0xfedcba9876543211)
RRR(clmulr, 0xaaaaaaaaaaaaaaaa, -1, -1)
RRR(clmulr, 2, 0x8000000000000000, 2)
RRR(clmulr, 0, 3, 0)

FINISH

// Zbkb and Zbkx: bit manipulation for cryptography.
#include "case.inc"

START
.option arch, +zbkb, +zbkx

RRR(pack, 0x7654321089abcdef, 0x0123456789abcdef, 0xfedcba9876543210)
RRR(pack, 0x8080ffff8001, 0xffffffffffff8001, 0x8080)
RRR(packh, 0x10ef, 0x0123456789abcdef, 0xfedcba9876543210)
RRR(packh, 0x8001, 0xffffffffffff8001, 0x8080)
RRR(packw, 0x3210cdef, 0x0123456789abcdef, 0xfedcba9876543210)
RRR(packw, 0xffffffff80808001, 0xffffffffffff8001, 0x8080)
RR(brev8, 0x80c4a2e691d5b3f7, 0x0123456789abcdef)
RR(brev8, 0x100000000000080, 0x8000000000000001)
RRR(xperm4, 0x123456789abcdef, 0xfedcba9876543210, 0x0123456789abcdef)
RRR(xperm4, 0xf8f9fafbfcfdfeff, 0x0123456789abcdef, 0x0706050403020100)
RRR(xperm4, 0xf7f8ffedcba9fc, 0x0123456789abcdef, 0xff08070012345603)
RRR(xperm8, 0x3200000000000000, 0xfedcba9876543210, 0x0123456789abcdef)
RRR(xperm8, 0x123456789abcdef, 0x0123456789abcdef, 0x0706050403020100)
RRR(xperm8, 0x1ef00000089, 0x0123456789abcdef, 0xff08070012345603)

FINISH

// Zicond: conditional zero. Worked out from the manual: the qemu of Debian 12 lacks it.
#include "case.inc"

START
.option arch, +zicond

RRR(czero.eqz, 0, 0x123456789abcdef0, 0)
RRR(czero.eqz, 0x123456789abcdef0, 0x123456789abcdef0, 1)
RRR(czero.eqz, 0x123456789abcdef0, 0x123456789abcdef0, 0x100000000)
RRR(czero.nez, 0x123456789abcdef0, 0x123456789abcdef0, 0)
RRR(czero.nez, 0, 0x123456789abcdef0, 1)
RRR(czero.nez, 0, 0x123456789abcdef0, 0x8000000000000000)

FINISH

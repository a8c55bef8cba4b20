// Zimop and Zcmop: may-be-operations; the former write zero, the latter nothing. Worked out from the manual: the
// qemu of Debian 12 lacks them.
#include "case.inc"

START
.option arch, +zimop, +zcmop

RR(mop.r.0, 0, 1)
RR(mop.r.1, 0, 2)
RR(mop.r.2, 0, 3)
RR(mop.r.3, 0, 4)
RR(mop.r.4, 0, 5)
RR(mop.r.5, 0, 6)
RR(mop.r.6, 0, 7)
RR(mop.r.7, 0, 8)
RR(mop.r.8, 0, 9)
RR(mop.r.9, 0, 10)
RR(mop.r.10, 0, 11)
RR(mop.r.11, 0, 12)
RR(mop.r.12, 0, 13)
RR(mop.r.13, 0, 14)
RR(mop.r.14, 0, 15)
RR(mop.r.15, 0, 16)
RR(mop.r.16, 0, 17)
RR(mop.r.17, 0, 18)
RR(mop.r.18, 0, 19)
RR(mop.r.19, 0, 20)
RR(mop.r.20, 0, 21)
RR(mop.r.21, 0, 22)
RR(mop.r.22, 0, 23)
RR(mop.r.23, 0, 24)
RR(mop.r.24, 0, 25)
RR(mop.r.25, 0, 26)
RR(mop.r.26, 0, 27)
RR(mop.r.27, 0, 28)
RR(mop.r.28, 0, 29)
RR(mop.r.29, 0, 30)
RR(mop.r.30, 0, 31)
RR(mop.r.31, 0, 32)
RRR(mop.rr.0, 0, 1, 2)
RRR(mop.rr.1, 0, 2, 2)
RRR(mop.rr.2, 0, 3, 2)
RRR(mop.rr.3, 0, 4, 2)
RRR(mop.rr.4, 0, 5, 2)
RRR(mop.rr.5, 0, 6, 2)
RRR(mop.rr.6, 0, 7, 2)
RRR(mop.rr.7, 0, 8, 2)

li x1, 1
c.mop.1
EXPECT(c.mop.1, x1, 1)
li x3, 3
c.mop.3
EXPECT(c.mop.3, x3, 3)
li x5, 5
c.mop.5
EXPECT(c.mop.5, x5, 5)
li x7, 7
c.mop.7
EXPECT(c.mop.7, x7, 7)
li x9, 9
c.mop.9
EXPECT(c.mop.9, x9, 9)
li x11, 11
c.mop.11
EXPECT(c.mop.11, x11, 11)
li x13, 13
c.mop.13
EXPECT(c.mop.13, x13, 13)
li x15, 15
c.mop.15
EXPECT(c.mop.15, x15, 15)

FINISH

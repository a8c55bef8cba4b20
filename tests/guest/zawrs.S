// Zawrs: waiting on a reservation may end at once. Worked out from the manual: the qemu of Debian 12 lacks it.
#include "case.inc"

START
.option arch, +zawrs

lla a1, buffer
li a0, 5
sd a0, 0(a1)
lr.d a0, (a1)
wrs.sto
EXPECT(wrs.sto, a0, 5)
// Without a reservation nothing is waited for.
sc.d a2, a0, (a1)
wrs.nto
EXPECT(wrs.nto, a0, 5)

FINISH
MEMORY

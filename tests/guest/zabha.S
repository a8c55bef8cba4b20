// Zabha: atomics on bytes and halfwords. Worked out from the manual: the qemu of Debian 12 lacks it.
#include "case.inc"

START
.option arch, +zabha, +zacas

AMO(amoswap.b, 0xfffffffffffffffe, 0x1122334455667703, 0x11223344556677fe, 0x1234567800004003)
AMO(amoswap.b, 3, 0x11223344556677f0, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoadd.b, 0xfffffffffffffffe, 0x1122334455667701, 0x11223344556677fe, 0x1234567800004003)
AMO(amoadd.b, 3, 0x11223344556677f3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoxor.b, 0xfffffffffffffffe, 0x11223344556677fd, 0x11223344556677fe, 0x1234567800004003)
AMO(amoxor.b, 3, 0x11223344556677f3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoand.b, 0xfffffffffffffffe, 0x1122334455667702, 0x11223344556677fe, 0x1234567800004003)
AMO(amoand.b, 3, 0x1122334455667700, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoor.b, 0xfffffffffffffffe, 0x11223344556677ff, 0x11223344556677fe, 0x1234567800004003)
AMO(amoor.b, 3, 0x11223344556677f3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomin.b, 0xfffffffffffffffe, 0x11223344556677fe, 0x11223344556677fe, 0x1234567800004003)
AMO(amomin.b, 3, 0x11223344556677f0, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomax.b, 0xfffffffffffffffe, 0x1122334455667703, 0x11223344556677fe, 0x1234567800004003)
AMO(amomax.b, 3, 0x1122334455667703, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amominu.b, 0xfffffffffffffffe, 0x1122334455667703, 0x11223344556677fe, 0x1234567800004003)
AMO(amominu.b, 3, 0x1122334455667703, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomaxu.b, 0xfffffffffffffffe, 0x11223344556677fe, 0x11223344556677fe, 0x1234567800004003)
AMO(amomaxu.b, 3, 0x11223344556677f0, 0x1122334455667703, 0xfffffffffffffff0)
// rd is compared in its low bits alone, and receives what was there.
CAS(amocas.b, 0xfffffffffffffffe, 0x112233445566f7bc, 0x112233445566f7fe, 0x55000000000000fe, 0x7abc)
CAS(amocas.b, 0xfffffffffffffffe, 0x112233445566f7fe, 0x112233445566f7fe, 0xff, 0x7abc)
AMO(amoswap.h, 0xffffffffffff80fe, 0x1122334455664003, 0x11223344556680fe, 0x1234567800004003)
AMO(amoswap.h, 0x7703, 0x112233445566fff0, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoadd.h, 0xffffffffffff80fe, 0x112233445566c101, 0x11223344556680fe, 0x1234567800004003)
AMO(amoadd.h, 0x7703, 0x11223344556676f3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoxor.h, 0xffffffffffff80fe, 0x112233445566c0fd, 0x11223344556680fe, 0x1234567800004003)
AMO(amoxor.h, 0x7703, 0x11223344556688f3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoand.h, 0xffffffffffff80fe, 0x1122334455660002, 0x11223344556680fe, 0x1234567800004003)
AMO(amoand.h, 0x7703, 0x1122334455667700, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amoor.h, 0xffffffffffff80fe, 0x112233445566c0ff, 0x11223344556680fe, 0x1234567800004003)
AMO(amoor.h, 0x7703, 0x112233445566fff3, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomin.h, 0xffffffffffff80fe, 0x11223344556680fe, 0x11223344556680fe, 0x1234567800004003)
AMO(amomin.h, 0x7703, 0x112233445566fff0, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomax.h, 0xffffffffffff80fe, 0x1122334455664003, 0x11223344556680fe, 0x1234567800004003)
AMO(amomax.h, 0x7703, 0x1122334455667703, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amominu.h, 0xffffffffffff80fe, 0x1122334455664003, 0x11223344556680fe, 0x1234567800004003)
AMO(amominu.h, 0x7703, 0x1122334455667703, 0x1122334455667703, 0xfffffffffffffff0)
AMO(amomaxu.h, 0xffffffffffff80fe, 0x11223344556680fe, 0x11223344556680fe, 0x1234567800004003)
AMO(amomaxu.h, 0x7703, 0x112233445566fff0, 0x1122334455667703, 0xfffffffffffffff0)
// rd is compared in its low bits alone, and receives what was there.
CAS(amocas.h, 0xfffffffffffff7fe, 0x1122334455667abc, 0x112233445566f7fe, 0x550000000000f7fe, 0x7abc)
CAS(amocas.h, 0xfffffffffffff7fe, 0x112233445566f7fe, 0x112233445566f7fe, 0xf7ff, 0x7abc)

// The bytes around it stay, at every place in a word.
lla a1, buffer + 3
sd zero, -3(a1)
li a2, 0x1ff
amoadd.b.aqrl a0, a2, (a1)
ld a0, -3(a1)
EXPECT(amoadd.b, a0, 0xff000000)
addi a1, a1, 3
amoswap.h.rl a0, a2, (a1)
ld a0, -6(a1)
EXPECT(amoswap.h, a0, 0x01ff0000ff000000)

FINISH
MEMORY

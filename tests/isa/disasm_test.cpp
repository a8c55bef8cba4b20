// What LLVM does not settle about assembly text: addresses of targets, data, names by number; and one line of
// each kind of operand as an example.
#include "isa/riscv64/disasm.h"

#include <gtest/gtest.h>

namespace kiln::riscv64 {
namespace {

std::string text(u32 word) { return disassemble(decode(word)); }

std::string text(u32 word, u64 pc) { return disassemble(decode(word), GuestAddr(pc)); }

TEST(Disassemble, TargetsAreOffsetsOrAddresses) {
    EXPECT_EQ(text(0xfe000ee3), "beq zero, zero, -4");
    EXPECT_EQ(text(0xfe000ee3, 0x10004), "beq zero, zero, 0x10000");
    EXPECT_EQ(text(0xa001, 0x10004), "c.j 0x10004");
    EXPECT_EQ(text(0xfe000ee3, 0), "beq zero, zero, 0xfffffffffffffffc");
    EXPECT_EQ(text(0x00008067, 0x10004), "jalr zero, 0(ra)");
}

TEST(Disassemble, IllegalWordsAreData) {
    EXPECT_EQ(text(0x0000), ".half 0x0000");
    EXPECT_EQ(text(0xffffffff), ".word 0xffffffff");
}

TEST(Disassemble, EveryKindOfOperand) {
    EXPECT_EQ(text(0x41f5d51b), "sraiw a0, a1, 31");
    EXPECT_EQ(text(0xfffff537), "lui a0, 1048575");
    EXPECT_EQ(text(0x06b6252f), "amoadd.w.aqrl a0, a1, (a2)");
    EXPECT_EQ(text(0x68c5f543), "fmadd.s fa0, fa1, fa2, fa3, dyn");
    EXPECT_EQ(text(0xd2058553), "fcvt.d.w fa0, a1");
    EXPECT_EQ(text(0xd2059553), "fcvt.d.w fa0, a1, rtz");
    EXPECT_EQ(text(0xc2859553), "fcvtmod.w.d a0, fa1, rtz");
    EXPECT_EQ(text(0xf0140553), "fli.s fa0, 0.25");
    EXPECT_EQ(text(0x0012d573), "csrrwi a0, fflags, 5");
    EXPECT_EQ(text(0x0310000f), "fence rw, w");
    EXPECT_EQ(text(0x85d5c573), "mop.r.5 a0, a1");
    EXPECT_EQ(text(0x0001), "c.nop");
    EXPECT_EQ(text(0x0015), "c.nop 5");
}

TEST(Disassemble, NamesByNumber) {
    EXPECT_STREQ(integer_register_name(8), "s0");
    EXPECT_STREQ(float_register_name(31), "ft11");
    EXPECT_EQ(csr_name(0xc01), "time");
    EXPECT_EQ(csr_name(0xc1f), "hpmcounter31");
    EXPECT_EQ(csr_name(0x3a2), "pmpcfg2");
    EXPECT_EQ(csr_name(0x3a3), "931");
    EXPECT_EQ(csr_name(0xc23), "3107");
}

}  // namespace
}  // namespace kiln::riscv64

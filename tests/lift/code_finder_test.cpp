// Finding code without running it: by calls, branches, returns and a jump table, and without taking data for code.
#include "run/code_finder.h"

#include <gtest/gtest.h>

#include <cstring>

#include "memory_code.h"
#include "run/wiring.h"

namespace kiln::run {
namespace {

constexpr u64 base = 0x10000, table = base + 0x40;

// What stands at each word, and which are beginnings of basic blocks.
struct Word {
    u32 bits;
    bool begins_block;
};
constexpr Word words[] = {
    {0x020000ef, true},   // 00: jal ra, 20
    {0x00050463, true},   // 04: beqz a0, 0c
    {0x00008067, true},   // 08: ret
    {0x00000797, true},   // 0c: auipc a5, 0
    {0x03478793, false},  // 10: addi a5, a5, 0x34: the table's address
    {0x0007a703, false},  // 14: lw a4, (a5)
    {0x00070067, false},  // 18: jr a4
    {0x00000000, false},  // 1c: no instruction, but named as a function
    {0x00000073, true},   // 20: ecall
    {0x00008067, true},   // 24: ret
    {0x00008067, true},   // 28: ret
    {0x00008067, true},   // 2c: ret
    {0x00008067, false},  // 30: not in the table: behind its end
};

TEST(CodeFinder, FollowsAllThatIsWritten) {
    std::vector<u8> bytes(sizeof(u32) * std::size(words));
    std::vector<GuestAddr> expected;
    for (std::size_t i = 0; i < std::size(words); ++i) {
        std::memcpy(bytes.data() + 4 * i, &words[i].bits, 4);
        if (words[i].begins_block) expected.push_back(GuestAddr(base + 4 * i));
    }
    // Two distances from the table, and what leads nowhere.
    constexpr i32 entries[] = {-0x18, -0x14, 0x7000'0000, -0x10};
    KnownCode known{.starts = {GuestAddr(base), GuestAddr(base + 0x1c), GuestAddr(base + 1), GuestAddr(0)},
                    .code = {{GuestAddr(base), static_cast<u32>(bytes.size())}},
                    .read = [&](GuestAddr from, std::span<u8> to) {
                        const u64 offset = from.raw - table;
                        if (offset >= sizeof entries || to.size() > sizeof entries - offset) return false;
                        std::memcpy(to.data(), reinterpret_cast<const u8*>(entries) + offset, to.size());
                        return true;
                    }};
    test::MemoryCode code{GuestAddr(base), bytes};
    const abi::LiftOptions options{.extend = false, .read_once = true};
    CodeFinder finder(frontend_of(GuestIsa::riscv64), options, known);
    std::size_t units = 0;
    EXPECT_EQ(finder.find(code, [&] { ++units; }), expected);
    EXPECT_GE(units, expected.size());
}

}  // namespace
}  // namespace kiln::run

// What the run loop does for debuggers: stops, single steps, watched data.
#include <gtest/gtest.h>

#include "abi/watch.h"
#include "guest.h"

namespace kiln::test {
namespace {

using abi::ExitReason;

struct Debugged : testing::TestWithParam<u32> {
    Guest guest{{.warm_after = GetParam()}};
};
// Cold units only, and warm ones at once.
INSTANTIATE_TEST_SUITE_P(Units, Debugged, testing::Values(1000000u, 0u));

/// Counts a0 up to 100, then makes a system call.
Assembler counting_loop() {
    Assembler code(code_at);
    code.imm(InstId::addi, a1, zero, 100);
    code.label("again");
    code.imm(InstId::addi, a0, a0, 1);
    code.label("middle");
    code.imm(InstId::addi, a2, a2, 2);
    code.branch(InstId::bne, a0, a1, "again");
    code.plain(InstId::ecall);
    return code;
}

TEST_P(Debugged, LeavesBeforeAStopEveryTime) {
    const Assembler code = counting_loop();
    guest.put(code);
    Hart hart(guest);
    const GuestAddr middle = code.at("middle");
    guest.engine->set_stops({middle});
    EXPECT_TRUE(guest.engine->is_stop(middle));
    for (u64 round = 1; round <= 100; ++round) {
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::breakpoint);
        ASSERT_EQ(hart.state.pc, middle.raw);
        ASSERT_EQ(hart.state.x[a0], round);
        ASSERT_EQ(hart.state.x[a2], 2 * (round - 1));
        ASSERT_EQ(guest.engine->step(*hart.thread), ExitReason::poll);
        ASSERT_EQ(hart.state.pc, middle.raw + 4);
    }
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
}

TEST_P(Debugged, StopsComeAndGoInCodeThatIsLinked) {
    const Assembler code = counting_loop();
    guest.put(code);
    Hart hart(guest);
    ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    for (int round = 0; round < 3; ++round) {
        hart.state.pc = code_at.raw;
        hart.state.x[a0] = 0;
        guest.engine->set_stops({code.at("again"), code.at("middle")});
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::breakpoint);
        ASSERT_EQ(hart.state.pc, code.at("again").raw);
        guest.engine->set_stops({code.at("middle")});
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::breakpoint);
        ASSERT_EQ(hart.state.pc, code.at("middle").raw);
        guest.engine->set_stops({});
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        ASSERT_EQ(hart.state.x[a0], 100u);
    }
}

TEST_P(Debugged, StepsAreOneInstruction) {
    const Assembler code = counting_loop();
    guest.put(code);
    Hart hart(guest);
    ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);  // all is linked now
    const u64 before = hart.state.context.instructions();
    hart.state.pc = code_at.raw;
    hart.state.x[a0] = 0;
    u64 steps = 1;
    while (guest.engine->step(*hart.thread) == ExitReason::poll) ++steps;
    EXPECT_EQ(steps, 1 + 3 * 100 + 1u);
    EXPECT_EQ(hart.state.context.instructions() - before, steps);
    EXPECT_EQ(hart.state.x[a0], 100u);
}

TEST_P(Debugged, StepsTellHowTheyEnd) {
    Assembler code(code_at);
    code.imm(InstId::ld, a0, zero, 0);
    guest.put(code);
    Hart hart(guest);
    EXPECT_EQ(guest.engine->step(*hart.thread), ExitReason::fault);
    EXPECT_EQ(hart.state.pc, code_at.raw);
    hart.state.pc = 0x500000;
    EXPECT_EQ(guest.engine->step(*hart.thread), ExitReason::fetch_fault);
}

TEST_P(Debugged, LeavesBehindAnAccessToWatchedData) {
    Assembler code(code_at);
    code.store(InstId::sd, a1, a0, 0);
    code.imm(InstId::lw, a2, a0, 4);
    code.store(InstId::sb, a1, a0, 7);
    code.store(InstId::sb, a1, a0, 8);
    code.op(InstId::amoadd_w, a3, a0, a1);
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a0] = data_at.raw;
    abi::Watch watch;
    watch.ranges = {{data_at + 7, 1, abi::access_write}, {data_at, 2, abi::access_read}};
    hart.state.context.watch = &watch;
    guest.engine->set_watching(true);
    const auto run_to_hit = [&](u64 pc, GuestAddr address) {
        watch.hit = false;
        hart.state.context.attention = false;
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::poll);
        EXPECT_TRUE(watch.hit);
        EXPECT_EQ(hart.state.pc, pc);
        EXPECT_EQ(watch.address, address);
    };
    run_to_hit(code_at.raw + 4, data_at + 7);   // the 8 bytes reach it
    run_to_hit(code_at.raw + 12, data_at + 7);  // not the load before
    run_to_hit(code_at.raw + 20, data_at);      // the atomic reads
    watch.hit = false;
    hart.state.context.attention = false;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_FALSE(watch.hit);
    guest.engine->set_watching(false);
    hart.state.pc = code_at.raw;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_FALSE(watch.hit);
}

}  // namespace
}  // namespace kiln::test

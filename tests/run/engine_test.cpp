// One guest thread: control flow, counts, faults, and code that changes.
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/counters.h"
#include "guest.h"

namespace kiln::test {
namespace {

using abi::ExitReason;
using run::EngineOptions;

EngineOptions units_of(u32 instructions, u32 warm_after = 8) {
    EngineOptions options;
    options.lift.max_instructions = instructions;
    options.warm_after = warm_after;
    return options;
}

/// a0 = the sum of 1 to a1.
Assembler sum_loop() {
    Assembler code(code_at);
    code.imm(InstId::addi, a0, zero, 0);
    code.label("loop");
    code.op(InstId::add, a0, a0, a1);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    return code;
}

class Counts : public testing::TestWithParam<std::pair<u32, u32>> {};

TEST_P(Counts, LoopIsCountedExactly) {
    Guest guest(units_of(GetParam().first, GetParam().second));
    guest.put(sum_loop());
    Hart hart(guest);
    hart.state.x[a1] = 1000;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 500500u);
    EXPECT_EQ(hart.state.pc, code_at.raw + 20);
    EXPECT_EQ(hart.state.context.instructions(), 1 + 3 * 1000 + 1);
}

TEST_P(Counts, CallsAndIndirectJumps) {
    Guest guest(units_of(GetParam().first, GetParam().second));
    Assembler code(code_at);
    // Calls two functions in turn through a register; each returns through ra.
    code.label("loop");
    code.op(InstId::xor_, a2, a2, a3);
    code.imm(InstId::jalr, ra, a2, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    code.label("first");
    code.imm(InstId::addi, a0, a0, 1);
    code.imm(InstId::jalr, zero, ra, 0);
    code.label("second");
    code.imm(InstId::addi, a0, a0, 100);
    code.imm(InstId::jalr, zero, ra, 0);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = 1000;
    hart.state.x[a2] = code.at("second").raw;
    hart.state.x[a3] = code.at("first").raw ^ code.at("second").raw;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 500u * 101);
    EXPECT_EQ(hart.state.context.instructions(), 6u * 1000 + 1);
}

/// The fault is in the middle of a unit: what came before is done, what comes after is not, and the faulting
/// instruction does not count.
TEST_P(Counts, FaultIsPrecise) {
    Guest guest(units_of(GetParam().first, GetParam().second));
    Assembler code(code_at);
    code.imm(InstId::addi, a0, zero, 7);
    code.imm(InstId::addi, a2, zero, 8);
    code.label("access");
    code.imm(InstId::ld, a0, a1, 16);
    code.imm(InstId::addi, a2, zero, 9);
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = 0x300000;
    ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::fault);
    EXPECT_EQ(hart.state.pc, code.at("access").raw);
    EXPECT_EQ(hart.state.context.fault.address, GuestAddr(0x300010));
    EXPECT_EQ(hart.state.context.fault.kind, abi::FaultKind::unmapped);
    EXPECT_EQ(hart.state.x[a0], 7u);
    EXPECT_EQ(hart.state.x[a2], 8u);
    EXPECT_EQ(hart.state.context.instructions(), 2u);

    // A handler of the guest would now map the page and go on.
    guest.map(GuestAddr(0x300000), 4096, PROT_READ);
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 0u);
    EXPECT_EQ(hart.state.x[a2], 9u);
    EXPECT_EQ(hart.state.context.instructions(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Units, Counts,
                         testing::Values(std::pair{1u, 8u}, std::pair{3u, 8u}, std::pair{64u, 8u},
                                         std::pair{1u, 0u}, std::pair{3u, 0u}, std::pair{64u, 0u}));

/// Units of one tier go on from each other without the engine, cold ones too; these count how often they are entered,
/// here in two goes, until they ask to be made anew.
TEST(ColdUnits, AskWhenTheyAreWarm) {
    EngineOptions options;
    options.warm_after = options.policy.hot_after = 70'000;
    Guest guest(options);
    Assembler code(code_at);
    code.label("loop");
    code.imm(InstId::addi, a2, a2, 2);
    code.imm(InstId::jalr, ra, a3, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    code.label("function");
    code.imm(InstId::addi, a0, a0, 1);
    code.imm(InstId::jalr, zero, ra, 0);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = 69'000;
    hart.state.x[a3] = code.at("function").raw;
    const u64 lookups = value(Counter::unit_lookups), units = value(Counter::units_made);
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    guest.engine->settle_counts();
    EXPECT_LE(value(Counter::unit_lookups) - lookups, 20u);
    const u64 cold = value(Counter::units_made) - units;

    hart.state.pc = code_at.raw;
    hart.state.x[a1] = 2'000;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 71'000u);
    EXPECT_EQ(hart.state.x[a2], 142'000u);
    const char* const kind = std::getenv("KILN_TEST_ENGINE");
    if (kind == nullptr || !std::string_view(kind).starts_with("jit"))
        EXPECT_GT(value(Counter::units_made) - units, cold);
}

// ---- Code that changes or goes away ----

/// `rounds` calls of a function at `function` that sets a0 to a number.
void expect_result(Guest& guest, Hart& hart, GuestAddr function, u64 result) {
    for (int round = 0; round < 20; ++round) {
        hart.state.pc = function.raw;
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        ASSERT_EQ(hart.state.x[a0], result);
    }
}

Assembler function_giving(i32 number) {
    Assembler code(code_at);
    code.imm(InstId::addi, a0, zero, number);
    code.plain(InstId::ecall);
    return code;
}

TEST(CodeChanges, OtherCodeMappedAtTheSamePlace) {
    Guest guest;
    Hart hart(guest);
    for (i32 number = 1; number < 20; ++number) {
        ASSERT_EQ(guest.space->unmap(code_at, 0x1000), 0);
        hart.state.pc = code_at.raw;
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::fetch_fault);
        EXPECT_EQ(hart.state.context.fault.address, code_at);
        EXPECT_EQ(hart.state.context.fault.kind, abi::FaultKind::unmapped);
        EXPECT_EQ(hart.state.pc, code_at.raw);
        guest.map(code_at, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
        guest.put(function_giving(number));
        expect_result(guest, hart, code_at, static_cast<u64>(number));
    }
}

/// A loop that has become warm and is linked to itself runs into a page that is not executable any more.
TEST(CodeChanges, RightsTakenAway) {
    Guest guest;
    const GuestAddr far = code_at + 0x2000;
    Assembler code(code_at), target(far);
    code.imm(InstId::jalr, ra, a2, 0);
    code.plain(InstId::ecall);
    target.imm(InstId::addi, a0, a0, 1);
    target.imm(InstId::jalr, zero, ra, 0);
    guest.put(code);
    guest.put(target, far);
    Hart hart(guest);
    for (int round = 0; round < 30; ++round) {
        hart.state.pc = code_at.raw;
        hart.state.x[a2] = far.raw;
        const bool allowed = round % 10 != 9;
        ASSERT_EQ(guest.space->protect(far, 4096, allowed ? PROT_READ | PROT_EXEC : PROT_READ), 0);
        if (allowed) {
            ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall) << round;
            continue;
        }
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::fetch_fault) << round;
        EXPECT_EQ(hart.state.pc, far.raw);
        EXPECT_EQ(hart.state.x[ra], code_at.raw + 4);
        EXPECT_EQ(hart.state.context.fault.address, far);
        EXPECT_EQ(hart.state.context.fault.kind, abi::FaultKind::protected_);
    }
    EXPECT_EQ(hart.state.x[a0], 27u);
}

/// The guest stores a new instruction over one that is warm and linked, executes fence.i and then it.
TEST(CodeChanges, SelfModifyingCodeWithFenceI) {
    Guest guest;
    Assembler code(code_at);
    code.label("loop");
    code.store(InstId::sw, a2, a3, 0);
    code.op(InstId::add, a2, a2, a4);  // the same addi with an immediate one greater
    code.plain(InstId::fence_i);
    code.jal(zero, "patched");
    code.label("patched");
    code.imm(InstId::addi, a0, zero, 0);
    code.op(InstId::add, a5, a5, a0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    constexpr u64 rounds = 500;
    hart.state.x[a1] = rounds;
    hart.state.x[a2] = riscv64::encode({.id = InstId::addi, .rd = a0, .imm = 1});
    hart.state.x[a3] = code.at("patched").raw;
    hart.state.x[a4] = u64{1} << 20;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a5], rounds * (rounds + 1) / 2);
    EXPECT_EQ(hart.state.context.instructions(), 8 * rounds + 1);
}

/// Only the second page of an instruction that lies across a border can be written.
TEST(CodeChanges, WrittenBehindAPageBorder) {
    Guest guest;
    const GuestAddr border = code_at + 0x1000, begin = border - 2;
    const u32 addi = riscv64::encode({.id = InstId::addi, .rd = a0, .imm = 1});
    const u32 rest[] = {riscv64::encode({.id = InstId::fence_i}), riscv64::encode({.id = InstId::ecall})};
    ASSERT_TRUE(guest.space->write(begin, &addi, 4));
    ASSERT_TRUE(guest.space->write(begin + 4, rest, sizeof rest));
    ASSERT_EQ(guest.space->protect(code_at, 0x1000, PROT_READ | PROT_EXEC), 0);
    Hart hart(guest);
    expect_result(guest, hart, begin, 1);
    const u16 upper_half = 2 << 4;
    ASSERT_TRUE(guest.space->write(border, &upper_half, 2));
    guest.engine->sync_code();
    expect_result(guest, hart, begin, 2);
}

/// The guest stores over code that is warm and linked and jumps there, and never says so.
TEST(CodeChanges, SelfModifyingCodeUnannounced) {
    Guest guest;
    Assembler code(code_at), patched(code_at + 0x1000);
    code.label("loop");
    code.store(InstId::sw, a2, a3, 0);
    code.op(InstId::add, a2, a2, a4);
    code.imm(InstId::jalr, ra, a3, 0);
    code.op(InstId::add, a5, a5, a0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    guest.put(code);
    patched.imm(InstId::addi, a0, zero, 0);
    patched.imm(InstId::jalr, zero, ra, 0);
    guest.put(patched, code_at + 0x1000);
    Hart hart(guest);
    constexpr u64 rounds = 500;
    hart.state.x[a1] = rounds;
    hart.state.x[a2] = riscv64::encode({.id = InstId::addi, .rd = a0, .imm = 1});
    hart.state.x[a3] = (code_at + 0x1000).raw;
    hart.state.x[a4] = u64{1} << 20;
    const u64 before = value(Counter::caught_writes);
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a5], rounds * (rounds + 1) / 2);
    EXPECT_EQ(hart.state.context.instructions(), 8 * rounds + 1);
    EXPECT_EQ(value(Counter::caught_writes) - before, rounds - 1);
}

/// Code that writes data beside itself is not held up for ever, and kiln's own writes are never refused.
TEST(CodeChanges, DataInThePageOfTheCode) {
    Guest guest;
    Assembler code(code_at);
    code.label("loop");
    code.store(InstId::sd, a1, a3, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = 10'000;
    hart.state.x[a3] = (code_at + 0x800).raw;
    const u64 before = value(Counter::caught_writes);
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(guest.load(code_at + 0x800), 1u);
    EXPECT_LE(value(Counter::caught_writes) - before, 3u);
    guest.put(function_giving(7));
    guest.put(function_giving(8), code_at + 0x2000);
    expect_result(guest, hart, code_at + 0x2000, 8);
    guest.put(function_giving(9), code_at + 0x2000);
    expect_result(guest, hart, code_at + 0x2000, 9);
}

/// Watched pages that are moved, emptied or reprotected keep the rights the guest gave them.
TEST(CodeChanges, WatchedPagesChange) {
    Guest guest;
    Hart hart(guest);
    for (i32 number = 1; number < 10; ++number) {
        guest.put(function_giving(number));
        expect_result(guest, hart, code_at, static_cast<u64>(number));
        ASSERT_EQ(guest.space->advise(code_at, 4096, MADV_DONTNEED), 0);
        guest.put(function_giving(number + 10));
        expect_result(guest, hart, code_at, static_cast<u64>(number) + 10);
        constexpr GuestAddr other{0x600000};
        ASSERT_EQ(guest.space->remap(code_at, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, other),
                  static_cast<i64>(other.raw));
        guest.put(function_giving(number + 20), other);
        expect_result(guest, hart, other, static_cast<u64>(number) + 20);
        ASSERT_EQ(guest.space->protect(other, 4096, PROT_READ | PROT_EXEC), 0);
        EXPECT_FALSE(guest.space->write(other, "", 1));
        expect_result(guest, hart, other, static_cast<u64>(number) + 20);
        guest.map(code_at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
        ASSERT_EQ(guest.space->unmap(other, 4096), 0);
    }
}

/// A compiler in the guest writes through one address, runs at another, and names either when it is done.
TEST(CodeChanges, WrittenThroughAnAlias) {
    Guest guest;
    constexpr GuestAddr run_at{0x400000}, write_at{0x500000};
    const int file = memfd_create("code", 0);
    ASSERT_EQ(ftruncate(file, 4096), 0);
    const auto map = [&](GuestAddr at, int prot) {
        return guest.space->map(at, 4096, prot, MAP_SHARED | MAP_FIXED, file, 0);
    };
    ASSERT_EQ(map(run_at, PROT_READ | PROT_EXEC), static_cast<i64>(run_at.raw));
    ASSERT_EQ(map(write_at, PROT_READ | PROT_WRITE), static_cast<i64>(write_at.raw));
    close(file);
    Hart hart(guest);
    for (i32 number = 0; number < 20; ++number) {
        guest.put(function_giving(number), write_at);
        guest.engine->sync_code(number % 2 == 0 ? run_at : write_at, 8);
        expect_result(guest, hart, run_at, static_cast<u64>(number));
    }
}

/// What it costs to say that one function was written does not depend on how much code there is; to say that
/// anything was, not on the number of its units.
TEST(CodeChanges, LookingAgainIsBounded) {
    Guest guest;
    constexpr u64 pages = 16, functions = 64;  // in each page
    for (u64 i = 0; i < pages * functions; ++i) guest.put(function_giving(1), code_at + i * 64);
    Hart hart(guest);
    const auto run_all = [&] {
        for (u64 i = 0; i < pages * functions; ++i) {
            hart.state.pc = (code_at + i * 64).raw;
            ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        }
    };
    run_all();
    guest.engine->sync_code();  // now every page is known
    u64 before = value(Counter::rechecked_bytes);
    for (i32 number = 0; number < 20; ++number) {
        guest.put(function_giving(number), code_at);
        guest.engine->sync_code(code_at, 8);
        expect_result(guest, hart, code_at, static_cast<u64>(number));
    }
    EXPECT_LE(value(Counter::rechecked_bytes) - before, 20 * (mem::page_bytes + functions * 8));
    before = value(Counter::rechecked_bytes);
    guest.engine->sync_code();
    EXPECT_LE(value(Counter::rechecked_bytes) - before, pages * mem::page_bytes + functions * 8);
    run_all();
}

/// Thousands of units in a cache that holds a few: they are evicted again and again, and freed.
TEST(Cache, TinyCache) {
    EngineOptions options;
    options.cache_bytes = 2048;
    options.warm_after = 2;
    options.lift.extend = false;
    Guest guest(options);
    Assembler code(code_at);
    code.label("loop");
    for (int i = 0; i < 200; ++i) {
        code.imm(InstId::addi, a0, a0, 1);
        code.jal(zero, "to" + std::to_string(i));
        code.label("to" + std::to_string(i));
    }
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = 50;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 10'000u);
    EXPECT_EQ(hart.state.context.instructions(), 50u * 402 + 1);
}

/// Code that is written anew all the time does not fill the cache with what it was, and drives nothing else out.
TEST(Cache, LetsGoOfWhatCodeWas) {
    EngineOptions options;
    options.cache_bytes = 1 << 20;
    Guest guest(options);
    Hart hart(guest);
    const GuestAddr other = code_at + mem::page_bytes;
    guest.put(function_giving(7), other);
    constexpr i32 times = 2000;  // less than the cache would hold
    const u64 evictions = value(Counter::evictions), evicted = value(Counter::evicted_units);
    for (i32 number = 0; number < times; ++number) {
        guest.put(function_giving(number), code_at);
        guest.engine->sync_code(code_at, 8);
        expect_result(guest, hart, code_at, static_cast<u64>(number));
        expect_result(guest, hart, other, 7);
    }
    EXPECT_GT(value(Counter::evictions) - evictions, 3u);
    EXPECT_EQ(value(Counter::evicted_units) - evicted, 0u);
}

/// What is entered all the time is not made again because other code comes and goes.
TEST(Cache, KeepsWhatIsUsed) {
    EngineOptions options = units_of(64);
    options.cache_units = 100;
    Guest guest(options);
    constexpr i32 functions = 600;
    Assembler code(code_at);
    code.label("loop");
    for (int i = 0; i < 20; ++i) {
        code.imm(InstId::jalr, ra, a5, 0);
        code.imm(InstId::addi, a2, a2, 1);
    }
    code.imm(InstId::jalr, ra, a3, 0);  // a function that is called just once
    code.imm(InstId::addi, a3, a3, 8);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    code.label("always");
    code.imm(InstId::addi, a0, a0, 1);
    code.imm(InstId::jalr, zero, ra, 0);
    code.label("once");
    for (i32 i = 0; i < functions; ++i) {
        code.imm(InstId::addi, a0, a0, 1);
        code.imm(InstId::jalr, zero, ra, 0);
    }
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a1] = functions;
    hart.state.x[a3] = code.at("once").raw;
    hart.state.x[a5] = code.at("always").raw;
    const u64 units = value(Counter::units_made), evictions = value(Counter::evictions);
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    EXPECT_EQ(hart.state.x[a0], 21u * functions);
    EXPECT_EQ(hart.state.x[a2], 20u * functions);
    EXPECT_GT(value(Counter::evictions) - evictions, 10u);
    // Cold and then warm, the loop is some 50 units; were all made again at each eviction, it would be 600 more.
    EXPECT_LE(value(Counter::units_made) - units, u64{functions} + 150);
}

}  // namespace
}  // namespace kiln::test

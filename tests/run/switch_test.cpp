// Engines that take over from each other while the guest runs.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/counters.h"
#include "guest.h"
#include "run/tier_decisions.h"

namespace kiln::test {
namespace {

using abi::ExitReason;

constexpr EngineKind kinds[] = {EngineKind::interp, EngineKind::jit1, EngineKind::jit2, EngineKind::hybrid};

/// a1 rounds of: a call, an indirect call, branches both ways, memory, floating point and an atomic counter at a0. a5 is
/// what it all comes to, and so is the 64-bit word at a4.
Assembler mixed_loop() {
    Assembler code(code_at);
    code.label("loop");
    code.imm(InstId::addi, a2, zero, 1);
    code.op(InstId::amoadd_d, zero, a0, a2);
    code.jal(ra, "function");
    code.imm(InstId::jalr, ra, a3, 0);
    code.imm(InstId::andi, t0, a1, 1);
    code.branch(InstId::beq, t0, zero, "even");
    code.imm(InstId::addi, a5, a5, 3);
    code.label("even");
    code.imm(InstId::ld, t1, a4, 0);
    code.op(InstId::add, t1, t1, a5);
    code.store(InstId::sd, t1, a4, 0);
    code.op(InstId::fcvt_d_l, 10, t1, 0);
    code.op(InstId::fadd_d, 11, 11, 10);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.op(InstId::fcvt_l_d, a6, 11, 0);
    code.plain(InstId::ecall);
    code.label("function");
    code.imm(InstId::slli, t2, a5, 1);
    code.op(InstId::xor_, a5, a5, t2);
    code.imm(InstId::addi, a5, a5, 1);
    code.imm(InstId::jalr, zero, ra, 0);
    return code;
}

struct Outcome {
    u64 a5 = 0, a6 = 0, word = 0, instructions = 0;
    bool operator==(const Outcome&) const = default;
};

Outcome run_loop(Guest& guest, const Assembler& code, unsigned number, u64 rounds) {
    Hart hart(guest);
    const GuestAddr own = data_at + 64 * (number + 1);
    const u64 nothing = 0;
    KILN_CHECK(guest.space->write(own, &nothing, sizeof nothing));
    hart.state.x[a0] = data_at.raw;
    hart.state.x[a1] = rounds;
    hart.state.x[a3] = code.at("function").raw;
    hart.state.x[a4] = own.raw;
    hart.state.x[a5] = number;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    return {hart.state.x[a5], hart.state.x[a6], guest.load(own), hart.state.context.instructions()};
}

class Switching : public testing::TestWithParam<EngineKind> {};

TEST_P(Switching, WhileThreadsRun) {
    constexpr u64 rounds = 200'000;
    constexpr unsigned thread_count = 3;
    const Assembler code = mixed_loop();
    Outcome expected[thread_count];
    {
        Guest guest({.kind = EngineKind::interp});
        guest.put(code);
        for (unsigned i = 0; i < thread_count; ++i) expected[i] = run_loop(guest, code, i, rounds);
    }
    Guest guest({.kind = GetParam()});
    guest.put(code);
    const u64 before = value(Counter::engine_switches);
    std::atomic<bool> stop{false};
    std::thread switcher([&] {
        for (unsigned i = 0; !stop; ++i) {
            guest.engine->switch_to(kinds[i % std::size(kinds)]);
            usleep(50);
        }
    });
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < thread_count; ++i)
        threads.emplace_back([&, i] { EXPECT_EQ(run_loop(guest, code, i, rounds), expected[i]); });
    for (std::thread& thread : threads) thread.join();
    stop = true;
    switcher.join();
    EXPECT_EQ(guest.load(data_at), thread_count * rounds);
    EXPECT_GT(value(Counter::engine_switches) - before, 20u);
}

/// After a switch only the tiers of the new engine make units and run.
TEST_P(Switching, TakesEffectAtTheNextBorder) {
    const Assembler code = mixed_loop();
    Guest guest({.kind = GetParam()});
    guest.put(code);
    run_loop(guest, code, 0, 1000);
    for (EngineKind kind :
         {EngineKind::jit1, EngineKind::interp, EngineKind::jit2, EngineKind::hybrid, EngineKind::interp}) {
        if (kind == guest.engine->kind()) continue;
        guest.engine->switch_to(kind);
        EXPECT_EQ(guest.engine->kind(), kind);
        const u64 made = value(Counter::units_made), compiled = value(Counter::units_compiled),
                  regions = value(Counter::regions_compiled);
        run_loop(guest, code, 0, 1000);
        const u64 made_now = value(Counter::units_made) - made,
                  compiled_now = value(Counter::units_compiled) - compiled;
        EXPECT_GT(made_now, 0u);
        switch (kind) {
            case EngineKind::interp: EXPECT_EQ(compiled_now, 0u); break;
            case EngineKind::jit1: EXPECT_EQ(compiled_now, made_now); break;
            case EngineKind::jit2: EXPECT_GT(value(Counter::regions_compiled), regions); break;
            case EngineKind::hybrid:
                EXPECT_GT(compiled_now, 0u);
                EXPECT_LT(compiled_now, made_now);
                break;
        }
    }
}

/// Chance lets steps of compiling fail: units are made of the tier below then, and nobody notices.
TEST_P(Switching, CompilingThatFailsChangesNothing) {
    constexpr u64 rounds = 1000;
    const Assembler code = mixed_loop();
    Outcome expected;
    {
        Guest guest({.kind = EngineKind::interp});
        guest.put(code);
        expected = run_loop(guest, code, 0, rounds);
    }
    const u64 compiled = value(Counter::units_compiled) + value(Counter::regions_compiled);
    const u64 failed = value(Counter::compiling_failed);
    for (u64 seed = 1; seed <= 30; ++seed) {
        Guest guest({.kind = GetParam(), .chaos_seed = seed});
        guest.put(code);
        EXPECT_EQ(run_loop(guest, code, 0, rounds), expected);
    }
    if (GetParam() == EngineKind::interp) return;
    EXPECT_GT(value(Counter::units_compiled) + value(Counter::regions_compiled), compiled);
    EXPECT_GT(value(Counter::compiling_failed), failed);
}

/// Where a thread is found running often, the region around takes the unit's place.
TEST(Regions, AreMadeWhereTheGuestIsFound) {
    Assembler code(code_at);
    code.label("loop");
    code.op(InstId::xor_, a5, a5, a1);
    code.store(InstId::sd, a5, a4, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    code.label("function");  // as run_loop() wants it
    constexpr u64 rounds = 10'000'000;
    Outcome expected;
    {
        Guest guest({.kind = EngineKind::jit1});
        guest.put(code);
        expected = run_loop(guest, code, 1, rounds);
    }
    Guest guest({.kind = EngineKind::hybrid, .policy = {.region_after = 2}});
    guest.put(code);
    const u64 regions = value(Counter::regions_compiled);
    EXPECT_EQ(run_loop(guest, code, 1, rounds), expected);
    EXPECT_GT(value(Counter::regions_compiled), regions);
}

/// A region that is left again at once gives its place back to a unit.
TEST(Regions, GiveUpWhereTheyAreLeftEarly) {
    Assembler code(code_at);
    code.label("loop");  // of two rounds, and out by a jump that no region follows
    code.imm(InstId::andi, a5, a1, 1);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a5, zero, "loop");
    code.branch(InstId::blt, a1, zero, "end");
    code.imm(InstId::jalr, zero, a3, 0);
    code.label("function");
    code.jal(zero, "loop");
    code.label("end");
    code.plain(InstId::ecall);
    Guest guest({.kind = EngineKind::hybrid, .policy = {.region_after = 1}});
    guest.put(code);
    const auto given_up = [] {
        return run::tier_decisions[static_cast<u8>(run::TierReason::left_early)].load();
    };
    const u64 before = given_up();
    run_loop(guest, code, 1, 8'000'000);
    EXPECT_GT(given_up(), before);
}

INSTANTIATE_TEST_SUITE_P(BeginningWith, Switching, testing::ValuesIn(kinds));

}  // namespace
}  // namespace kiln::test

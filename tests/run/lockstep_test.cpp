// Lockstep: what runs right is agreed upon, and what is compiled wrongly on purpose is found and shown.
#include <gtest/gtest.h>

#include <thread>

#include "base/counters.h"
#include "debug/lockstep_report.h"
#include "guest.h"
#include "run/tamper.h"

namespace kiln::test {
namespace {

using abi::ExitReason;

struct Lockstep : testing::Test {
    Lockstep() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
    ~Lockstep() override { run::tamper = nullptr; }

    static run::EngineOptions options(debug::LockstepReport& report,
                                      run::LockstepSteps steps = run::LockstepSteps::units,
                                      EngineKind kind = EngineKind::jit1) {
        return {.kind = kind, .lockstep = &report, .lockstep_steps = steps};
    }
    debug::LockstepReport report;
};

/// Makes x10 = 100 - 1 to `rounds` in turn, each stored and read again; a round ends with what `more` adds.
Assembler storing_loop(i32 rounds, void (*more)(Assembler& code) = [](Assembler&) {}) {
    Assembler code(code_at);
    code.imm(InstId::addi, a0, zero, 100);
    code.imm(InstId::addi, a1, zero, rounds);
    code.label("loop");
    code.op(InstId::sub, a0, a0, a1);
    code.store(InstId::sw, a0, a2, 16);
    code.imm(InstId::lhu, a4, a2, 16);
    more(code);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    return code;
}

/// 5 rounds, in which x10 is added to memory in one step, and a clock is read.
Assembler busy_loop() {
    return storing_loop(5, [](Assembler& code) {
        code.op(InstId::amoadd_d, a3, a2, a0);
        code.imm(InstId::csrrs, a5, zero, 0xc01);  // time
    });
}

ExitReason run_loop(Guest& guest, const Assembler& code) {
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a2] = data_at.raw;
    return guest.engine->run(*hart.thread);
}

TEST_F(Lockstep, AgreesOnWhatIsRight) {
    Guest guest(options(report));
    const u64 units = value(Counter::lockstep_units), accesses = value(Counter::lockstep_accesses);
    EXPECT_EQ(run_loop(guest, busy_loop()), ExitReason::syscall);
    EXPECT_EQ(guest.load(data_at), 95u + 91 + 88 + 86 + 85);
    EXPECT_GE(value(Counter::lockstep_units) - units, 5u);
    EXPECT_EQ(value(Counter::lockstep_accesses) - accesses, 5u * 4);
}

TEST_F(Lockstep, AgreesOnStretches) {
    Guest guest(options(report, run::LockstepSteps::stretch));
    const u64 units = value(Counter::lockstep_units), accesses = value(Counter::lockstep_accesses);
    EXPECT_EQ(run_loop(guest, busy_loop()), ExitReason::syscall);
    // The loop's unit is linked to itself once it has come back for it.
    EXPECT_LT(value(Counter::lockstep_units) - units, 5u);
    EXPECT_EQ(value(Counter::lockstep_accesses) - accesses, 5u * 4);
}

TEST_F(Lockstep, AgreesOnRegions) {
    Guest guest(options(report, run::LockstepSteps::stretch, EngineKind::jit2));
    const u64 units = value(Counter::lockstep_units), accesses = value(Counter::lockstep_accesses),
              regions = value(Counter::regions_compiled);
    // A clock would be no part of a region.
    EXPECT_EQ(run_loop(guest, storing_loop(40)), ExitReason::syscall);
    EXPECT_GE(value(Counter::regions_compiled) - regions, 1u);
    // It polls where it goes back, and is compared there.
    EXPECT_GE(value(Counter::lockstep_units) - units, 2u);
    EXPECT_EQ(value(Counter::lockstep_accesses) - accesses, 40u * 2);
}

/// A region as long as there may be one, of the instruction that makes most accesses.
TEST_F(Lockstep, HasRoomForWhatARegionAccesses) {
    Guest guest(options(report, run::LockstepSteps::stretch, EngineKind::jit2));
    const u64 accesses = value(Counter::lockstep_accesses);
    constexpr u32 blocks = 300, rounds = 3;
    Assembler code(code_at);
    for (u32 i = 0; i < 100; ++i) code.imm(InstId::addi, a3, a3, 1);
    code.imm(InstId::addi, a1, zero, rounds);
    code.label("loop");
    for (u32 i = 0; i < blocks; ++i) code.imm(InstId::cbo_zero, zero, a2, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    EXPECT_EQ(run_loop(guest, code), ExitReason::syscall);
    EXPECT_EQ(value(Counter::lockstep_accesses) - accesses, u64{8} * blocks * rounds);
}

class Faults : public Lockstep,
               public testing::WithParamInterface<std::pair<EngineKind, run::LockstepSteps>> {};
INSTANTIATE_TEST_SUITE_P(Steps, Faults,
                         testing::Values(std::pair(EngineKind::jit1, run::LockstepSteps::units),
                                         std::pair(EngineKind::jit1, run::LockstepSteps::stretch),
                                         std::pair(EngineKind::jit2, run::LockstepSteps::stretch)));

TEST_P(Faults, AreAgreedUpon) {
    Guest guest(options(report, GetParam().second, GetParam().first));
    Assembler code(code_at);
    code.store(InstId::sd, a0, a2, 0);
    code.imm(InstId::ld, a0, a1, 0);
    code.plain(InstId::ecall);
    guest.put(code);
    Hart hart(guest);
    hart.state.x[a2] = data_at.raw;
    hart.state.x[a1] = 0xfffc;  // partly below what can be mapped
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::fault);
    EXPECT_EQ(hart.state.pc, code_at.raw + 4);
    Assembler misaligned(code_at);
    misaligned.op(InstId::amoadd_w, a0, a2, a1);
    guest.engine->invalidate(code_at, 4);
    guest.put(misaligned);
    hart.state.pc = code_at.raw;
    hart.state.x[a2] = data_at.raw + 1;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::fault);
    EXPECT_EQ(hart.state.context.fault.kind, abi::FaultKind::misaligned);
}

/// Threads that write the same memory without order: each is compared with what it saw itself.
TEST_F(Lockstep, RacesAreNoDifferences) {
    Guest guest(options(report));
    Assembler code(code_at);
    code.label("loop");
    code.imm(InstId::ld, a0, a2, 0);
    code.imm(InstId::addi, a0, a0, 1);
    code.store(InstId::sd, a0, a2, 0);
    code.op(InstId::amoxor_w, a3, a2, a0);
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    guest.put(code);
    const auto work = [&] {
        Hart hart(guest);
        hart.state.x[a1] = 100'000;
        hart.state.x[a2] = data_at.raw;
        EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    };
    std::thread first(work), second(work);
    first.join();
    second.join();
}

using ChangeOne = bool (*)(ir::Inst& inst);

/// Lets the compiling tier see every instruction changed that `change` knows.
template <ChangeOne change>
void change_all(ir::Function& f, run::TamperPoint point, u64) {
    if (point != run::TamperPoint::compiling) return;
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(ir::BlockId(block), [](ir::ValueId, ir::Inst& inst) { change(inst); });
}

bool sub_to_add(ir::Inst& inst) { return inst.op == ir::Op::sub && (inst.op = ir::Op::add, true); }
TEST_F(Lockstep, ShowsAWrongRegister) {
    run::tamper = change_all<sub_to_add>;
    // Both states, what came of it, and all forms of the unit.
    EXPECT_EXIT(
        {
            Guest guest(options(report));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status),
        "the unit at 0x100000 .*does something else compiled than interpreted\nstate\n"
        ".* before +compiled +interpreted(.|\n)*"
        "\\* x10 +0x0 +0x69 +0x5f(.|\n)*"
        "accesses\n  \\* compiled +store 0x200010 4 bytes leaves 0x69\n  \\* interpreted +store 0x200010 4 "
        "bytes leaves "
        "0x5f(.|\n)*"
        "guest code\n(.|\n)*0x100008  sub a0, a0, a1(.|\n)*IR\nfunction rv64 0x100000(.|\n)*host "
        "code\n(.|\n)*mov");
}

TEST_F(Lockstep, ShowsAStretch) {
    run::tamper = change_all<sub_to_add>;
    EXPECT_EXIT(
        {
            Guest guest(options(report, run::LockstepSteps::stretch));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status),
        "the code from 0x100000 .*does something else compiled than interpreted\nstate\n(.|\n)*\\* x10 "
        "(.|\n)*"
        "\\* interpreted +store 0x200010 4 bytes leaves 0x5f(.|\n)*guest code\n(.|\n)*0x100008  sub a0, a0, "
        "a1");
}

TEST_F(Lockstep, ShowsAStretchOfARegion) {
    run::tamper = change_all<sub_to_add>;
    EXPECT_EXIT(
        {
            Guest guest(options(report, run::LockstepSteps::stretch, EngineKind::jit2));
            run_loop(guest, storing_loop(40));
        },
        testing::ExitedWithCode(debug::lockstep_exit_status),
        "the code from 0x100000 .*does something else compiled than interpreted\nstate\n(.|\n)*"
        "\\* x10 +0x0 +0x63 +0x15");
}

bool store_elsewhere(ir::Inst& inst) { return inst.op == ir::Op::store && (inst.imm += 8, true); }
TEST_F(Lockstep, ShowsAStrayStore) {
    run::tamper = change_all<store_elsewhere>;
    EXPECT_EXIT(
        {
            Guest guest(options(report));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status),
        "\\* compiled +store 0x200018 4 bytes leaves 0x5f\n  \\* interpreted +store 0x200010 4 bytes leaves "
        "0x5f");
}

bool other_combination(ir::Inst& inst) {
    return inst.op == ir::Op::atomic_rmw && (inst.attr0 = static_cast<u8>(ir::Rmw::swap), true);
}
TEST_F(Lockstep, ShowsAWrongAtomic) {
    run::tamper = change_all<other_combination>;
    EXPECT_EXIT(
        {
            Guest guest(options(report));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status),
        "\\* interpreted +rmw   0x200000 8 bytes reads 0x0 leaves 0x5f");
}

bool wrong_way(ir::Inst& inst) {
    return inst.op == ir::Op::br_if && (std::swap(inst.edges[0], inst.edges[1]), true);
}
TEST_F(Lockstep, ShowsAWrongWayOut) {
    run::tamper = change_all<wrong_way>;
    EXPECT_EXIT(
        {
            Guest guest(options(report));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status), "\\* pc ");
}

void change_after_passes(ir::Function& f, run::TamperPoint point, u64 count) {
    if (point == run::TamperPoint::passes && count > 1)
        change_all<sub_to_add>(f, run::TamperPoint::compiling, 0);
}
TEST_F(Lockstep, ComparesWithWhatThePassesWereGiven) {
    run::tamper = change_after_passes;
    const auto with_passes = [&](u64 most) {
        run::EngineOptions with = options(report);
        with.opt = OptLevel::tier0;
        with.fuel.passes = most;
        return with;
    };
    Guest sound(with_passes(1));
    EXPECT_EQ(run_loop(sound, busy_loop()), ExitReason::syscall);
    EXPECT_EXIT(
        {
            sound.engine.reset();
            Guest guest(with_passes(2));
            run_loop(guest, busy_loop());
        },
        testing::ExitedWithCode(debug::lockstep_exit_status), "IR after passes\n");
}

}  // namespace
}  // namespace kiln::test

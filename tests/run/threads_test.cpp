// Several guest threads, signals, fork. alarm() is the watchdog: what hangs ends the process.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "abi/guest_access.h"
#include "base/counters.h"
#include "guest.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "lift/riscv64/frontend.h"
#include "run/compiled_units.h"

namespace kiln::test {
namespace {

using abi::ExitReason;
using run::EngineOptions;

constexpr unsigned thread_count = 4;

class Threads : public testing::Test {
  protected:
    void SetUp() override { alarm(240); }
    void TearDown() override { alarm(0); }
};

/// Runs `body(number)` on that many host threads.
template <class Body>
void on_threads(unsigned count, Body&& body) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
}

// ---- Attention ----

thread_local abi::Context* interrupted = nullptr;

void ask_for_attention(int, siginfo_t*, void* ucontext) {
    if (interrupted != nullptr) run::CompiledUnits::request_attention(*interrupted, ucontext);
}

/// A loop without end in one of several forms: linked, through the jump cache, through the run loop.
Assembler endless(bool indirect) {
    Assembler code(code_at);
    code.label("loop");
    code.imm(InstId::addi, a0, a0, 1);
    if (indirect)
        code.imm(InstId::jalr, zero, a1, 0);
    else
        code.jal(zero, "loop");
    return code;
}

/// Each request comes from a one-shot timer some microseconds after the last was served, wherever the thread
/// is then: were one lost, run() would not return.
void storm(unsigned requests, bool indirect, u32 warm_after) {
#if __has_feature(thread_sanitizer)
    GTEST_SKIP() << "ThreadSanitizer holds signals back while no system call is made";
#endif
    struct sigaction action{};
    action.sa_sigaction = ask_for_attention;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, nullptr);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    timer_t timer;
    ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);

    EngineOptions options;
    options.warm_after = warm_after;
    Guest guest(options);
    guest.put(endless(indirect));
    Hart hart(guest);
    hart.state.x[a1] = code_at.raw;
    interrupted = &hart.state.context;
    for (unsigned i = 0; i < requests; ++i) {
        const itimerspec soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1 + i * 7 % 5000}};
        ASSERT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
        ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::poll);
        ASSERT_TRUE(hart.state.context.attention);
        hart.state.context.attention = false;
    }
    interrupted = nullptr;
    timer_delete(timer);
    // A request that interrupts a refill may cost the count some instructions, never gain any.
    EXPECT_LE(hart.state.context.instructions(), 2 * hart.state.x[a0]);
}

TEST_F(Threads, NoRequestIsLostInLinkedCode) { storm(50'000, false, 0); }
TEST_F(Threads, NoRequestIsLostInIndirectJumps) { storm(30'000, true, 0); }
TEST_F(Threads, NoRequestIsLostInColdCode) { storm(20'000, false, ~u32{0}); }

// ---- Counters shared by threads ----

enum class Increment { lr_sc, amo, cas };

Assembler increment_loop(Increment kind) {
    Assembler code(code_at);
    code.label("loop");
    switch (kind) {
        case Increment::lr_sc:
            code.op(InstId::lr_d, a2, a0, 0);
            code.imm(InstId::addi, a2, a2, 1);
            code.op(InstId::sc_d, a3, a0, a2);
            code.branch(InstId::bne, a3, zero, "loop");
            break;
        case Increment::amo:
            code.imm(InstId::addi, a2, zero, 1);
            code.op(InstId::amoadd_d, zero, a0, a2);
            break;
        case Increment::cas:
            code.imm(InstId::ld, a2, a0, 0);
            code.imm(InstId::addi, a3, a2, 1);
            code.imm(InstId::addi, a4, a2, 0);
            code.op(InstId::amocas_d, a2, a0, a3);
            code.branch(InstId::bne, a2, a4, "loop");
            break;
    }
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
    return code;
}

/// Every thread adds to the counter at data_at.
void count_together(Guest& guest, u64 rounds) {
    const u64 before = guest.load(data_at);
    on_threads(thread_count, [&](unsigned) {
        Hart hart(guest);
        hart.state.x[a0] = data_at.raw;
        hart.state.x[a1] = rounds;
        EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    });
    EXPECT_EQ(guest.load(data_at) - before, thread_count * rounds);
}

class SharedCounter : public Threads, public testing::WithParamInterface<Increment> {};

TEST_P(SharedCounter, IsExact) {
    Guest guest;
    guest.put(increment_loop(GetParam()));
    count_together(guest, 500'000);
}

INSTANTIATE_TEST_SUITE_P(Ways, SharedCounter,
                         testing::Values(Increment::lr_sc, Increment::amo, Increment::cas));

// ---- Code that changes under running threads ----

TEST_F(Threads, InvalidateWhileOthersRun) {
    Guest guest;
    guest.put(increment_loop(Increment::amo));
    std::atomic<bool> stop{false};
    std::thread invalidator([&] {
        while (!stop) {
            guest.engine->invalidate(code_at, 4096);
            guest.engine->sync_code();
            sched_yield();
        }
    });
    count_together(guest, 500'000);
    stop = true;
    invalidator.join();
}

/// The code behind the unit comes and goes while others lift it: they reach it only on a way never taken.
TEST_F(Threads, UnmapWhileOthersLift) {
    EngineOptions options;
    options.cache_bytes = 1;  // so that everything is lifted all the time
    options.warm_after = 0;
    Guest guest(options);
    const GuestAddr border = code_at + 0x1000, begin = border - 12;
    Assembler out(code_at), code(begin);
    out.plain(InstId::ecall);
    guest.put(out);
    code.imm(InstId::addi, a1, a1, -1);
    code.imm(InstId::addi, a2, zero, 0);
    code.branch(InstId::beq, zero, zero, code_at);
    guest.put(code, begin);
    const std::vector<u32> nops(1024, riscv64::encode({.id = InstId::addi}));
    const int file = memfd_create("nops", 0);
    ASSERT_EQ(write(file, nops.data(), 4096), 4096);
    std::atomic<unsigned> running{2};
    std::thread mapper([&] {
        while (running > 0) {
            guest.space->unmap(border, 4096);
            guest.space->map(border, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0);
        }
    });
    on_threads(2, [&](unsigned) {
        Hart hart(guest, begin);
        for (int i = 0; i < 10'000; ++i) {
            hart.state.pc = begin.raw;
            ASSERT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        }
        --running;
    });
    mapper.join();
    close(file);
}

/// Another thread patches a function and then says so in memory. Whoever reads that and executes fence.i must
/// find the new function, or one that is newer still.
TEST_F(Threads, FenceISeesWhatAnotherThreadWrote) {
    Guest guest;
    Assembler code(code_at);
    code.label("loop");
    code.imm(InstId::lw, a0, a4, 0);
    code.plain(InstId::fence_i);
    code.jal(ra, "function");
    code.branch(InstId::blt, a1, a0, "stale");
    code.branch(InstId::bne, a0, a5, "loop");
    code.plain(InstId::ecall);
    code.label("stale");
    code.plain(InstId::ebreak);
    code.label("function");
    code.imm(InstId::addi, a1, zero, 0);
    code.imm(InstId::jalr, zero, ra, 0);
    guest.put(code);
    constexpr i32 versions = 2000;
    const GuestAddr patched = code.at("function");
    auto* const published = reinterpret_cast<i32*>(guest.space->host(data_at));
    std::thread writer([&] {
        for (i32 version = 1; version <= versions; ++version) {
            const u32 word = riscv64::encode({.id = InstId::addi, .rd = a1, .imm = version});
            while (!abi::guest_store(guest.space->host(patched), word))
                guest.engine->allow_writes(patched, 4);
            __atomic_store_n(published, version, __ATOMIC_RELEASE);
            usleep(20);
        }
    });
    on_threads(2, [&](unsigned) {
        Hart hart(guest);
        hart.state.x[a4] = data_at.raw;
        hart.state.x[a5] = versions;
        EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall)
            << "said " << hart.state.x[a0] << ", found " << hart.state.x[a1];
    });
    writer.join();
}

// ---- Memory of units ----

std::atomic<int> units_alive{0}, most_units_alive{0};

/// The interpreter as a tier that counts its units.
class CountingTier final : public run::Tier {
    struct Code final : run::TierCode {
        std::unique_ptr<interp::Unit> unit;
        explicit Code(std::unique_ptr<interp::Unit> made) : unit(std::move(made)) {
            const int alive = ++units_alive;
            int most = most_units_alive;
            while (most < alive && !most_units_alive.compare_exchange_weak(most, alive)) {
            }
        }
        ~Code() override { --units_alive; }
        const void* entry() const override { return unit->entry(); }
        std::size_t bytes() const override { return unit->bytes(); }
        void forward(const void* target) override {
            interp::forward(*unit, static_cast<const interp::Code*>(target));
        }
        void suspend() override { interp::suspend(*unit); }
        void resume() override { interp::resume(*unit); }
        void unlink_stale() override { interp::unlink_stale(*unit); }
        void count_entries(u16 entries) override { interp::count_entries(*unit, entries); }
        u16 entries_left() const override { return interp::entries_left(*unit); }
    };
    struct Maker final : run::Translator {
        interp::Flattener flattener;
        Result<std::unique_ptr<run::TierCode>> translate(const ir::Function& f) override {
            auto unit = flattener.flatten(f);
            KILN_CHECK(unit.has_value());
            return std::make_unique<Code>(std::move(*unit));
        }
        std::unique_ptr<run::TierCode> assemble(GuestAddr, abi::CodeSource&, const abi::LiftOptions&,
                                                abi::Lifted&) override {
            return nullptr;
        }
    };

  public:
    CountingTier() : Tier(run::TierLevel::interpreter, run::CodeForm::cells) {}
    std::unique_ptr<run::Translator> new_translator(const abi::Frontend&) const override {
        return std::make_unique<Maker>();
    }
    ExitReason run(const void* entry, abi::Context& context) const override {
        return interp::run(static_cast<const interp::Code*>(entry), context);
    }
    void link(const void* site, const void* entry) const override {
        interp::link(site, static_cast<const interp::Code*>(entry));
    }
};

/// A cache that holds a few units only, which the threads that run in it evict all the time. A thread that is
/// outside keeps nothing alive.
TEST_F(Threads, EvictedUnitsAreFreed) {
    EngineOptions options;
    options.kind = EngineKind::interp;
    options.cache_bytes = 4096;
    options.warm_after = 2;
    Guest guest(options);
    guest.engine = nullptr;
    guest.engine = std::make_unique<run::Engine>(
        riscv64::frontend(), *guest.space, [](run::TierLevel) { return std::make_unique<CountingTier>(); },
        [](ir::Function&, const run::AfterPass&) {}, options);
    Assembler code(code_at);
    code.label("loop");
    for (int i = 0; i < 100; ++i) {
        const std::string next = "to" + std::to_string(i);
        code.imm(InstId::addi, a0, a0, 1);
        code.branch(InstId::bne, a0, zero, next);
        code.plain(InstId::ebreak);
        code.label(next);
    }
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::beq, a1, zero, "done");
    code.jal(zero, "loop");
    code.label("done");
    code.plain(InstId::ecall);
    guest.put(code);
    Hart outside(guest);  // never runs
    const auto run_loop = [&](unsigned) {
        Hart hart(guest);
        hart.state.x[a1] = 50;
        EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        EXPECT_EQ(hart.state.x[a0], 5000u);
    };
    on_threads(1, run_loop);
    // A dozen of the 200 units fit the cache; of the generation before it nothing is left but what runs.
    EXPECT_LT(most_units_alive, 100);
    on_threads(thread_count, run_loop);
    outside.thread = nullptr;
    guest.engine = nullptr;
    EXPECT_EQ(units_alive, 0);
}

/// Units are linked to units that are evicted, come back and are evicted again, by direct and by indirect jumps, while
/// others are in them.
TEST_F(Threads, EvictionWhileOthersRun) {
    EngineOptions options;
    options.cache_units = 40;
    options.warm_after = options.policy.hot_after = 3;
    options.lift.max_instructions = 4;
    Guest guest(options);
    constexpr u64 rounds = 300, blocks = 100;
    Assembler code(code_at);
    code.label("loop");
    for (u64 i = 0; i < blocks; ++i) {
        const std::string next = "to" + std::to_string(i);
        code.imm(InstId::jalr, ra, a2, 0);
        code.imm(InstId::addi, a0, a0, 1);
        // Half of the threads take a shorter way now and then, so that not all do the same.
        code.imm(InstId::andi, a4, a1, 3);
        code.branch(InstId::beq, a4, a3, next);
        code.imm(InstId::addi, a0, a0, 1);
        code.imm(InstId::addi, a5, a5, 1);
        code.jal(zero, next);
        code.label(next);
    }
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::beq, a1, zero, "done");
    code.jal(zero, "loop");
    code.label("done");
    code.plain(InstId::ecall);
    code.label("function");
    code.imm(InstId::addi, a0, a0, 1);
    code.imm(InstId::jalr, zero, ra, 0);
    guest.put(code);
    const u64 before = value(Counter::evictions);
    on_threads(thread_count, [&](unsigned number) {
        Hart hart(guest);
        hart.state.x[a1] = rounds;
        hart.state.x[a2] = code.at("function").raw;
        hart.state.x[a3] = number % 2 != 0 ? 1 : 7;
        EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
        const u64 short_ways = number % 2 != 0 ? rounds / 4 : 0;
        EXPECT_EQ(hart.state.x[a0], blocks * (3 * rounds - short_ways));
        EXPECT_EQ(hart.state.x[a5], blocks * (rounds - short_ways));
    });
    EXPECT_GT(value(Counter::evictions) - before, 100u);
}

// ---- fork ----

TEST_F(Threads, ForkWhileOthersRun) {
    EngineOptions options;
    options.cache_bytes = 4096;  // so that the tables change all the time
    Guest guest(options);
    guest.put(increment_loop(Increment::amo));
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (unsigned i = 0; i < 3; ++i)
        others.emplace_back([&] {
            Hart hart(guest);
            while (!stop) {
                hart.state.pc = code_at.raw;
                hart.state.x[a0] = data_at.raw + 8;
                hart.state.x[a1] = 10;
                guest.engine->invalidate(code_at, 4);
                EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
            }
        });
    Hart hart(guest);
    for (int i = 0; i < 100; ++i) {
        pid_t child;
        {
            const auto engine = guest.engine->freeze();
            const auto space = guest.space->freeze();
            ASSERT_TRUE(guest.engine->before_fork());
            child = fork();
            guest.engine->after_fork(child == 0);
        }
        if (child == 0) {
            alarm(20);
            guest.engine->after_fork_in_child(*hart.thread);
            hart.state.pc = code_at.raw;
            hart.state.x[a0] = data_at.raw;
            hart.state.x[a1] = 1000;
            const bool ran = guest.engine->run(*hart.thread) == ExitReason::syscall;
            _exit(ran && guest.load(data_at) == 1000 ? 0 : 1);
        }
        ASSERT_GT(child, 0);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    stop = true;
    for (std::thread& thread : others) thread.join();
}

}  // namespace
}  // namespace kiln::test

// Microbenchmarks of the run loop: what finding the next unit costs at each level, and what making a unit costs. Guests
// are a few instructions each, written here; times are this thread's CPU time over many rounds, the best of several.
//
//     micro [ROUNDS]      the figures, one line each
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "../../tests/run/guest.h"
#include "base/durations.h"
#include "run/unit_map.h"

namespace kiln::test {
namespace {

constexpr int repetitions = 5;

u64 cpu_ns() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
}

/// Nanoseconds that one of `rounds` takes: the best of several tries.
double each(u64 rounds, const std::function<void()>& all) {
    u64 best = ~u64{0};
    for (int i = 0; i < repetitions; ++i) {
        const u64 begin = cpu_ns();
        all();
        best = std::min(best, cpu_ns() - begin);
    }
    return static_cast<double>(best) / static_cast<double>(rounds);
}

void print(double ns, const char* what) { std::printf("%10.1f ns  %s\n", ns, what); }

/// A guest that runs `code` with the rounds in a1, again and again.
class Runs {
  public:
    explicit Runs(const Assembler& code) : guest_(options()), hart_(guest_) { guest_.put(code); }
    riscv64::State& state() { return hart_.state; }
    void put(const Assembler& code, GuestAddr at) { guest_.put(code, at); }
    double ns(u64 rounds) {
        return each(rounds, [&] {
            hart_.state.pc = code_at.raw;
            hart_.state.x[a1] = rounds;
            KILN_CHECK(guest_.engine->run(*hart_.thread) == abi::ExitReason::syscall);
        });
    }

  private:
    static run::EngineOptions options() {
        run::EngineOptions options;
        options.kind = EngineKind::jit1;
        return options;
    }
    Guest guest_;
    Hart hart_;
};

void loop_end(Assembler& code) {
    code.imm(InstId::addi, a1, a1, -1);
    code.branch(InstId::bne, a1, zero, "loop");
    code.plain(InstId::ecall);
}

/// The loop alone: a linked jump from a unit to itself.
double linked(u64 rounds) {
    Assembler code(code_at);
    code.label("loop");
    loop_end(code);
    return Runs(code).ns(rounds);
}

/// Two indirect jumps a round, to units `distance` bytes apart and back, each found in the jump cache or not.
double indirect(u64 rounds, u64 distance) {
    Assembler code(code_at);
    code.label("loop");
    code.op(InstId::xor_, a2, a2, a3);
    code.imm(InstId::jalr, ra, a2, 0);
    loop_end(code);
    Runs runs(code);
    const u64 first = code_at.raw + 0x2000, second = first + distance;
    Assembler back(GuestAddr(0));
    back.imm(InstId::jalr, zero, ra, 0);
    runs.put(back, GuestAddr(first));
    runs.put(back, GuestAddr(second));
    runs.state().x[a2] = first;
    runs.state().x[a3] = first ^ second;
    return runs.ns(rounds);
}

/// A search of the unit map alone, among as many units as a large program has.
double search(u64 rounds) {
    constexpr u64 units = 20000;
    run::UnitMap map;
    const auto pc = [](u64 i) { return 0x10000 + 18 * i; };
    for (u64 i = 0; i < units; ++i) {
        auto unit = std::make_unique<run::CachedUnit>();
        unit->pc = pc(i);
        map.insert(std::move(unit));
    }
    u64 found = 0;
    const double ns = each(rounds, [&] {
        for (u64 i = 0; i < rounds; ++i) found += map.find(pc(i * 7919 % units)) != nullptr;
    });
    KILN_CHECK(found == repetitions * rounds);
    return ns;
}

/// Units of ten instructions, compiled one after another.
DurationSummary compile() {
    constexpr int units = 1500;
    times_are_counted = true;
    Assembler code(code_at);
    for (int i = 0; i < units; ++i) {
        for (int n = 0; n < 9; ++n)
            code.op(n % 2 ? InstId::add : InstId::xor_, a0 + n % 4, a1 + (i + n) % 4, a2);
        code.branch(InstId::bne, a0, zero, code.here() + 4);
    }
    code.plain(InstId::ecall);
    run::EngineOptions options;
    options.kind = EngineKind::jit1;
    options.lift.max_instructions = 10;
    Guest guest(options);
    guest.put(code);
    Hart hart(guest);
    KILN_CHECK(guest.engine->run(*hart.thread) == abi::ExitReason::syscall);
    return summary(Duration::unit_compiled);
}

void all(u64 rounds) {
    const double loop = linked(rounds);
    constexpr u64 same_index = 2 * abi::jump_cache_entries;
    const double hits = indirect(rounds, 64), misses = indirect(rounds / 8, same_index);
    print(loop, "a loop of one unit, linked to itself: two instructions and a link");
    print((hits - loop) / 2, "an indirect jump that the jump cache knows, and the instruction before it");
    print(misses - hits,
          "an indirect jump that it does not know: out of the unit, the run loop, the map, and back in");
    print(search(rounds), "of that, a search of the unit map");
    const DurationSummary made = compile();
    print(static_cast<double>(made.median_ns), "to compile a unit of ten instructions, median");
    print(static_cast<double>(made.p99_ns), "and for 99 of 100");
}

}  // namespace
}  // namespace kiln::test

int main(int argc, char** argv) {
    char* end = nullptr;
    const kiln::u64 rounds = argc > 1 ? std::strtoull(argv[1], &end, 10) : 4'000'000;
    if (argc > 2 || rounds == 0 || (end && *end)) {
        std::fprintf(stderr, "usage: micro [ROUNDS], a number\n");
        return 2;
    }
    kiln::test::all(rounds);
}

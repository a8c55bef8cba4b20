#include "run_ir.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "mem/fault.h"

namespace kiln::irtool {
namespace {

constexpr u64 reserved_bytes = reserved_below + reserved_above;

u64& slot(riscv64::State& state, std::size_t number) {
    return *reinterpret_cast<u64*>(reinterpret_cast<u8*>(&state) + riscv64::layout.slots[number].offset);
}

}  // namespace

struct Runner::Machine {
    u8* memory = nullptr;
    riscv64::State state;
    std::vector<abi::JumpCacheEntry> jump_cache{abi::jump_cache_entries};
    interp::Flattener flattener;
};

Runner::Runner() : machine_(std::make_unique<Machine>()) {
    KILN_CHECK(riscv64::layout.slots.size() == GuestState{}.slots.size());
    mem::install_fault_handlers();
    void* const reserved =
        mmap(nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    KILN_CHECK(reserved != MAP_FAILED);
    machine_->memory = static_cast<u8*>(reserved) + reserved_below;
    KILN_CHECK(mprotect(machine_->memory + window_begin, window_bytes, PROT_READ | PROT_WRITE) == 0);
    machine_->state.context.memory = machine_->memory;
    machine_->state.context.jump_cache = machine_->jump_cache.data();
}

Runner::~Runner() { munmap(machine_->memory - reserved_below, reserved_bytes); }

Result<Outcome> Runner::run(const ir::Function& f, const GuestState& initial) {
    auto unit = machine_->flattener.flatten(f);
    if (!unit) return fail(unit.error().message);

    riscv64::State& state = machine_->state;
    abi::Context& context = state.context;
    for (std::size_t i = 0; i < initial.slots.size(); ++i) slot(state, i) = initial.slots[i];
    std::memcpy(machine_->memory + window_begin, initial.memory.data(), window_bytes);
    context.fp_flags = initial.fp_flags;
    context.retired = context.side_exit = 0;
    context.fault = {};
    context.budget = context.budget_filled = 1'000'000;

    Outcome outcome;
    outcome.reason = interp::run((*unit)->entry(), context);
    for (std::size_t i = 0; i < initial.slots.size(); ++i) outcome.state.slots[i] = slot(state, i);
    std::memcpy(outcome.state.memory.data(), machine_->memory + window_begin, window_bytes);
    outcome.state.fp_flags = context.fp_flags;
    outcome.instructions = context.instructions();
    if (outcome.reason == abi::ExitReason::fault) outcome.fault = context.fault;
    if (outcome.reason == abi::ExitReason::side_exit) outcome.side_exit = context.side_exit;
    return outcome;
}

GuestState random_state(std::mt19937_64& random) {
    constexpr u64 extremes[] = {0,          1,          ~u64{0},   u64{1} << 63, ~u64{0} >> 1,
                                0x80000000, 0x7fffffff, 0xffffffff};
    constexpr u64 floats[] = {0,
                              0x8000000000000000,   // -0
                              0x3ff0000000000000,   // 1
                              0x7ff0000000000000,   // infinity
                              0x7ff8000000000000,   // quiet NaN
                              0x7ff0000000000001,   // signaling NaN
                              0x0000000000000001,   // smallest subnormal
                              0xffffffff3f800000,   // 1, boxed binary32
                              0xffffffff7fc00000,   // quiet NaN, boxed
                              0xffffffff7f800001,   // signaling NaN, boxed
                              0xffffffffffff3c00,   // 1, boxed binary16
                              0x000000003f800000};  // not boxed
    const auto number = [&]() -> u64 {
        switch (random() % 8) {
            case 0: return random() % 16;
            case 1: return extremes[random() % std::size(extremes)];
            case 2: return random() >> random() % 64;
            case 3: return window_begin - 64 + random() % (window_bytes + 128);
            case 4:
            case 5: return window_begin + random() % window_bytes / 16 * 16;
            default: return random();
        }
    };
    GuestState state;
    for (u64& s : state.slots) s = number();
    for (unsigned i = 0; i < 32; ++i)
        if (random() % 2)
            state.slots[static_cast<u16>(riscv64::f_slot(i))] = floats[random() % std::size(floats)];
    state.slots[static_cast<u16>(riscv64::slot::frm)] = random() % (random() % 4 ? 5 : 8);
    state.fp_flags = random() % 32;
    for (std::size_t i = 0; i < window_bytes; i += 8) {
        const u64 value = random() & random() >> random() % 64;
        std::memcpy(state.memory.data() + i, &value, 8);
    }
    return state;
}

std::string describe_exit(const Outcome& outcome) {
    std::string text(abi::name(outcome.reason));
    if (outcome.reason == abi::ExitReason::side_exit) text += fmt::format(" {:#x}", outcome.side_exit);
    if (outcome.reason == abi::ExitReason::fault)
        text += fmt::format(" at {:#x}, kind {}", outcome.fault.address.raw,
                            static_cast<unsigned>(outcome.fault.kind));
    return text;
}

std::optional<std::string> difference(const GuestState& initial, const Outcome& a, const Outcome& b) {
    std::string table = fmt::format("  {:<14}{:>20}{:>20}{:>20}\n", "", "before", "first", "second");
    bool different = false;
    const auto row = [&](std::string_view name, u64 before, u64 first, u64 second) {
        if (first == second && first == before) return;
        different |= first != second;
        table += fmt::format("{} {:<14}{:>#20x}{:>#20x}{:>#20x}\n", first == second ? ' ' : '*', name, before,
                             first, second);
    };
    const std::string exit_a = describe_exit(a), exit_b = describe_exit(b);
    different |= exit_a != exit_b;
    table += fmt::format("{} exit: {}; {}\n", exit_a == exit_b ? ' ' : '*', exit_a, exit_b);
    for (std::size_t i = 0; i < initial.slots.size(); ++i)
        row(riscv64::layout.slots[i].name, initial.slots[i], a.state.slots[i], b.state.slots[i]);
    row("fp flags", initial.fp_flags, a.state.fp_flags, b.state.fp_flags);
    row("instructions", 0, a.instructions, b.instructions);
    for (std::size_t i = 0; i < window_bytes; ++i) {
        const u8 before = initial.memory[i], first = a.state.memory[i], second = b.state.memory[i];
        if (first != second || first != before)
            row(fmt::format("[{:#x}]", window_begin + i), before, first, second);
    }
    if (!different) return std::nullopt;
    return table;
}

}  // namespace kiln::irtool

#include "run_ir.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "base/options.h"
#include "emit/stubs.h"
#include "emit/translate.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "mem/fault.h"
#include "opt/pipeline.h"
#include "run/compiled_units.h"

namespace kiln::irtool {
namespace {

constexpr u64 reserved_bytes = reserved_below + reserved_above;

// All words of slots follow each other in the context.
constexpr u32 first_word = offsetof(riscv64::State, x) + 8, first_typed = first_word + 8 * riscv64_words;
constexpr std::size_t word_count = riscv64_words + typed_words;
static_assert(first_typed % 16 == 0 && first_word + 8 * word_count <= abi::temps_begin);

constexpr std::string_view typed_names[] = {
#define IR_TYPE(name, bits, bytes, meaning) #name "_a", #name "_b",
#include "ir/types.def"
#undef IR_TYPE
};

const std::vector<ir::Slot>& slots() {
    static const std::vector<ir::Slot> all = [] {
        std::vector<ir::Slot> list(riscv64::layout.slots.begin(), riscv64::layout.slots.end());
        KILN_CHECK(list.size() == riscv64_words && list.front().offset == first_word &&
                   list.back().offset + 8 == first_typed);
        for (u32 i = 2; i < std::size(typed_names); ++i)
            list.push_back({typed_names[i], ir::Type(i / 2), first_typed + 16 * (i - 2)});
        return list;
    }();
    return all;
}

const ir::StateLayout layout = {riscv64::layout.name,        slots(),
                                riscv64::layout.pc,          riscv64::layout.rounding,
                                riscv64::layout.hot_integer, riscv64::layout.hot_fp};

u64* words(riscv64::State& state) {
    return reinterpret_cast<u64*>(reinterpret_cast<u8*>(&state) + first_word);
}

std::string_view describe(abi::FaultKind kind) {
    switch (kind) {
        case abi::FaultKind::unmapped: return "nothing is mapped there";
        case abi::FaultKind::protected_: return "not accessible";
        case abi::FaultKind::bus: return "nothing is behind the mapping";
        case abi::FaultKind::misaligned: return "misaligned";
    }
    return "";
}

u8* translate(abi::Context& context, u64 address, abi::MmuAccess access) {
    const u64 page = (address - mmu_begin) / abi::mmu_page_bytes;
    if (address < mmu_begin || page >= mmu_pages) {
        context.fault = {GuestAddr(address), abi::FaultKind::unmapped};
        return nullptr;
    }
    if (access == abi::MmuAccess::write && page + 1 == mmu_pages) {
        context.fault = {GuestAddr(address), abi::FaultKind::protected_};
        return nullptr;
    }
    return context.memory + window_begin + address % abi::mmu_page_bytes;
}
static_assert(window_bytes == abi::mmu_page_bytes);

/// A process has one: its signal handlers find it.
std::shared_ptr<run::CompiledUnits> the_units() {
    static std::weak_ptr<run::CompiledUnits> existing;
    if (auto units = existing.lock()) return units;
    auto made =
        run::CompiledUnits::create(emit::make_stubs(riscv64::layout), emit::pinned_registers(riscv64::layout),
                                   riscv64::layout[riscv64::layout.pc].offset, 1 << 20);
    KILN_CHECK(made.has_value());
    std::shared_ptr<run::CompiledUnits> units = std::move(*made);
    existing = units;
    return units;
}

}  // namespace

const ir::Env env = {&layout, riscv64::env.helpers};

ir::SlotId typed_slot(ir::Type type) {
    return ir::SlotId(riscv64_words + 2 * (static_cast<unsigned>(type) - 1));
}

unsigned word_of(ir::SlotId slot) { return (layout[slot].offset - first_word) / 8; }

namespace {

/// KILN_WITHOUT_HOST, as the option --without-host.
HostFeatureSet features_to_do_without() {
    Options options;
    (void)read_environment(options, environ, Dialect::kiln);
    return options.without_host;
}

}  // namespace

struct Runner::Machine {
    u8* memory = nullptr;
    riscv64::State state;
    std::vector<abi::JumpCacheEntry> jump_cache{abi::jump_cache_entries};
    interp::Flattener flattener;
    std::shared_ptr<run::CompiledUnits> units;  // with RunOn::compiler
    emit::Translator translator{emit::host_features(features_to_do_without()),
                                {.flat = false, .loop = false}};
    abi::UnitCode code;
    u64 compiled = 0;
    std::string not_compiled;
    RunOn on = RunOn::interpreter;

    Result<void> translate_region(ir::Function f) {
        opt::run_pipeline(f, opt::Level::region, {.verify_each = true});
        return translator.translate_region(f, code);
    }

    /// The function's unit in code memory; null when it cannot be compiled.
    std::unique_ptr<run::CompiledUnit> compile(const ir::Function& f) {
        if (units == nullptr) return nullptr;
        if (auto made = on == RunOn::regions ? translate_region(f) : translator.translate(f, code); !made) {
            not_compiled = made.error().message;
            return nullptr;
        }
        ++compiled;
        auto unit = units->install(code);
        KILN_CHECK(unit.has_value());
        return std::move(*unit);
    }
};

Runner::Runner()
    : Runner([] {
          const char* const on = std::getenv("KILN_RUN_ON");
          const std::string_view name = on != nullptr ? on : "";
          return name == "compiler"  ? RunOn::compiler
                 : name == "regions" ? RunOn::regions
                                     : RunOn::interpreter;
      }()) {}

Runner::Runner(RunOn on) : machine_(std::make_unique<Machine>()) {
    mem::install_fault_handlers();
    void* const reserved =
        mmap(nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    KILN_CHECK(reserved != MAP_FAILED);
    machine_->memory = static_cast<u8*>(reserved) + reserved_below;
    KILN_CHECK(mprotect(machine_->memory + window_begin, window_bytes, PROT_READ | PROT_WRITE) == 0);
    machine_->state.context.memory = machine_->memory;
    machine_->state.context.translate = translate;
    machine_->state.context.jump_cache = machine_->jump_cache.data();
    machine_->on = on;
    if (on == RunOn::interpreter) return;
    machine_->units = the_units();
}

bool Runner::compiles() const { return machine_->on == RunOn::compiler; }
u64 Runner::compiled() const { return machine_->compiled; }
const std::string& Runner::not_compiled() const { return machine_->not_compiled; }

Runner::~Runner() { munmap(machine_->memory - reserved_below, reserved_bytes); }

Result<Outcome> Runner::run(const ir::Function& f, const GuestState& initial) {
    auto unit = machine_->flattener.flatten(f);
    if (!unit) return fail(unit.error().message);

    riscv64::State& state = machine_->state;
    abi::Context& context = state.context;
    std::copy(initial.slots.begin(), initial.slots.end(), words(state));
    std::memcpy(machine_->memory + window_begin, initial.memory.data(), window_bytes);
    context.fp_flags = initial.fp_flags;
    context.retired = context.exit_detail = 0;
    context.fault = {};
    context.budget = context.budget_filled = 1'000'000;

    Outcome outcome;
    const auto compiled = machine_->compile(f);
    // Other runners of this thread have memories of their own.
    if (compiled != nullptr) machine_->units->prepare_thread(context);
    outcome.reason = compiled != nullptr ? machine_->units->run(compiled->entry(), context)
                                         : interp::run((*unit)->entry(), context);
    // The unit asks for what would have been right at once.
    if (outcome.reason == abi::ExitReason::tier_down) outcome.reason = interp::run((*unit)->entry(), context);
    std::copy_n(words(state), word_count, outcome.state.slots.begin());
    std::memcpy(outcome.state.memory.data(), machine_->memory + window_begin, window_bytes);
    outcome.state.fp_flags = context.fp_flags;
    outcome.instructions = context.instructions();
    if (outcome.reason == abi::ExitReason::fault) outcome.fault = context.fault;
    if (outcome.reason == abi::ExitReason::side_exit) outcome.side_exit = context.exit_detail;
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
    for (unsigned t = 1; t < ir::type_count; ++t)
        for (unsigned i : {0u, 2u})
            state.slots[word_of(typed_slot(ir::Type(t))) + i] &= ir::type_mask(ir::Type(t));
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

void for_each_word(const std::function<void(std::string_view, unsigned)>& f) {
    for (std::size_t i = 0; i < layout.slots.size(); ++i) {
        const ir::Slot& slot = layout.slots[i];
        const unsigned word = word_of(ir::SlotId(i));
        f(slot.name, word);
        if (words_of(slot.type) == 2) f(fmt::format("{}.high", slot.name), word + 1);
    }
}

std::string describe_exit(const Outcome& outcome) {
    std::string text(abi::name(outcome.reason));
    if (outcome.reason == abi::ExitReason::side_exit) text += fmt::format(" {:#x}", outcome.side_exit);
    if (outcome.reason == abi::ExitReason::fault)
        text += fmt::format(" at {:#x}: {}", outcome.fault.address.raw, describe(outcome.fault.kind));
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
    for_each_word([&](std::string_view name, unsigned i) {
        row(name, initial.slots[i], a.state.slots[i], b.state.slots[i]);
    });
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

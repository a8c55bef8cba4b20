#include "run/wiring.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/counters.h"
#include "base/hash.h"
#include "emit/stubs.h"
#include "emit/translate.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "interp/templates.h"
#include "interp/unit_memory.h"
#include "lift/region.h"
#include "lift/riscv64/frontend.h"
#include "opt/pipeline.h"
#include "run/chaos.h"
#include "run/compiled_units.h"
#include "run/lockstep.h"
#include "run/tamper.h"

namespace kiln::run {
namespace {

class InterpreterCode final : public TierCode {
  public:
    explicit InterpreterCode(std::unique_ptr<interp::Unit> unit) : unit_(std::move(unit)) {}
    const void* entry() const override { return unit_->entry(); }
    std::size_t bytes() const override { return unit_->bytes(); }
    void forward(const void* target) override {
        interp::forward(*unit_, static_cast<const interp::Code*>(target));
    }
    void suspend() override { interp::suspend(*unit_); }
    void resume() override { interp::resume(*unit_); }
    void unlink_stale() override { interp::unlink_stale(*unit_); }
    void count_entries(u16 entries) override { interp::count_entries(*unit_, entries); }
    u16 entries_left() const override { return interp::entries_left(*unit_); }

  private:
    std::unique_ptr<interp::Unit> unit_;
};

/// Templates for a guest, found out when Kiln was built; null where there are none.
const interp::TemplateTable* stored_templates(const abi::Frontend& frontend) {
    return &frontend == &riscv64::frontend() ? &interp::riscv64_templates : nullptr;
}

/// What is left of Fuel::templates, in this process.
std::atomic<u64> template_fuel = Fuel::endless;

/// Whether some of it is left, one less from now on.
bool burn(std::atomic<u64>& fuel) {
    u64 left = fuel.load(std::memory_order_relaxed);
    while (left != 0 && left != Fuel::endless && !fuel.compare_exchange_weak(left, left - 1)) {
    }
    return left != 0;
}

class InterpreterTranslator final : public Translator {
  public:
    explicit InterpreterTranslator(const abi::Frontend& frontend)
        : assembler_(frontend, flattener_, stored_templates(frontend)) {}
    Result<std::unique_ptr<TierCode>> translate(const ir::Function& f) override {
        auto unit = flattener_.flatten(f);
        if (!unit) return tl::unexpected(unit.error());
        return std::make_unique<InterpreterCode>(std::move(*unit));
    }
    std::unique_ptr<TierCode> assemble(GuestAddr pc, abi::CodeSource& code, const abi::LiftOptions& options,
                                       abi::Lifted& lifted) override {
        if (!burn(template_fuel)) return nullptr;
        auto unit = assembler_.assemble(pc, code, options, lifted);
        return unit == nullptr ? nullptr : std::make_unique<InterpreterCode>(std::move(unit));
    }

  private:
    interp::Flattener flattener_;
    interp::Assembler assembler_;
};

class Interpreter final : public Tier {
  public:
    Interpreter() : Tier(TierLevel::interpreter, CodeForm::cells) {}
    std::unique_ptr<Translator> new_translator(const abi::Frontend& frontend) const override {
        return std::make_unique<InterpreterTranslator>(frontend);
    }
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        return interp::run(static_cast<const interp::Code*>(entry), context);
    }
    void link(const void* site, const void* entry) const override {
        interp::link(site, static_cast<const interp::Code*>(entry));
    }
    bool before_fork() const override {
        interp::lock_unit_memory();
        return true;
    }
    void after_fork(bool) const override { interp::unlock_unit_memory(); }
};

// Counters of entries, which units change that other threads run (CompiledUnits::counter()).
void set_count(i32* counter, u16 entries) { __atomic_store_n(counter, entries, __ATOMIC_RELAXED); }
u16 count_left(const i32* counter) {
    return static_cast<u16>(std::max(0, __atomic_load_n(counter, __ATOMIC_RELAXED)));
}

class Tier1Code final : public TierCode {
  public:
    Tier1Code(CompiledUnits& units, std::unique_ptr<CompiledUnit> unit)
        : units_(units), unit_(std::move(unit)) {}
    const void* entry() const override { return unit_->entry(); }
    std::size_t bytes() const override { return unit_->bytes(); }
    void forward(const void* target) override { unit_->forward(target); }
    void suspend() override { unit_->forward(nullptr); }
    void resume() override { unit_->resume(); }
    void unlink_stale() override { unit_->unlink_stale(); }
    std::span<const u8> host_code() const override { return unit_->code(); }
    void count_entries(u16 entries) override { set_count(counter(), entries); }
    u16 entries_left() const override { return count_left(counter()); }

  private:
    i32* counter() const { return units_.counter(unit_->counter()); }

    CompiledUnits& units_;
    const std::unique_ptr<CompiledUnit> unit_;
};

/// Tier 1's code for a function.
Result<void> make_code(emit::Translator& emitter, const ir::Function& f, abi::UnitCode& code) {
    if (tamper == nullptr) [[likely]]
        return emitter.translate(f, code);
    ir::Function changed = f;
    tamper(changed, TamperPoint::compiling, 0);
    return emitter.translate(changed, code);
}

/// Most instructions of a region that units of so many stand in place of.
u32 region_limit(u32 unit_limit) {
    constexpr u32 units = 4;
    return std::min(lift::RegionOptions{}.max_instructions, units * unit_limit);
}

/// Makes a unit of bytes that a translator of the tier has made.
Result<std::unique_ptr<TierCode>> make_unit(CompiledUnits& units, const abi::UnitCode& code) {
    auto unit = units.install(code);
    if (!unit) return tl::unexpected(unit.error());
    return std::make_unique<Tier1Code>(units, std::move(*unit));
}

class Tier1Chapter final : public TierChapter {
  public:
    Tier1Chapter(CompiledUnits& units, std::unique_ptr<CompiledUnit> code, u32 first_counter)
        : units_(units), code_(std::move(code)), first_counter_(first_counter) {}
    const void* entry(u32 offset) const override { return static_cast<const u8*>(code_->entry()) + offset; }
    std::size_t bytes() const override { return code_->bytes(); }
    void forward(const abi::StoredUnit& unit, const void* target) override {
        code_->forward(unit.entry, unit.forward, target);
    }
    void resume(const abi::StoredUnit& unit) override { code_->resume(unit.entry); }
    void count_entries(std::size_t number, u16 entries) override { set_count(counter(number), entries); }
    u16 entries_left(std::size_t number) const override { return count_left(counter(number)); }

  private:
    i32* counter(std::size_t number) const {
        return units_.counter(first_counter_ + static_cast<u32>(number));
    }

    CompiledUnits& units_;
    const std::unique_ptr<CompiledUnit> code_;
    const u32 first_counter_;
};

class Tier1 final : public Tier {
  public:
    Tier1(std::unique_ptr<CompiledUnits> units, const emit::HostFeatures& features,
          const emit::EmitOptions& options, const Fuel& fuel, u64 code_key)
        : Tier(TierLevel::units, CodeForm::host),
          units_(std::move(units)),
          features_(features),
          options_(options),
          fuel_(fuel),
          code_key_(code_key),
          units_left_(fuel.units) {}
    std::unique_ptr<Translator> new_translator(const abi::Frontend&) const override;
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        return units_->run(entry, context);
    }
    void link(const void* site, const void* entry) const override { units_->link(site, entry); }
    void prepare_thread(abi::Context& context) const override { units_->prepare_thread(context); }
    Result<std::unique_ptr<TierChapter>> install(abi::Chapter& chapter, const FillCode& fill,
                                                 u16 entries) const override {
        u32 first_counter = 0;
        auto code = units_->install(chapter, fill, entries, first_counter);
        if (!code) return tl::unexpected(code.error());
        return std::make_unique<Tier1Chapter>(*units_, std::move(*code), first_counter);
    }
    u64 code_key() const override { return code_key_; }
    const emit::HostFeatures& features() const { return features_; }
    const emit::EmitOptions& options() const { return options_; }
    /// Whether fuel and bounds let a unit be made at `pc`; the error says why not.
    Result<void> may_compile(GuestAddr pc) const {
        if (pc < fuel_.begin || pc >= fuel_.end)
            return fail("it is outside of --compile-from and --compile-to");
        if (units_left_ == 0) return fail("--fuel-units has been used up");
        return {};
    }
    /// Makes a unit of bytes that a translator of the tier has made.
    Result<std::unique_ptr<TierCode>> install(const abi::UnitCode& code) const {
        if (options_.fails && options_.fails()) return fail("chance left no room for it", ENOMEM);
        auto unit = make_unit(*units_, code);
        if (unit) burn(units_left_);
        return unit;
    }
    std::span<const u8> stub_code() const override { return units_->stub_code(); }
    bool before_fork() const override { return units_->memory().before_fork().has_value(); }
    void after_fork(bool in_child) const override {
        in_child ? units_->memory().in_child() : units_->memory().in_parent();
    }

  private:
    class Making;

    std::unique_ptr<CompiledUnits> units_;
    emit::HostFeatures features_;
    emit::EmitOptions options_;
    Fuel fuel_;
    u64 code_key_;
    mutable std::atomic<u64> units_left_;
};

class Tier1::Making final : public Translator {
  public:
    explicit Making(const Tier1& tier) : tier_(tier), emitter_(tier.features_, tier.options_) {}
    Result<std::unique_ptr<TierCode>> translate(const ir::Function& f) override {
        if (const auto allowed = tier_.may_compile(f.entry()); !allowed)
            return tl::unexpected(allowed.error());
        if (auto made = make_code(emitter_, f, code_); !made) return tl::unexpected(made.error());
        return tier_.install(code_);
    }
    std::unique_ptr<TierCode> assemble(GuestAddr, abi::CodeSource&, const abi::LiftOptions&,
                                       abi::Lifted&) override {
        return nullptr;
    }
    Result<void> encode(const ir::Function& f, bool counts, abi::UnitCode& code) override {
        auto made = emitter_.translate(f, code, counts);
        if (made && !code.frame_values.empty()) return fail("units with frame states are not kept");
        return made;
    }
    std::string_view listing() const override { return code_.listing; }

  private:
    const Tier1& tier_;
    emit::Translator emitter_;
    abi::UnitCode code_;
};

std::unique_ptr<Translator> Tier1::new_translator(const abi::Frontend&) const {
    return std::make_unique<Making>(*this);
}

/// Tier 2: what it makes lives among tier 1's units, which must outlive it.
class Tier2 final : public Tier {
  public:
    explicit Tier2(const Tier1& units) : Tier(TierLevel::regions, CodeForm::host), units_(units) {}
    std::unique_ptr<Translator> new_translator(const abi::Frontend& frontend) const override;
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        return units_.run(entry, context);
    }
    void link(const void* site, const void* entry) const override { units_.link(site, entry); }
    void prepare_thread(abi::Context& context) const override { units_.prepare_thread(context); }
    std::span<const u8> stub_code() const override { return units_.stub_code(); }

  private:
    class Making;
    const Tier1& units_;
};

class Tier2::Making final : public Translator {
  public:
    Making(const Tier1& units, const abi::Frontend& frontend)
        : units_(units),
          former_(frontend),
          function_(frontend.env()),
          emitter_(units.features(), units.options()) {}
    Result<std::unique_ptr<TierCode>> translate(const ir::Function&) override {
        return fail("regions are made of guest code");
    }
    std::unique_ptr<TierCode> assemble(GuestAddr, abi::CodeSource&, const abi::LiftOptions&,
                                       abi::Lifted&) override {
        return nullptr;
    }
    Result<std::unique_ptr<TierCode>> translate_region(GuestAddr pc, abi::CodeSource& code,
                                                       const abi::LiftOptions& options,
                                                       abi::Lifted& lifted) override {
        if (const auto allowed = units_.may_compile(pc); !allowed) return tl::unexpected(allowed.error());
        const bool loops = former_.form(function_, pc, code,
                                        {.max_instructions = region_limit(options.max_instructions),
                                         .stops = options.stops,
                                         .profile = options.profile},
                                        lifted);
        if (lifted.instructions == 0) return fail("there is nothing to be made of the code there");
        // Units do as well for code that does not come back, and their ways out cost less.
        if (!loops && options.profile != nullptr) return fail("no loop goes through it");
        opt::run_pipeline(function_, opt::Level::region);
        if (tamper != nullptr) tamper(function_, TamperPoint::compiling, 0);
        // Where there are units to go back to, it has to prove its worth.
        const bool counts = options.profile != nullptr;
        if (auto made = emitter_.translate_region(function_, code_, counts); !made)
            return tl::unexpected(made.error());
        return units_.install(code_);
    }
    std::string_view listing() const override { return code_.listing; }

  private:
    const Tier1& units_;
    lift::RegionFormer former_;
    ir::Function function_;
    emit::Translator emitter_;
    abi::UnitCode code_;
};

std::unique_ptr<Translator> Tier2::new_translator(const abi::Frontend& frontend) const {
    return std::make_unique<Making>(units_, frontend);
}

/// Tier::code_key(): whatever makes other code of the same guest bytes.
u64 code_key_of(const EngineOptions& options, const emit::HostFeatures& has,
                const emit::EmitOptions& emitting) {
    const u8 bytes[] = {
#define HOST_FEATURE(name, sentence) has.name,
#include "base/host_features.def"
#undef HOST_FEATURE
        emitting.flat, emitting.count_jumps, static_cast<u8>(options.opt),
        static_cast<u8>(options.lift.max_instructions >> 8), static_cast<u8>(options.lift.max_instructions)};
    return hash_bytes(bytes);
}

opt::Level level_of(OptLevel level) {
    switch (level) {
        case OptLevel::none: return opt::Level::none;
        case OptLevel::tier0: return opt::Level::tier0;
        case OptLevel::full: return opt::Level::full;
    }
    KILN_UNREACHABLE();
}

void optimize_nothing(ir::Function&, const AfterPass&) {}

Optimize passes_of(const EngineOptions& options) {
    if (options.opt == OptLevel::none) return optimize_nothing;
    return
        [level = level_of(options.opt), most = options.fuel.passes](ir::Function& f, const AfterPass& after) {
            const u64 count = opt::run_pipeline(f, level, {.most = most, .after = after});
            if (tamper != nullptr) tamper(f, TamperPoint::passes, count);
        };
}

/// Code memory for units that take `limit` bytes: those of the generation before may still be there.
u64 code_memory_bytes(u64 limit) {
    return std::min<u64>(u64{1} << 30, (2 * limit + (u64{64} << 10) + 4095) & ~u64{4095});
}

/// EmitOptions::fails.
std::function<bool()> failures_by_chance(std::optional<u64> seed) {
    if (!seed) return nullptr;
    return [chaos = std::make_shared<Chaos>(seed)] {
        const bool fails = chaos->fails_compiling();
        count(Counter::compiling_failed, fails);
        return fails;
    };
}

/// Tier 1, or null with a line on standard error.
std::unique_ptr<Tier1> make_tier1(const abi::Frontend& frontend, const mem::AddressSpace& space,
                                  const EngineOptions& options) {
    const ir::StateLayout& layout = *frontend.env().layout;
    const abi::StubCode stubs = emit::make_stubs(layout);
    const auto pinned = emit::pinned_registers(layout);
    const emit::HostFeatures features = emit::host_features(options.without_host);
    const emit::EmitOptions emitting{.flat = space.base() == 0,
                                     .count_jumps = options.count_jumps,
                                     .listing = options.listings,
                                     .log_accesses = options.lockstep != nullptr,
                                     .fails = failures_by_chance(options.chaos_seed)};
    // Under a limit on address space a smaller cache is better than none.
    constexpr u64 least = u64{4} << 20;
    for (u64 bytes = code_memory_bytes(options.cache_bytes);; bytes = bytes / 2 & ~u64{4095}) {
        auto units = CompiledUnits::create(stubs, pinned, layout[layout.pc].offset, bytes);
        if (units)
            return std::make_unique<Tier1>(std::move(*units), features, emitting, options.fuel,
                                           code_key_of(options, features, emitting));
        if (bytes > least) continue;
        std::fprintf(stderr, "kiln: %s: interpreting\n", units.error().message.c_str());
        return nullptr;
    }
}

std::string list_host_code(const ir::Function& f, HostFeatureSet without, bool flat) {
    emit::Translator translator(emit::host_features(without), {.flat = flat, .listing = true});
    abi::UnitCode code;
    const auto made = make_code(translator, f, code);
    return made ? code.listing : made.error().message;
}

/// A tier that compiles, in lockstep with the interpreter if that is asked for.
std::unique_ptr<Tier> in_lockstep(std::unique_ptr<Tier> compiling, const abi::Frontend& frontend,
                                  mem::AddressSpace& space, const EngineOptions& options) {
    if (options.lockstep == nullptr) return compiling;
    static const Interpreter reference;
    const auto list = [without = options.without_host, flat = space.base() == 0](const ir::Function& f) {
        return list_host_code(f, without, flat);
    };
    return make_lockstep_tier({.compiling = std::move(compiling),
                               .reference = reference,
                               .frontend = frontend,
                               .space = space,
                               .optimize = passes_of(options),
                               .list_host_code = list,
                               .witness = *options.lockstep},
                              options.lockstep_steps);
}

}  // namespace

const abi::Frontend& frontend_of(GuestIsa isa) {
    switch (isa) {
        case GuestIsa::riscv64: return riscv64::frontend();
    }
    KILN_UNREACHABLE();
}

std::unique_ptr<Engine> make_engine(const abi::Frontend& frontend, mem::AddressSpace& space,
                                    const EngineOptions& options) {
    template_fuel = options.fuel.templates;
    Optimize optimize = passes_of(options);
    // Lockstep of units keeps passes to itself: its reference, made of the same function, has none of them.
    if (options.lockstep != nullptr && options.lockstep_steps == LockstepSteps::units)
        optimize = optimize_nothing;
    const auto make_tier = [options, &frontend, &space, units = static_cast<const Tier1*>(nullptr)](
                               TierLevel level) mutable -> std::unique_ptr<Tier> {
        switch (level) {
            case TierLevel::interpreter: return std::make_unique<Interpreter>();
            case TierLevel::units: {
                std::unique_ptr<Tier1> made = make_tier1(frontend, space, options);
                units = made.get();
                if (made == nullptr) return nullptr;
                return in_lockstep(std::move(made), frontend, space, options);
            }
            case TierLevel::regions:
                // Who compares unit by unit wants units.
                if (options.lockstep != nullptr && options.lockstep_steps == LockstepSteps::units)
                    return nullptr;
                return in_lockstep(std::make_unique<Tier2>(*units), frontend, space, options);
        }
        KILN_UNREACHABLE();
    };
    return std::make_unique<Engine>(frontend, space, make_tier, std::move(optimize), options);
}

}  // namespace kiln::run

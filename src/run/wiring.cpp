#include "run/wiring.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "emit/stubs.h"
#include "emit/translate.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "interp/templates.h"
#include "lift/riscv64/frontend.h"
#include "opt/pipeline.h"
#include "run/compiled_units.h"

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
    void count_entries(u16 entries) override { interp::count_entries(*unit_, entries); }
    u16 entries_left() const override { return interp::entries_left(*unit_); }

  private:
    std::unique_ptr<interp::Unit> unit_;
};

/// Templates for a guest, found out when Kiln was built; null where there are none.
const interp::TemplateTable* stored_templates(const abi::Frontend& frontend) {
    return &frontend == &riscv64::frontend() ? &interp::riscv64_templates : nullptr;
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
        auto unit = assembler_.assemble(pc, code, options, lifted);
        return unit == nullptr ? nullptr : std::make_unique<InterpreterCode>(std::move(unit));
    }

  private:
    interp::Flattener flattener_;
    interp::Assembler assembler_;
};

class Interpreter final : public Tier {
  public:
    std::unique_ptr<Translator> new_translator(const abi::Frontend& frontend) const override {
        return std::make_unique<InterpreterTranslator>(frontend);
    }
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        return interp::run(static_cast<const interp::Code*>(entry), context);
    }
    void link(const void* site, const void* entry) const override {
        interp::link(site, static_cast<const interp::Code*>(entry));
    }
};

class Tier1Code final : public TierCode {
  public:
    explicit Tier1Code(std::unique_ptr<CompiledUnit> unit) : unit_(std::move(unit)) {}
    const void* entry() const override { return unit_->entry(); }
    std::size_t bytes() const override { return unit_->bytes(); }
    void forward(const void* target) override { unit_->forward(target); }
    std::span<const u8> host_code() const override { return unit_->code(); }

  private:
    std::unique_ptr<CompiledUnit> unit_;
};

class Tier1Translator final : public Translator {
  public:
    Tier1Translator(CompiledUnits& units, const emit::EmitOptions& options)
        : units_(units), emitter_(emit::host_features(), options) {}
    Result<std::unique_ptr<TierCode>> translate(const ir::Function& f) override {
        if (auto made = emitter_.translate(f, code_); !made) return tl::unexpected(made.error());
        auto unit = units_.install(code_);
        if (!unit) return tl::unexpected(unit.error());
        return std::make_unique<Tier1Code>(std::move(*unit));
    }
    std::unique_ptr<TierCode> assemble(GuestAddr, abi::CodeSource&, const abi::LiftOptions&,
                                       abi::Lifted&) override {
        return nullptr;
    }
    std::string_view listing() const override { return code_.listing; }

  private:
    CompiledUnits& units_;
    emit::Translator emitter_;
    abi::UnitCode code_;
};

class Tier1 final : public Tier {
  public:
    Tier1(std::unique_ptr<CompiledUnits> units, const emit::EmitOptions& options)
        : units_(std::move(units)), options_(options) {}
    std::unique_ptr<Translator> new_translator(const abi::Frontend&) const override {
        return std::make_unique<Tier1Translator>(*units_, options_);
    }
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        return units_->run(entry, context);
    }
    void link(const void* site, const void* entry) const override { units_->link(site, entry); }
    void prepare_thread(const abi::Context& context) const override {
        CompiledUnits::prepare_thread(context);
    }
    std::span<const u8> stub_code() const override { return units_->stub_code(); }
    bool before_fork() const override { return units_->memory().before_fork().has_value(); }
    void after_fork(bool in_child) const override {
        in_child ? units_->memory().in_child() : units_->memory().in_parent();
    }

  private:
    std::unique_ptr<CompiledUnits> units_;
    emit::EmitOptions options_;
};

void optimize_nothing(ir::Function&, const AfterPass&) {}
void optimize_for_tier0(ir::Function& f, const AfterPass& after) {
    opt::run_pipeline(f, opt::Level::tier0, {.after = after});
}
void optimize_fully(ir::Function& f, const AfterPass& after) {
    opt::run_pipeline(f, opt::Level::full, {.after = after});
}

const Interpreter interpreter;

/// Code memory for units that take `limit` bytes: those of the generation before may still be there.
u64 code_memory_bytes(u64 limit) {
    return std::min<u64>(u64{1} << 30, (2 * limit + (u64{64} << 10) + 4095) & ~u64{4095});
}

/// Tier 1, or null with a line on standard error: then the interpreter does it all.
std::unique_ptr<Tier> make_tier1(const abi::Frontend& frontend, const mem::AddressSpace& space,
                                 const EngineOptions& options) {
    const ir::StateLayout& layout = *frontend.env().layout;
    const abi::StubCode stubs = emit::make_stubs(layout);
    const auto pinned = emit::pinned_registers(layout);
    const emit::EmitOptions emitting{
        .flat = space.base() == 0, .count_jumps = options.count_jumps, .listing = options.listings};
    // Under a limit on address space a smaller cache is better than none.
    constexpr u64 least = u64{4} << 20;
    for (u64 bytes = code_memory_bytes(options.cache_bytes);; bytes = bytes / 2 & ~u64{4095}) {
        auto units = CompiledUnits::create(stubs, pinned, layout[layout.pc].offset, bytes);
        if (units) return std::make_unique<Tier1>(std::move(*units), emitting);
        if (bytes > least) continue;
        std::fprintf(stderr, "kiln: %s: interpreting\n", units.error().message.c_str());
        return nullptr;
    }
}

Optimize passes_of(OptLevel level) {
    switch (level) {
        case OptLevel::none: return optimize_nothing;
        case OptLevel::tier0: return optimize_for_tier0;
        case OptLevel::full: return optimize_fully;
    }
    KILN_UNREACHABLE();
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
    EngineOptions chosen = options;
    std::unique_ptr<Tier> tier1;
    if (options.kind != EngineKind::interp) tier1 = make_tier1(frontend, space, options);
    if (tier1 != nullptr) chosen.warm_after = options.kind == EngineKind::jit1 ? 0 : options.policy.hot_after;
    if (tier1 == nullptr || options.kind == EngineKind::jit1) chosen.policy = {};
    chosen.policy.hot_after = chosen.warm_after;
    const Tiers tiers{&interpreter, tier1 != nullptr ? tier1.get() : &interpreter};
    return std::make_unique<Engine>(frontend, space, tiers, std::move(tier1), passes_of(options.opt), chosen);
}

}  // namespace kiln::run

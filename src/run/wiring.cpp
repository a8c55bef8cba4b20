#include "run/wiring.h"

#include "base/check.h"
#include "interp/flatten.h"
#include "interp/interpreter.h"
#include "interp/templates.h"
#include "lift/riscv64/frontend.h"
#include "opt/pipeline.h"

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

void optimize_nothing(ir::Function&) {}
void optimize_for_tier0(ir::Function& f) { opt::run_pipeline(f, opt::Level::tier0); }
void optimize_fully(ir::Function& f) { opt::run_pipeline(f, opt::Level::full); }

const Tier& tier_of(EngineKind kind) {
    static const Interpreter interpreter;
    switch (kind) {
        case EngineKind::interp: return interpreter;
    }
    KILN_UNREACHABLE();
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
    return std::make_unique<Engine>(frontend, space, tier_of(options.kind), passes_of(options.opt), options);
}

}  // namespace kiln::run

// One linear list: each step with the reason why it stands where it stands.
#include "opt/pipeline.h"

#include <cstdio>
#include <cstdlib>

#include "ir/print.h"
#include "ir/verify.h"

namespace kiln::opt {
namespace {

constexpr Pass pass_table[] = {
#define OPT_PASS(name, meaning) {#name, name, meaning},
#include "opt/passes.def"
#undef OPT_PASS
};

struct Step {
    bool (*run)(ir::Function& f);
    Level from;  // the lowest level that takes the step
    std::string_view name;
};
#define STEP(pass, level) {pass, Level::level, #pass}

constexpr Step steps[] = {
    // Guest instructions talk through state slots: only when reads are values can anything else see them.
    STEP(copy_propagation, tier0),
    // Constants that the guest builds in several instructions are now connected.
    STEP(fold, tier0),
    // After folding equal values look equal. Before dead stores: it adds uses of earlier values, never
    // stores.
    STEP(common_subexpressions, full),
    // Reads are gone, so most writes are overwritten unseen.
    STEP(dead_state_stores, tier0),
    // Lengthens frame states, which every compiler above the interpreter keeps at no run-time cost.
    STEP(deferred_state_stores, full),
    // What the removed stores alone kept alive has one use less: chains of additions and addresses now fold.
    STEP(fold, full),
    // Last: every step above leaves values without a use.
    STEP(dead_code, tier0),
};
#undef STEP

}  // namespace

std::span<const Pass> passes() { return pass_table; }

const Pass* find_pass(std::string_view name) {
    for (const Pass& pass : pass_table)
        if (pass.name == name) return &pass;
    return nullptr;
}

void check_after(const ir::Function& f, std::string_view after) {
    const Result<void> result = ir::verify(f);
    if (result) return;
    std::fprintf(stderr, "kiln: internal error: malformed IR after %.*s: %s\n%s",
                 static_cast<int>(after.size()), after.data(), result.error().message.c_str(),
                 ir::print(f).c_str());
    std::abort();
}

void run_pipeline(ir::Function& f, Level level, const PipelineOptions& options) {
    if (options.verify_each) check_after(f, "lifting");
    for (const Step& step : steps) {
        if (step.from > level) continue;
        step.run(f);
        if (options.verify_each) check_after(f, step.name);
    }
}

}  // namespace kiln::opt

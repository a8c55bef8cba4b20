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

enum class When { tier0, full, always };

struct Step {
    bool (*run)(ir::Function& f);
    When when;
    std::string_view name;
};
#define STEP(pass, when) {pass, When::when, #pass}

constexpr Step steps[] = {
    // Guest instructions talk through state slots: only when reads are values can anything else see them. The
    // interpreter reads slots at no cost, so there values stay within their blocks.
    STEP(local_copy_propagation, tier0),
    STEP(copy_propagation, full),
    // Constants that the guest builds in several instructions are now connected.
    STEP(fold, always),
    // After folding equal values look equal. Guest compilers leave few; it pays only for code that runs long.
    STEP(common_subexpressions, full),
    // Reads are gone, so most writes are overwritten unseen; frame states cost nothing until a fault.
    STEP(deferred_state_stores, always),
    // What the removed stores alone kept alive has one use less: chains of additions and addresses now fold.
    STEP(fold, full),
    // Last: every step above leaves values without a use.
    STEP(dead_code, always),
};
#undef STEP

bool takes(Level level, When when) {
    return when == When::always || (when == When::tier0) == (level == Level::tier0);
}

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

u64 run_pipeline(ir::Function& f, Level level, const PipelineOptions& options) {
    if (options.verify_each) check_after(f, "lifting");
    u64 count = 0;
    if (level == Level::none) return count;
    for (const Step& step : steps) {
        if (!takes(level, step.when)) continue;
        if (count == options.most) break;
        ++count;
        step.run(f);
        if (options.verify_each) check_after(f, step.name);
        if (options.after) options.after(f, step.name);
    }
    return count;
}

}  // namespace kiln::opt

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

// Which levels take a step, a bit each.
constexpr u8 bit(Level level) { return static_cast<u8>(1 << static_cast<u8>(level)); }
constexpr u8 tier0 = bit(Level::tier0), full = bit(Level::full), region = bit(Level::region);
constexpr u8 always = tier0 | full | region;

struct Step {
    bool (*run)(ir::Function& f);
    u8 levels;
    std::string_view name;
};
#define STEP(pass, levels) {pass, levels, #pass}

constexpr Step steps[] = {
    // Before there are parameters: then they are those of the loop that changes them.
    STEP(separate_loops, region),
    // Later passes and the allocator put things on ways; passes never join blocks again.
    STEP(split_edges, region),
    // Before anything can be known of what the guest computes from block to block, it must be values.
    STEP(promote_state, region),
    // Guest instructions talk through state slots: only when reads are values can anything else see them. The
    // interpreter reads slots at no cost, so there values stay within their blocks.
    STEP(local_copy_propagation, tier0),
    STEP(copy_propagation, full | region),
    // Constants that the guest builds in several instructions are now connected.
    STEP(fold, always),
    // After folding equal values look equal. Guest compilers leave few; it pays only for code that runs long.
    STEP(common_subexpressions, full | region),
    // Reads are gone, so most writes are overwritten unseen; frame states cost nothing until a fault.
    STEP(deferred_state_stores, tier0 | full),
    // What the removed stores alone kept alive has one use less: chains of additions and addresses now fold.
    STEP(fold, full | region),
    // Last: every step above leaves values without a use.
    STEP(dead_code, always),
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

u64 run_pipeline(ir::Function& f, Level level, const PipelineOptions& options) {
    if (options.verify_each) check_after(f, "lifting");
    u64 count = 0;
    if (level == Level::none) return count;
    for (const Step& step : steps) {
        if ((step.levels & bit(level)) == 0) continue;
        if (count == options.most) break;
        ++count;
        step.run(f);
        if (options.verify_each) check_after(f, step.name);
        if (options.after) options.after(f, step.name);
    }
    return count;
}

}  // namespace kiln::opt

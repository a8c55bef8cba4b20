// How the engine has units made: which tier, from which way of reading the code, and whom it shows them to.
#include <cerrno>
#include <cstdio>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/counters.h"
#include "base/durations.h"
#include "base/log.h"
#include "run/engine.h"
#include "run/watch.h"

namespace kiln::run {

Engine::Making Engine::making(Thread& thread, u64 pc, bool warm) const {
    Making how{.lift = options_.lift, .warm = warm, .invalidation = invalidation_};
    how.lift.extend &= warm;
    how.lift.max_instructions = chaos_.unit_limit(how.lift.max_instructions);
    thread.stops_ = stops_;
    how.lift.stops = thread.stops_.get();
    thread.watching_ = watching_;
    if (watching_) how.lift.max_instructions = 1;
    if (!warm) return how;
    if (rules_.compiles() && !watching_ && !never_compiled_.contains(pc)) how.compiler = &tier(rules_.warm());
    how.lift.read_once = how.compiler != nullptr;
    // Where units are cold first, they have been counted.
    if (how.compiler != nullptr && rules_.tiers_up()) how.lift.profile = &block_counts_;
    if (how.compiler != nullptr)
        how.reason = rules_.tiers_up() ? TierReason::entered_often : TierReason::forced;
    else if (!rules_.compiles())
        how.reason = TierReason::warmed;
    else
        how.reason = watching_ ? TierReason::watched : TierReason::does_not_apply;
    return how;
}

abi::CodeHistory Engine::BlockCounts::at(GuestAddr pc) const {
    const std::lock_guard lock(engine_.mutex_);
    const CachedUnit* const unit = engine_.units_.find(pc.raw);
    if (unit == nullptr)
        return engine_.stored_ != nullptr ? engine_.stored_->history(pc) : abi::CodeHistory{};
    if (!unit->warm) return {unit->entries(), 0};
    // What has no code of the hot tier must not keep its neighbours from theirs.
    constexpr u32 never_copied = ~u32{0};
    return {unit->entries(), unit->tier->level != TierLevel::interpreter ? unit->instructions : never_copied};
}

std::unique_ptr<CachedUnit> Engine::make(Thread& thread, u64 pc, Making& how) {
    abi::Lifted& lifted = thread.lifted_;
    thread.code_.clear(how.invalidation);
    const bool timed = times_are_counted || how.reason == TierReason::sampled ||
                       (policy_.adapts() && how.compiler != nullptr);
    const u64 begin_ns = timed ? CountedTime::now() : 0;
    auto unit = std::make_unique<CachedUnit>();
    unit->pc = pc;
    // Templates know nothing of a debugger's wishes.
    const bool debugged = thread.watching_ || how.lift.stops != nullptr;
    if (how.compiler == nullptr && options_.templates && options_.opt == OptLevel::none && !debugged) {
        const CountedTime time(Counter::assemble_ns);
        unit->code = thread.translator(interpreter()).assemble(GuestAddr(pc), thread.code_, how.lift, lifted);
        unit->tier = &interpreter();
        if (unit->code != nullptr) count(Counter::assembled_instructions, lifted.instructions);
    }
    if (how.compiler != nullptr && how.compiler->level == TierLevel::regions)
        compile_region(thread, *unit, how);
    if (unit->code == nullptr && how.reason == TierReason::no_region) {
        how.nanoseconds = CountedTime::now() - begin_ns;
        return nullptr;
    }
    if (unit->code == nullptr) {
        if (!lift(thread, pc, how.lift)) return nullptr;
        if (how.compiler != nullptr) compile(thread, *unit, how);
        if (unit->code == nullptr) interpret(thread, pc, *unit);
    }
    count(Counter::units_made);
    unit->warm = how.warm;
    unit->instructions = lifted.instructions;
    unit->entry = unit->code->entry();
    unit->ranges = std::move(lifted.ranges);
    for (const abi::CodeRange& range : unit->ranges) count(Counter::lifted_bytes, range.bytes);
    count(Counter::code_bytes, unit->code->bytes());
    const bool compiled = unit->tier->level == TierLevel::units;
    const bool region = unit->tier->level == TierLevel::regions;
    unit->on_trial = region && rules_.tiers_up();
    if (compiled) {
        count(Counter::compiled_instructions, lifted.instructions);
        count(Counter::compiled_bytes, unit->code->bytes());
    }
    if (timed) how.nanoseconds = CountedTime::now() - begin_ns;
    if (times_are_counted)
        record(region     ? Duration::region_compiled
               : compiled ? Duration::unit_compiled
                          : Duration::unit_interpreted,
               how.nanoseconds);
    return unit;
}

bool Engine::lift(Thread& thread, u64 pc, const abi::LiftOptions& lift_options) {
    abi::Lifted& lifted = thread.lifted_;
    {
        const CountedTime time(Counter::lift_ns);
        frontend_.lift(thread.function_, GuestAddr(pc), thread.code_, lift_options, lifted);
    }
    if (lifted.fetch_failed) {
        thread.context_.fault = lifted.fault;
        return false;
    }
    count(Counter::ir_instructions, thread.function_.value_count());
    count(Counter::lifted_instructions, lifted.instructions);
    {
        const CountedTime time(Counter::optimize_ns);
        AfterPass after;
        if (options_.observe_ir) {
            show_ir(pc, thread.function_, {});
            after = [&](const ir::Function& f, std::string_view pass) { show_ir(pc, f, pass); };
        }
        optimize_(thread.function_, after);
    }
    if (thread.watching_) watch_accesses(thread.function_);
    return true;
}

void Engine::compile(Thread& thread, CachedUnit& unit, Making& how) {
    const CountedTime time(Counter::compile_ns);
    auto code = thread.translator(*how.compiler).translate(thread.function_);
    if (code) {
        count(Counter::units_compiled);
        unit.code = std::move(*code);
        unit.tier = how.compiler;
        return;
    }
    how.reason = code.error().code == ENOMEM ? TierReason::no_room : TierReason::no_code;
    how.why_not = std::move(code.error().message);
}

void Engine::compile_region(Thread& thread, CachedUnit& unit, Making& how) {
    const CountedTime time(Counter::region_ns);
    abi::Lifted& lifted = thread.lifted_;
    auto code =
        thread.translator(*how.compiler).translate_region(GuestAddr(unit.pc), thread.code_, how.lift, lifted);
    if (code) {
        count(Counter::regions_compiled);
        count(Counter::region_instructions, lifted.instructions);
        count(Counter::region_bytes, (*code)->bytes());
        unit.code = std::move(*code);
        unit.tier = how.compiler;
        return;
    }
    count(Counter::regions_rejected);
    how.why_not = std::move(code.error().message);
    // One that was found running stays the unit that it is.
    if (how.reason == TierReason::sampled)
        how.reason = TierReason::no_region;
    else
        how.compiler = &tier(TierLevel::units);
}

void Engine::interpret(Thread& thread, u64 pc, CachedUnit& unit) {
    const CountedTime time(Counter::flatten_ns);
    auto code = thread.translator(interpreter()).translate(thread.function_);
    if (!code) {
        std::fprintf(stderr, "kiln: internal error: the unit at 0x%llx: %s\n",
                     static_cast<unsigned long long>(pc), code.error().message.c_str());
        KILN_UNREACHABLE();
    }
    unit.code = std::move(*code);
    unit.tier = &interpreter();
}

void Engine::show(Thread& thread, const CachedUnit& unit, const Making& how) {
    const bool compiled = unit.tier->level != TierLevel::interpreter;
    options_.observer->see_unit(
        {.pc = GuestAddr(unit.pc),
         .ranges = unit.ranges,
         .instructions = thread.lifted_.instructions,
         .reason = how.reason,
         .nanoseconds = how.nanoseconds,
         .bytes = unit.code->bytes(),
         .host_code = unit.code->host_code(),
         .listing = compiled ? thread.translator(*unit.tier).listing() : std::string_view()});
}

void Engine::show_ir(u64 pc, const ir::Function& f, std::string_view after) {
    const std::lock_guard lock(mutex_);
    options_.observer->see_ir(GuestAddr(pc), f, after);
}

}  // namespace kiln::run

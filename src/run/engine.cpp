#include "run/engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"

namespace kiln::run {
namespace {

/// Guest instructions between polls that nobody asked for: they only keep the count from overflowing.
constexpr i64 budget = i64{1} << 40;

/// Guest instructions between two looks where the guest is, on average: to find the regions where it spends its time.
constexpr u64 samples_for_regions = 262'144;

/// They are doubled as often, at most, while samples find nothing to improve.
constexpr u32 most_calm = 2;

/// For --trace=tier, of a unit that was made: why no better tier has it, the unit before it, its instructions.
std::string detail_of(std::string_view why_not, const CachedUnit* before, u32 instructions) {
    std::string text;
    if (!why_not.empty()) (text += why_not) += ", ";
    if (before != nullptr)
        ((text += "entered ") += std::string_view(Decimal(before->entries()))) += " times, ";
    return (text += std::string_view(Decimal(instructions))) += " instructions";
}

}  // namespace

Engine::Engine(const abi::Frontend& frontend, mem::AddressSpace& space, MakeTier make_tier, Optimize optimize,
               const EngineOptions& options)
    : frontend_(frontend),
      space_(space),
      make_tier_(std::move(make_tier)),
      optimize_(std::move(optimize)),
      options_(options),
      pc_slot_(frontend.env().layout->pc),
      kind_(options.kind),
      code_pages_(space) {
    if (options_.observer != nullptr) options_.observer->see_guest(frontend, space);
    rules_ = provide(rules_of(options.kind));
    policy_.follow(policy_options());
    if (options.store != nullptr && options.kind == EngineKind::hybrid && rules_.compiles())
        stored_ =
            std::make_unique<StoredCode>(*options.store, space, tier(TierLevel::units), options.observer);
    space_.set_code_listener([this](GuestAddr begin, u64 bytes) { invalidate(begin, bytes); });
    space_.set_write_listener([this](GuestAddr begin, u64 bytes) { return allow_writes(begin, bytes); });
}

Engine::~Engine() {
    space_.set_code_listener(nullptr);
    space_.set_write_listener(nullptr);
    KILN_CHECK(threads_.empty());
}

// ---- Threads ----

Engine::Thread::Thread(Engine& engine, abi::Context& context)
    : engine_(engine), context_(context), code_(engine.space_), function_(engine.frontend_.env()) {}

Engine::Thread::~Thread() {
    const std::lock_guard lock(engine_.mutex_);
    std::erase(engine_.threads_, this);
    settle();
    context_.jump_cache = nullptr;
}

void Engine::Thread::settle() {
    const u64 executed = context_.instructions();
    count(Counter::guest_instructions, executed - std::exchange(settled_instructions_, executed));
    count(Counter::unit_lookups, lookups_);
    count(Counter::unit_misses, lookups_ - hits_);
    count(Counter::unit_hits, hits_);
    count(Counter::direct_jumps, std::exchange(context_.direct_jumps, 0));
    count(Counter::indirect_jumps, std::exchange(context_.indirect_jumps, 0));
    count(Counter::link_misses, link_misses_);
    count(Counter::jump_cache_misses, jump_cache_misses_);
    lookups_ = hits_ = link_misses_ = jump_cache_misses_ = 0;
    for (std::size_t i = 0; i < exit_reason_count; ++i)
        count_exits(abi::ExitReason(i), std::exchange(exits_[i], 0));
}

std::unique_ptr<Engine::Thread> Engine::attach(abi::Context& context) {
    std::unique_ptr<Thread> thread(new Thread(*this, context));
    context.memory = space_.host(GuestAddr(0));
    // What a copied context had executed was another thread's doing.
    context.retired = context.direct_jumps = context.indirect_jumps = 0;
    context.budget = context.budget_filled = 0;
    context.watch = nullptr;
    const std::lock_guard lock(mutex_);
    for (const auto& tier : tiers_)
        if (tier != nullptr) thread->prepare(*tier);
    threads_.push_back(thread.get());
    return thread;
}

bool Engine::before_fork() {
    for (auto tier = tiers_.begin(); tier != tiers_.end(); ++tier) {
        if (*tier == nullptr || (*tier)->before_fork()) continue;
        while (tier != tiers_.begin())
            if (*--tier != nullptr) (*tier)->after_fork(false);
        return false;
    }
    return true;
}

void Engine::after_fork(bool in_child) {
    for (const auto& tier : tiers_)
        if (tier != nullptr) tier->after_fork(in_child);
}

void Engine::after_fork_in_child(Thread& survivor) {
    const std::lock_guard lock(mutex_);
    threads_.assign(1, &survivor);
    made_here_ = 0;
    if (stored_ != nullptr) stored_->store().begin_process();
    if (options_.observer != nullptr) options_.observer->see_fork();
}

void Engine::settle_counts() {
    const std::lock_guard lock(mutex_);
    for (Thread* thread : threads_) thread->settle();
}

// ---- Engines ----

EngineRules Engine::provide(EngineRules rules) {
    if (rules.tiers_up() && options_.policy.region_after == 0)
        rules.best = std::min(rules.best, TierLevel::units);
    for (std::size_t level = 0; level <= static_cast<u8>(rules.best); ++level) {
        std::unique_ptr<Tier>& own = tiers_[level];
        if (own != nullptr) continue;
        own = make_tier_(TierLevel(level));
        if (own == nullptr) {
            rules.best = TierLevel(level - 1);
            rules.first = std::min(rules.first, rules.best);
        } else if (options_.observer != nullptr && own->form == CodeForm::host) {
            options_.observer->see_stubs(own->stub_code());
        }
    }
    return rules;
}

PolicyOptions Engine::policy_options() const {
    if (!rules_.compiles()) return {.hot_after = options_.warm_after};
    if (!rules_.tiers_up()) return {.hot_after = 0};
    PolicyOptions policy = options_.policy;
    // What takes time for its own sake is no guest to save time for.
    policy.limits_regions = !chaos_.on() && options_.lockstep == nullptr;
    return policy;
}

void Engine::switch_to(EngineKind kind) {
    const std::lock_guard lock(mutex_);
    change_to(kind);
}

EngineKind Engine::kind() const { return kind_.load(std::memory_order_relaxed); }

void Engine::change_to(EngineKind kind) {
    if (kind_.exchange(kind, std::memory_order_relaxed) == kind) return;
    rules_ = provide(rules_of(kind));
    policy_.follow(policy_options());
    ++invalidation_;  // what is being made now is made for the engine before
    flush(TierReason::switched);
    count(Counter::engine_switches);
}

// ---- The run loop ----

u64 Engine::pc_of(const abi::Context& context) const {
    return *reinterpret_cast<const u64*>(reinterpret_cast<const u8*>(&context) +
                                         (*frontend_.env().layout)[pc_slot_].offset);
}

abi::ExitReason Engine::run(Thread& thread) {
    abi::Context& context = thread.context_;
    const CountedTime time(Counter::engine_ns, options_.sample_every != 0);
    context.link_site = nullptr;
    for (;;) {
        abi::ExitReason reason;
        const CachedUnit* const unit = enter(thread, pc_of(context), reason);
        if (unit != nullptr) reason = run(thread, *unit);
        ++thread.exits_[static_cast<u8>(reason)];
        if (leave(thread, reason)) return park(thread, reason);
    }
}

bool Engine::leave(Thread& thread, abi::ExitReason reason) {
    abi::Context& context = thread.context_;
    switch (reason) {
        case abi::ExitReason::lookup: return false;
        case abi::ExitReason::poll:
            if (options_.sample_every != 0 && !context.attention) take_sample(thread);
            if (const u64 region = std::exchange(context.exit_detail, 0);
                rules_.makes_regions() && !context.attention)
                find_running(thread, region);
            context.refill(grant(thread));
            context.link_site = nullptr;
            return context.attention;
        case abi::ExitReason::sync_code:
            sync_code();
            context.link_site = nullptr;
            return false;
        case abi::ExitReason::fault:
            if (context.fault.kind == abi::FaultKind::protected_ && written(thread, context.fault.address)) {
                context.link_site = nullptr;
                return false;
            }
            context.fault.kind = space_.fault_kind(context.fault.address, context.fault.kind);
            return true;
        case abi::ExitReason::tier_down:
            tier_down(thread, pc_of(context));
            context.link_site = nullptr;
            return false;
        case abi::ExitReason::syscall:
        case abi::ExitReason::illegal:
        case abi::ExitReason::breakpoint:
        case abi::ExitReason::fetch_fault:
        case abi::ExitReason::side_exit: return true;
    }
    KILN_UNREACHABLE();
}

abi::ExitReason Engine::run(Thread& thread, const CachedUnit& unit) {
    abi::Context& context = thread.context_;
    const Tier& tier = *unit.tier;
    const bool interpreted = tier.level == TierLevel::interpreter;
    const CountedTime time(interpreted ? Counter::interpreted_run_ns : Counter::compiled_run_ns,
                           options_.sample_every != 0);
    thread.prepare(tier);
    context.jump_cache = thread.jump_cache_of(tier).entries();
    thread.latest_form_ = tier.form;
    constexpr u32 one_in = 64;
    const bool timed = interpreted && policy_.adapts() && ++thread.interpreted_ % one_in == 0;
    const abi::ExitReason reason = timed ? run_timed(thread, unit) : tier.run(unit.entry, context);
    if (reason == abi::ExitReason::lookup && !interpreted)
        ++(context.link_site != nullptr ? thread.link_misses_ : thread.jump_cache_misses_);
    return reason;
}

abi::ExitReason Engine::run_timed(Thread& thread, const CachedUnit& unit) {
    const u64 instructions = thread.context_.instructions();
    const u64 begin = CountedTime::now();
    const abi::ExitReason reason = unit.tier->run(unit.code->entry(), thread.context_);
    const u64 nanoseconds = CountedTime::now() - begin;
    const std::lock_guard lock(mutex_);
    policy_.note_interpreted(thread.context_.instructions() - instructions, nanoseconds);
    return reason;
}

i64 Engine::grant(Thread& thread) const {
    // A region goes back to its loops' beginnings by itself: a thread finds out that it has been retired when it polls.
    const bool regions = rules_.makes_regions();
    if (options_.sample_every == 0 && !regions) return budget;
    u64 every = options_.sample_every != 0 ? options_.sample_every : ~u64{0};
    if (regions) every = std::min(every, chaos_.sample_distance(samples_for_regions << thread.calm_));
    // Not always the same, lest a loop be sampled at the same place each time. (Marsaglia, Xorshift RNGs, 2003.)
    thread.random_ ^= thread.random_ << 13;
    thread.random_ ^= thread.random_ >> 7;
    thread.random_ ^= thread.random_ << 17;
    return static_cast<i64>(every / 2 + thread.random_ % every);
}

void Engine::find_running(Thread& thread, u64 region) {
    const u64 executed = thread.context_.instructions();
    const u64 instructions = executed - std::exchange(thread.found_instructions_, executed);
    const std::lock_guard lock(mutex_);
    CachedUnit* const unit = region != 0 ? units_.find(region) : find(thread, pc_of(thread.context_));
    if (region != 0) {
        if (unit != nullptr && unit->on_trial) policy_.note_sample_in(*unit, instructions);
        thread.calm_ = std::min(thread.calm_ + 1, most_calm);
        return;
    }
    const bool may_improve = unit != nullptr && rules_.tiers_up() && unit->tier->level == TierLevel::units &&
                             !unit->has_no_region && !never_compiled_.contains(unit->pc);
    thread.calm_ = may_improve ? 0 : std::min(thread.calm_ + 1, most_calm);
    if (may_improve && policy_.note_sample(*unit, instructions))
        unit->wants_region.store(true, std::memory_order_relaxed);
}

void Engine::take_sample(Thread& thread) {
    const u64 executed = thread.context_.instructions();
    const std::lock_guard lock(mutex_);
    options_.observer->see_sample(GuestAddr(pc_of(thread.context_)),
                                  executed - std::exchange(thread.sampled_instructions_, executed));
}

abi::ExitReason Engine::park(Thread& thread, abi::ExitReason reason) {
    thread.in_generation_.store(Thread::outside, std::memory_order_release);
    return reason;
}

void Engine::come_in(Thread& thread) {
    u64 now = generation_.load(std::memory_order_acquire);
    if (thread.in_generation_.load(std::memory_order_relaxed) == now) return;
    // Either who ends a generation sees this thread in it, or this thread sees that it has ended (and no unit of it any more):
    // partner of end_generation().
    do {
        now = generation_.load(std::memory_order_seq_cst);
        thread.in_generation_.store(now, std::memory_order_seq_cst);
    } while (generation_.load(std::memory_order_seq_cst) != now);
    if (std::exchange(thread.generation_, now) == now) return;
    thread.context_.link_site = nullptr;
    for (JumpCache& cache : thread.jump_caches_) cache.clear();
    const std::lock_guard lock(mutex_);
    free_old_generations();
}

const CachedUnit* Engine::find_ready(u64 pc) const {
    if (has_stops_.load(std::memory_order_acquire) || policy_.counts_searches() || chaos_.on())
        return nullptr;
    const CachedUnit* const unit = units_.find(pc);
    if (unit == nullptr || unit->suspended.load(std::memory_order_relaxed) ||
        unit->wants_region.load(std::memory_order_relaxed))
        return nullptr;
    return (unit->warm && !unit->on_trial) || unit->code->entries_left() != 0 ? unit : nullptr;
}

const CachedUnit* Engine::enter(Thread& thread, u64 pc, abi::ExitReason& reason) {
    come_in(thread);
    ++thread.lookups_;
    if (const CachedUnit* const unit = find_ready(pc); unit != nullptr && !links(thread, *unit)) {
        ++thread.hits_;
        thread.jump_cache_of(*unit->tier).set(pc, unit->entry);
        return unit;
    }
    std::unique_lock lock(mutex_);
    if (chaos_.switches_engine() && options_.kind == EngineKind::hybrid) change_to(chaos_.engine());
    if (stops_at(GuestAddr(pc))) {
        reason = abi::ExitReason::breakpoint;
        return nullptr;
    }
    policy_.count_search();
    CachedUnit* unit = units_.find(pc);
    if (unit == nullptr) {
        if (const CachedUnit* const stored = find_stored(thread, pc)) {
            ++thread.hits_;
            if (!chaos_.delays_link()) lead_to(thread, *stored);
            return stored;
        }
        unit = find(thread, pc);
    }
    thread.hits_ += unit != nullptr;
    if (unit != nullptr && unit->suspended) resume(*unit);
    if (unit != nullptr && !unit->warm && unit->code->entries_left() == 0) {
        policy_.count_entries(*unit, unit->counting);
        if (!policy_.is_hot(*unit)) count_entries(*unit);
    }
    if (unit != nullptr && unit->on_trial && unit->code->entries_left() == 0) {
        unit->gives_up = !policy_.may_stay(*unit);
        unit->code->count_entries(Policy::trial_round);
    }
    const auto wanted = [&] {
        return unit == nullptr || unit->gives_up || (!unit->warm && policy_.is_hot(*unit)) ||
               unit->wants_region;
    };
    while (wanted()) {
        const bool warm = unit != nullptr || policy_.hot_after() == 0;
        const u64 invalidation = invalidation_;
        Making how = making(thread, pc, warm);
        if (unit != nullptr && unit->wants_region.exchange(false)) {
            if (how.compiler == nullptr || !rules_.makes_regions()) continue;
            how.compiler = &tier(TierLevel::regions);
            how.reason = TierReason::sampled;
        }
        if (unit != nullptr && unit->gives_up) how.reason = TierReason::left_early;
        lock.unlock();
        park(thread, reason);  // others need not wait for this thread to free units meanwhile
        std::unique_ptr<CachedUnit> made = make(thread, pc, how);
        if (made == nullptr && how.reason != TierReason::no_region) {
            reason = abi::ExitReason::fetch_fault;
            return nullptr;
        }
        come_in(thread);
        lock.lock();
        unit = units_.find(pc);
        if (how.reason == TierReason::sampled || made == nullptr) policy_.note_region(how.nanoseconds);
        if (made == nullptr) {
            note_decision(how.reason, pc, how.why_not);
            if (unit != nullptr) unit->has_no_region = true;
            continue;
        }
        // Another thread may have been faster, or the code may have changed meanwhile: then see once more.
        const bool outdated =
            how.reason == TierReason::sampled ? unit == nullptr : !wanted() || (unit != nullptr && !warm);
        if (invalidation != invalidation_ || outdated) continue;
        const std::string why =
            log_on(LogItem::tier) ? detail_of(how.why_not, unit, thread.lifted_.instructions) : std::string();
        if (unit != nullptr) {
            made->counted = unit->counted;
            made->has_no_region = unit->gives_up;
            retire(*unit);
        }
        unit = insert(thread, std::move(made));
        note_decision(how.reason, pc, why);
        if (policy_.adapts() && how.compiler != nullptr && unit->tier->level != TierLevel::regions)
            policy_.note_compiled(thread.lifted_.instructions, how.nanoseconds);
        if (options_.observer != nullptr) show(thread, *unit, how);
        if (code_pages_.watch(*unit) && CodeSnapshot::hash_now(space_, unit->ranges) != unit->hash) {
            retire(std::vector{unit});
            unit = nullptr;
        }
    }
    if (!chaos_.delays_link()) lead_to(thread, *unit);
    return unit;
}

bool Engine::links(const Thread& thread, const CachedUnit& unit) {
    return thread.context_.link_site != nullptr && unit.tier->form == thread.latest_form_;
}

void Engine::lead_to(Thread& thread, const CachedUnit& unit) {
    // Links are made under the lock, to units that are live then: eviction undoes those that it finds. come_in() has
    // dropped a link site of an older generation.
    if (links(thread, unit)) {
        const void* const site = thread.context_.link_site;
        unit.tier->link(site, unit.entry);
        count(Counter::links);
        if (options_.observer != nullptr && unit.tier->form == CodeForm::host)
            options_.observer->see_link(site, GuestAddr(unit.pc));
    }
    thread.jump_cache_of(*unit.tier).set(unit.pc, unit.entry);
}

void Engine::count_entries(CachedUnit& unit) const {
    unit.counting = policy_.ask_after(unit);
    unit.code->count_entries(unit.counting);
}

void Engine::tier_down(Thread& thread, u64 pc) {
    const std::lock_guard lock(mutex_);
    CachedUnit* const unit = find(thread, pc);
    if (unit == nullptr || unit->tier->level == TierLevel::interpreter) return;
    note_drop(*unit, TierReason::tier_down);
    never_compiled_.insert(pc);
    retire(*unit);
}

// ---- For debuggers ----

void Engine::set_stops(std::vector<GuestAddr> stops) {
    std::vector<GuestAddr> added;
    {
        const std::lock_guard lock(mutex_);
        if (stops_ != nullptr)
            std::ranges::set_difference(stops, *stops_, std::back_inserter(added));
        else
            added = stops;
        has_stops_ = !stops.empty();
        stops_ = stops.empty() ? nullptr : std::make_shared<const std::vector<GuestAddr>>(std::move(stops));
        ++invalidation_;
    }
    // Units that begin at a stop or run across it go; those that end at one that is no more may stay.
    for (GuestAddr stop : added) invalidate(stop, 1);
}

bool Engine::is_stop(GuestAddr pc) {
    const std::lock_guard lock(mutex_);
    return stops_at(pc);
}

void Engine::set_watching(bool watching) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(watching_, watching) == watching) return;
    ++invalidation_;
    flush(TierReason::flushed);
}

abi::ExitReason Engine::step(Thread& thread) {
    abi::Context& context = thread.context_;
    Making one;
    {
        const std::lock_guard lock(mutex_);
        one = making(thread, pc_of(context), false);
    }
    one.lift.max_instructions = 1;
    // Nobody else knows the unit, so the thread counts as parked while it is in it.
    const std::unique_ptr<CachedUnit> unit = make(thread, pc_of(context), one);
    if (unit == nullptr) return abi::ExitReason::fetch_fault;
    // With a budget of 0 every way out of it leaves, also where it could go on in another unit.
    context.refill(0);
    abi::ExitReason reason = run(thread, *unit);
    ++thread.exits_[static_cast<u8>(reason)];
    // A write to watched code is made again.
    if (!leave(thread, reason) && reason == abi::ExitReason::fault) return step(thread);
    context.link_site = nullptr;
    if (reason == abi::ExitReason::lookup || reason == abi::ExitReason::sync_code) {
        context.refill(budget);
        reason = abi::ExitReason::poll;
    }
    return reason;
}

}  // namespace kiln::run

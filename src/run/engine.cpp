#include "run/engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/bits.h"
#include "base/check.h"
#include "base/counters.h"
#include "run/watch.h"

namespace kiln::run {
namespace {

/// Guest instructions between polls that nobody asked for: they only keep the count from overflowing.
constexpr i64 budget = i64{1} << 40;

}  // namespace

Engine::Engine(const abi::Frontend& frontend, mem::AddressSpace& space, const Tier& tier, Optimize optimize,
               const EngineOptions& options)
    : frontend_(frontend),
      space_(space),
      tier_(tier),
      optimize_(optimize),
      options_(options),
      pc_slot_(frontend.env().layout->pc),
      code_pages_(space) {
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
    : engine_(engine),
      context_(context),
      jump_cache_(new abi::JumpCacheEntry[abi::jump_cache_entries]),
      translator_(engine.tier_.new_translator(engine.frontend_)),
      code_(engine.space_),
      function_(engine.frontend_.env()) {}

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
    lookups_ = hits_ = 0;
    for (std::size_t i = 0; i < exit_reason_count; ++i)
        count_exits(abi::ExitReason(i), std::exchange(exits_[i], 0));
}

std::unique_ptr<Engine::Thread> Engine::attach(abi::Context& context) {
    std::unique_ptr<Thread> thread(new Thread(*this, context));
    context.jump_cache = thread->jump_cache_.get();
    context.memory = space_.host(GuestAddr(0));
    // What a copied context had executed was another thread's doing.
    context.retired = 0;
    context.budget = context.budget_filled = 0;
    context.watch = nullptr;
    const std::lock_guard lock(mutex_);
    threads_.push_back(thread.get());
    return thread;
}

void Engine::after_fork_in_child(Thread& survivor) {
    const std::lock_guard lock(mutex_);
    threads_.assign(1, &survivor);
}

void Engine::settle_counts() {
    const std::lock_guard lock(mutex_);
    for (Thread* thread : threads_) thread->settle();
}

// ---- The run loop ----

u64 Engine::pc_of(const abi::Context& context) const {
    return *reinterpret_cast<const u64*>(reinterpret_cast<const u8*>(&context) +
                                         (*frontend_.env().layout)[pc_slot_].offset);
}

abi::ExitReason Engine::run(Thread& thread) {
    abi::Context& context = thread.context_;
    context.link_site = nullptr;
    for (;;) {
        abi::ExitReason reason;
        const void* const entry = enter(thread, pc_of(context), reason);
        if (entry != nullptr) reason = tier_.run(entry, context);
        ++thread.exits_[static_cast<u8>(reason)];
        if (leave(thread, reason)) return park(thread, reason);
    }
}

bool Engine::leave(Thread& thread, abi::ExitReason reason) {
    abi::Context& context = thread.context_;
    switch (reason) {
        case abi::ExitReason::lookup: return false;
        case abi::ExitReason::poll:
            context.refill(budget);
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
        case abi::ExitReason::syscall:
        case abi::ExitReason::illegal:
        case abi::ExitReason::breakpoint:
        case abi::ExitReason::fetch_fault:
        case abi::ExitReason::side_exit: return true;
    }
    KILN_UNREACHABLE();
}

abi::ExitReason Engine::park(Thread& thread, abi::ExitReason reason) {
    const std::lock_guard lock(mutex_);
    thread.parked_ = true;
    return reason;
}

const void* Engine::enter(Thread& thread, u64 pc, abi::ExitReason& reason) {
    abi::Context& context = thread.context_;
    std::unique_lock lock(mutex_);
    catch_up(thread);
    if (stops_at(GuestAddr(pc))) {
        reason = abi::ExitReason::breakpoint;
        return nullptr;
    }
    CachedUnit* unit = units_.find(pc);
    ++thread.lookups_;
    thread.hits_ += unit != nullptr;
    if (unit != nullptr && !unit->warm) ++unit->entries;
    const auto wanted = [&] {
        return unit == nullptr || (!unit->warm && unit->entries >= options_.warm_after);
    };
    while (wanted()) {
        const bool warm = unit != nullptr || options_.warm_after == 0;
        const u64 invalidation = invalidation_;
        const abi::LiftOptions options = lift_options(thread, warm);
        thread.parked_ = true;  // others need not wait for this thread to free units meanwhile
        lock.unlock();
        std::unique_ptr<CachedUnit> made = make(thread, pc, warm, options, invalidation);
        if (made == nullptr) {
            reason = abi::ExitReason::fetch_fault;
            return nullptr;
        }
        lock.lock();
        catch_up(thread);
        unit = units_.find(pc);
        // Another thread may have been faster, or the code may have changed meanwhile: then see once more.
        if (invalidation != invalidation_ || !wanted() || (unit != nullptr && !warm)) continue;
        if (unit != nullptr) retire(*unit);
        unit = insert(thread, std::move(made));
        if (code_pages_.watch(*unit) && CodeSnapshot::hash_now(space_, unit->ranges) != unit->hash) {
            retire(*unit);
            unit = nullptr;
        }
    }
    if (unit->warm) {
        // catch_up() has dropped a link site that belongs to an older generation.
        if (context.link_site != nullptr) {
            tier_.link(context.link_site, unit->code->entry());
            count(Counter::links);
        }
        context.jump_cache[abi::jump_cache_index(pc)] = {pc, unit->code->entry()};
    }
    return unit->code->entry();
}

bool Engine::written(Thread& thread, GuestAddr address) {
    const std::lock_guard lock(mutex_);
    const auto region = space_.find(address);
    if (!region || !(region->prot & PROT_WRITE)) return false;
    const GuestAddr page = GuestAddr(align_down(address.raw, mem::page_bytes));
    const u64 instructions = thread.context_.instructions();
    // The same write once more: it stands in the page that it writes to.
    if (page == thread.written_page_ && instructions == thread.written_instructions_)
        code_pages_.leave_alone(page, mem::page_bytes);
    thread.written_page_ = page;
    thread.written_instructions_ = instructions;
    count(Counter::caught_writes);
    code_pages_.note_write(page);
    ++invalidation_;
    retire(code_pages_.in(page, mem::page_bytes));
    return space_.unwatch(page);
}

bool Engine::allow_writes(GuestAddr begin, u64 bytes) {
    const std::lock_guard lock(mutex_);
    bool any = false;
    for (GuestAddr page : space_.watched(begin, bytes)) {
        ++invalidation_;
        retire(code_pages_.in(page, mem::page_bytes));
        any |= space_.unwatch(page);
    }
    return any;
}

abi::LiftOptions Engine::lift_options(Thread& thread, bool warm) const {
    abi::LiftOptions options = options_.lift;
    options.extend &= warm;
    thread.stops_ = stops_;
    options.stops = thread.stops_.get();
    thread.watching_ = watching_;
    if (watching_) options.max_instructions = 1;
    return options;
}

std::unique_ptr<CachedUnit> Engine::make(Thread& thread, u64 pc, bool warm,
                                         const abi::LiftOptions& lift_options, u64 invalidation) {
    abi::Lifted& lifted = thread.lifted_;
    thread.code_.clear(invalidation);
    std::unique_ptr<TierCode> code;
    // Templates know nothing of a debugger's wishes.
    const bool debugged = thread.watching_ || lift_options.stops != nullptr;
    if (options_.templates && options_.opt == OptLevel::none && !debugged) {
        const CountedTime time(Counter::assemble_ns);
        code = thread.translator_->assemble(GuestAddr(pc), thread.code_, lift_options, lifted);
        if (code != nullptr) count(Counter::assembled_instructions, lifted.instructions);
    }
    if (code == nullptr) code = translate(thread, pc, lift_options);
    if (code == nullptr) return nullptr;
    count(Counter::units_made);
    auto unit = std::make_unique<CachedUnit>();
    unit->pc = pc;
    unit->code = std::move(code);
    unit->warm = warm;
    unit->ranges = std::move(lifted.ranges);
    for (const abi::CodeRange& range : unit->ranges) count(Counter::lifted_bytes, range.bytes);
    count(Counter::code_bytes, unit->code->bytes());
    return unit;
}

std::unique_ptr<TierCode> Engine::translate(Thread& thread, u64 pc, const abi::LiftOptions& lift_options) {
    abi::Lifted& lifted = thread.lifted_;
    {
        const CountedTime time(Counter::lift_ns);
        frontend_.lift(thread.function_, GuestAddr(pc), thread.code_, lift_options, lifted);
    }
    if (lifted.fetch_failed) {
        thread.context_.fault = lifted.fault;
        return nullptr;
    }
    count(Counter::ir_instructions, thread.function_.value_count());
    count(Counter::lifted_instructions, lifted.instructions);
    {
        const CountedTime time(Counter::optimize_ns);
        optimize_(thread.function_);
    }
    if (thread.watching_) watch_accesses(thread.function_);
    const CountedTime time(Counter::flatten_ns);
    auto code = thread.translator_->translate(thread.function_);
    if (!code) {
        std::fprintf(stderr, "kiln: internal error: the unit at 0x%llx: %s\n",
                     static_cast<unsigned long long>(pc), code.error().message.c_str());
        KILN_UNREACHABLE();
    }
    return std::move(*code);
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
    flush();
}

abi::ExitReason Engine::step(Thread& thread) {
    abi::Context& context = thread.context_;
    abi::LiftOptions one;
    u64 invalidation;
    {
        const std::lock_guard lock(mutex_);
        one = lift_options(thread, false);
        invalidation = invalidation_;
    }
    one.max_instructions = 1;
    // Nobody else knows the unit, so the thread counts as parked while it is in it.
    const std::unique_ptr<CachedUnit> unit = make(thread, pc_of(context), false, one, invalidation);
    if (unit == nullptr) return abi::ExitReason::fetch_fault;
    // With a budget of 0 every way out of it leaves, also where it could go on in another unit.
    context.refill(0);
    abi::ExitReason reason = tier_.run(unit->code->entry(), context);
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

// ---- The tables; all with the lock held ----

CachedUnit* Engine::insert(Thread& thread, std::unique_ptr<CachedUnit> made) {
    if (bytes_ > options_.cache_bytes) flush();
    CachedUnit& unit = *made;
    bytes_ += unit.bytes();
    units_.insert(std::move(made));
    if (code_pages_.add(unit)) unit.hash = thread.code_.hash(unit.ranges);
    if (const auto old = retired_.find(unit.pc); old != retired_.end())
        for (const auto& predecessor : old->second) predecessor->code->forward(unit.code->entry());
    return &unit;
}

void Engine::retire(CachedUnit& unit) {
    unit.code->forward(nullptr);
    code_pages_.remove(unit);
    // Those it replaced forward to it: they must find its successor by a lookup now.
    auto& predecessors = retired_[unit.pc];
    for (const auto& predecessor : predecessors) predecessor->code->forward(nullptr);
    predecessors.push_back(units_.take(unit.pc));
}

void Engine::retire(const std::vector<CachedUnit*>& units) {
    for (CachedUnit* unit : units) retire(*unit);
    count(Counter::invalidations, units.size());
}

void Engine::invalidate(GuestAddr begin, u64 bytes) {
    if (bytes == 0) return;
    const std::lock_guard lock(mutex_);
    ++invalidation_;
    retire(code_pages_.in(begin, bytes));
    code_pages_.forget(begin, bytes);
}

void Engine::sync_code() {
    const std::lock_guard lock(mutex_);
    ++invalidation_;
    retire(code_pages_.changed());
}

void Engine::sync_code(GuestAddr begin, u64 bytes) {
    const std::lock_guard lock(mutex_);
    ++invalidation_;
    retire(code_pages_.changed(begin, bytes));
}

void Engine::flush() {
    const u64 ended = generation_++;
    const auto bury = [&](std::unique_ptr<CachedUnit> unit) {
        unit->code->forward(nullptr);
        old_.emplace_back(ended, std::move(unit));
    };
    units_.take_all(bury);
    for (auto& [pc, list] : retired_)
        for (auto& unit : list) bury(std::move(unit));
    retired_.clear();
    code_pages_.clear();
    bytes_ = 0;
    free_old_generations();
}

void Engine::free_old_generations() {
    u64 oldest = generation_;
    for (const Thread* thread : threads_)
        if (!thread->parked_) oldest = std::min(oldest, thread->generation_);
    std::erase_if(old_, [&](const auto& entry) { return entry.first < oldest; });
}

void Engine::catch_up(Thread& thread) {
    thread.parked_ = false;
    if (thread.generation_ == generation_) return;
    thread.generation_ = generation_;
    thread.context_.link_site = nullptr;
    std::fill_n(thread.jump_cache_.get(), abi::jump_cache_entries, abi::JumpCacheEntry{});
    free_old_generations();
}

}  // namespace kiln::run

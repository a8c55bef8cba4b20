#include "run/lockstep.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <utility>

#include "abi/guest_access.h"
#include "abi/replay.h"
#include "base/counters.h"
#include "mem/address_space.h"
#include "run/jump_cache.h"
#include "run/replay_accesses.h"
#include "run/stepper.h"

namespace kiln::run {
namespace {

/// A unit in both forms.
class LockstepCode final : public TierCode {
  public:
    LockstepCode(std::unique_ptr<TierCode> compiled, std::unique_ptr<TierCode> reference,
                 const ir::Function& lifted)
        : compiled(std::move(compiled)), reference(std::move(reference)), lifted(lifted) {}

    const void* entry() const override { return this; }
    std::size_t bytes() const override {
        return compiled->bytes() + reference->bytes() + lifted.value_count() * sizeof(ir::Inst);
    }
    /// Nothing leads here but the run loop, which looks again.
    void forward(const void*) override { suspend(); }
    void suspend() override { looks_again.store(true, std::memory_order_relaxed); }
    void resume() override { looks_again.store(false, std::memory_order_relaxed); }
    void unlink_stale() override {}  // nothing is linked
    std::span<const u8> host_code() const override { return compiled->host_code(); }

    const std::unique_ptr<TierCode> compiled, reference;
    const ir::Function lifted;
    std::atomic<bool> looks_again = false;
};

class LockstepTranslator final : public Translator {
  public:
    explicit LockstepTranslator(const LockstepParts& parts)
        : parts_(parts),
          compiling_(parts.compiling->new_translator(parts.frontend)),
          reference_(parts.reference.new_translator(parts.frontend)),
          work_(parts.frontend.env()) {}

    Result<std::unique_ptr<TierCode>> translate(const ir::Function& f) override {
        work_ = f;
        parts_.optimize(work_, {});
        auto compiled = compiling_->translate(work_);
        if (!compiled) return compiled;
        work_ = f;
        replay_accesses(work_);
        auto reference = reference_->translate(work_);
        if (!reference) return reference;
        return std::make_unique<LockstepCode>(std::move(*compiled), std::move(*reference), f);
    }
    std::unique_ptr<TierCode> assemble(GuestAddr, abi::CodeSource&, const abi::LiftOptions&,
                                       abi::Lifted&) override {
        return nullptr;
    }
    std::string_view listing() const override { return compiling_->listing(); }

  private:
    const LockstepParts& parts_;
    const std::unique_ptr<Translator> compiling_, reference_;
    ir::Function work_;
};

/// The bytes of a context that hold header and slots.
std::size_t state_bytes(const ir::StateLayout& layout) {
    std::size_t end = 0;
    for (const ir::Slot& slot : layout.slots)
        end = std::max<std::size_t>(end, slot.offset + (ir::byte_size(slot.type) > 8 ? 16 : 8));
    return end;
}

/// The count, which a signal handler may change in two steps.
u64 instructions(const abi::Context& context) {
    for (;;) {
        const u64 count = context.instructions();
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (count == context.instructions()) return count;
    }
}

/// Loads `bytes` (1, 2, 4 or 8) of guest memory; false when that faults.
bool load(const u8* at, u8 bytes, u64& value) {
    const auto narrow = [&](auto part) {
        const bool loaded = abi::guest_load(at, part);
        value = part;
        return loaded;
    };
    switch (bytes) {
        case 1: return narrow(u8{});
        case 2: return narrow(u16{});
        case 4: return narrow(u32{});
        default: return narrow(u64{});
    }
}

/// Whether the last access of the log is one that faulted. What is misaligned faults before it is made.
bool access_failed(const UnitOutcome& compiled) {
    return compiled.reason == abi::ExitReason::fault && !compiled.accesses.empty() &&
           compiled.context->fault.kind != abi::FaultKind::misaligned;
}

/// What both ways of comparing have in common.
class Lockstep : public Tier {
  public:
    explicit Lockstep(LockstepParts parts)
        : Tier(parts.compiling->level, parts.compiling->form),
          parts_(std::move(parts)),
          layout_(*parts_.frontend.env().layout),
          state_bytes_(state_bytes(layout_)) {}

    void prepare_thread(abi::Context& context) const override {
        parts_.compiling->prepare_thread(context);
        threads_.fetch_add(1, std::memory_order_relaxed);
    }
    std::span<const u8> stub_code() const override { return parts_.compiling->stub_code(); }
    bool before_fork() const override { return parts_.compiling->before_fork(); }
    void after_fork(bool in_child) const override { parts_.compiling->after_fork(in_child); }

  protected:
    /// What one thread needs: the same for all tiers that run its code.
    struct Work {
        explicit Work(const LockstepParts& parts) : stepper(parts.frontend, parts.space, parts.reference) {}
        abi::Replay replay;
        abi::Access log[abi::most_accesses];
        alignas(abi::Context) u8 before[abi::temps_begin];
        Stepper stepper;
        std::vector<GuestAddr> path;
    };
    Work& work() const {
        thread_local std::unique_ptr<Work> mine;
        thread_local const mem::AddressSpace* owner = nullptr;
        if (owner != &parts_.space) mine = std::make_unique<Work>(parts_);
        owner = &parts_.space;
        return *mine;
    }

    /// Runs compiled code, from the state that `work` keeps then.
    UnitOutcome run_logged(const void* entry, abi::Context& context, Work& work) const;
    /// The context of the replay, in that state.
    abi::Context& begin_replay(Work& work, const UnitOutcome& compiled) const;
    void compare(const Work& work, const UnitOutcome& compiled, const UnitOutcome& interpreted,
                 const ir::Function* lifted) const;
    GuestAddr pc_of(const abi::Context& context) const {
        return GuestAddr(*reinterpret_cast<const u64*>(reinterpret_cast<const u8*>(&context) +
                                                       layout_[layout_.pc].offset));
    }

    const LockstepParts parts_;
    mutable JumpCache no_jumps_;  // stays empty: indirect jumps leave

  private:
    bool agree(const UnitOutcome& compiled, const UnitOutcome& interpreted) const;
    std::vector<MemoryDifference> check_memory(const UnitOutcome& compiled) const;
    [[noreturn]] void tell(const Work& work, const UnitOutcome& compiled, const UnitOutcome& interpreted,
                           const ir::Function* lifted, std::span<const MemoryDifference> memory) const;
    bool others_may_write(GuestAddr address) const;

    const ir::StateLayout& layout_;
    const std::size_t state_bytes_;
    mutable std::atomic<u32> threads_ = 0;
};

class LockstepOfUnits final : public Lockstep {
  public:
    using Lockstep::Lockstep;
    std::unique_ptr<Translator> new_translator(const abi::Frontend&) const override {
        return std::make_unique<LockstepTranslator>(parts_);
    }
    void link(const void*, const void*) const override {}
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        const auto& code = *static_cast<const LockstepCode*>(entry);
        if (code.looks_again.load(std::memory_order_relaxed)) {
            context.link_site = nullptr;
            return abi::ExitReason::lookup;
        }
        Work& mine = work();
        context.jump_cache = no_jumps_.entries();
        const UnitOutcome compiled = run_logged(code.compiled->entry(), context, mine);
        if (compiled.reason == abi::ExitReason::tier_down) return compiled.reason;
        abi::Context& second = begin_replay(mine, compiled);
        const abi::ExitReason reason = parts_.reference.run(code.reference->entry(), second);
        compare(mine, compiled, {reason, second.instructions(), &second, mine.replay.end()}, &code.lifted);
        return compiled.reason;
    }
};

class LockstepOfStretches final : public Lockstep {
  public:
    using Lockstep::Lockstep;
    std::unique_ptr<Translator> new_translator(const abi::Frontend& frontend) const override {
        return parts_.compiling->new_translator(frontend);
    }
    void link(const void* site, const void* entry) const override { parts_.compiling->link(site, entry); }
    abi::ExitReason run(const void* entry, abi::Context& context) const override {
        Work& mine = work();
        // The last unit is entered when nearly all is used up: the log has room for that.
        constexpr i64 most_instructions = 128;
        if (context.budget > most_instructions) context.refill(most_instructions);
        if (context.attention) abi::request_attention(context);  // lost, if it came while that was filled up
        const UnitOutcome compiled = run_logged(entry, context, mine);
        if (const auto interpreted = step_through(mine, compiled))
            compare(mine, compiled, *interpreted, nullptr);
        return compiled.reason;
    }

  private:
    /// Nothing if an instruction cannot be had any more: another thread has taken it away.
    std::optional<UnitOutcome> step_through(Work& work, const UnitOutcome& compiled) const {
        abi::Context& context = begin_replay(work, compiled);
        const bool stops_before_one = compiled.reason == abi::ExitReason::fault ||
                                      compiled.reason == abi::ExitReason::illegal ||
                                      compiled.reason == abi::ExitReason::breakpoint;
        abi::ExitReason reason = abi::ExitReason::lookup;
        work.path.clear();
        const auto step = [&] {
            const GuestAddr pc = pc_of(context);
            work.path.push_back(pc);
            const auto left = work.stepper.step(pc, context);
            if (left) reason = *left;
            return left.has_value();
        };
        while (context.instructions() < compiled.instructions && reason == abi::ExitReason::lookup)
            if (!step()) return std::nullopt;
        if (stops_before_one && reason == abi::ExitReason::lookup && !step()) return std::nullopt;
        return UnitOutcome{reason, context.instructions(), &context, work.replay.end()};
    }
};

UnitOutcome Lockstep::run_logged(const void* entry, abi::Context& context, Work& work) const {
    std::memcpy(work.before, &context, state_bytes_);
    const u64 executed = instructions(context);
    abi::Access* const begin = work.log;
    auto& end = *reinterpret_cast<abi::Access**>(reinterpret_cast<u8*>(&context) + abi::access_log_word);
    end = begin;
    const abi::ExitReason reason = parts_.compiling->run(entry, context);
    return {reason, instructions(context) - executed, &context, {begin, end}};
}

abi::Context& Lockstep::begin_replay(Work& work, const UnitOutcome& compiled) const {
    abi::Context& context = work.replay.context();
    std::memcpy(static_cast<void*>(&context), work.before, state_bytes_);
    context.jump_cache = no_jumps_.entries();
    context.attention = false;
    context.retired = 0;
    context.budget = context.budget_filled = i64{1} << 40;
    work.replay.begin(compiled.accesses,
                      compiled.reason == abi::ExitReason::fault ? &compiled.context->fault : nullptr);
    return context;
}

void Lockstep::compare(const Work& work, const UnitOutcome& compiled, const UnitOutcome& interpreted,
                       const ir::Function* lifted) const {
    const auto memory = check_memory(compiled);
    if (!agree(compiled, interpreted) || !memory.empty()) tell(work, compiled, interpreted, lifted, memory);
    count(Counter::lockstep_units);
    count(Counter::lockstep_accesses, compiled.accesses.size());
}

bool Lockstep::agree(const UnitOutcome& compiled, const UnitOutcome& interpreted) const {
    const auto slots = [&](const UnitOutcome& outcome) {
        return reinterpret_cast<const u8*>(outcome.context) + abi::slots_begin;
    };
    const abi::Fault &fault = compiled.context->fault, &other = interpreted.context->fault;
    return same_exit(compiled, interpreted) && compiled.instructions == interpreted.instructions &&
           (compiled.reason != abi::ExitReason::fault ||
            (fault.address == other.address && fault.kind == other.kind)) &&
           compiled.context->fp_flags == interpreted.context->fp_flags &&
           std::memcmp(slots(compiled), slots(interpreted), state_bytes_ - abi::slots_begin) == 0 &&
           std::ranges::equal(compiled.accesses, interpreted.accesses, same_access);
}

/// Each byte must be as the last access to it left or found it.
std::vector<MemoryDifference> Lockstep::check_memory(const UnitOutcome& compiled) const {
    std::vector<MemoryDifference> found;
    const auto& log = compiled.accesses;
    const std::size_t made = log.size() - (access_failed(compiled) ? 1 : 0);
    for (std::size_t i = 0; i < made; ++i) {
        const abi::Access& access = log[i];
        if (access.kind == abi::AccessKind::result) continue;
        u64 now = 0;
        if (!load(compiled.context->memory + access.address, access.bytes, now)) continue;
        const u64 then = (access.writes() ? access.left() : access.loaded) & access.mask();
        const auto overwrites = [&](const abi::Access& later) {
            return later.writes() && later.address < access.address + access.bytes &&
                   access.address < later.address + later.bytes;
        };
        if (now == then || std::any_of(log.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                       log.begin() + static_cast<std::ptrdiff_t>(made), overwrites))
            continue;
        if (others_may_write(GuestAddr(access.address)))
            count(Counter::lockstep_races);
        else
            found.push_back({GuestAddr(access.address), access.bytes, then, now});
    }
    return found;
}

bool Lockstep::others_may_write(GuestAddr address) const {
    if (threads_.load(std::memory_order_relaxed) > 1) return true;
    const auto region = parts_.space.find(address);
    return !region || region->shared;
}

/// The instructions of a unit, in the order of its function.
std::vector<GuestAddr> instructions_of(const ir::Function& f) {
    std::vector<GuestAddr> path;
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(ir::BlockId(block), [&](ir::ValueId, const ir::Inst& inst) {
            if (inst.origin != ir::OriginId::none && (path.empty() || path.back() != f[inst.origin]))
                path.push_back(f[inst.origin]);
        });
    return path;
}

void Lockstep::tell(const Work& work, const UnitOutcome& compiled, const UnitOutcome& interpreted,
                    const ir::Function* lifted, std::span<const MemoryDifference> memory) const {
    static std::atomic<bool> told = false;
    // The first ends the process, and with it any other.
    if (told.exchange(true))
        for (;;) std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto* const before = reinterpret_cast<const abi::Context*>(work.before);
    Difference difference{.frontend = parts_.frontend,
                          .space = parts_.space,
                          .path = work.path,
                          .lifted = lifted,
                          .optimized = nullptr,
                          .host_code = {},
                          .before = before,
                          .compiled = compiled,
                          .interpreted = interpreted,
                          .memory = memory};
    if (lifted == nullptr) parts_.witness.see_difference(difference);
    ir::Function optimized = *lifted;
    parts_.optimize(optimized, {});
    const std::string host_code = parts_.list_host_code(optimized);
    const std::vector<GuestAddr> path = instructions_of(*lifted);
    difference.path = path;
    difference.optimized = &optimized;
    difference.host_code = host_code;
    parts_.witness.see_difference(difference);
}

}  // namespace

bool same_access(const abi::Access& logged, const abi::Access& replayed) {
    // A store that must be ordered before all later loads is an exchange.
    const bool is_same_kind = logged.kind == replayed.kind || (replayed.kind == abi::AccessKind::store &&
                                                               logged.kind == abi::kind_of(ir::Rmw::swap));
    return is_same_kind && logged.bytes == replayed.bytes && logged.address == replayed.address &&
           (!logged.writes() || ((logged.left() ^ replayed.stored) & logged.mask()) == 0);
}

bool same_exit(const UnitOutcome& compiled, const UnitOutcome& interpreted) {
    // The interpreter's budget is never used up, and it goes on where a unit does not apply.
    const bool goes_on = (compiled.reason == abi::ExitReason::poll && compiled.context->budget < 0) ||
                         compiled.reason == abi::ExitReason::tier_down;
    return compiled.reason == interpreted.reason ||
           (goes_on && interpreted.reason == abi::ExitReason::lookup);
}

std::unique_ptr<Tier> make_lockstep_tier(LockstepParts parts, LockstepSteps steps) {
    if (steps == LockstepSteps::units) return std::make_unique<LockstepOfUnits>(std::move(parts));
    return std::make_unique<LockstepOfStretches>(std::move(parts));
}

}  // namespace kiln::run

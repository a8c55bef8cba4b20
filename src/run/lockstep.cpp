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

/// Whether the last access of the log is one that faulted. What is misaligned faults before it is made.
bool access_failed(const UnitOutcome& compiled) {
    return compiled.reason == abi::ExitReason::fault && !compiled.accesses.empty() &&
           compiled.context->fault.kind != abi::FaultKind::misaligned;
}

class Lockstep final : public Tier {
  public:
    explicit Lockstep(LockstepParts parts)
        : parts_(std::move(parts)),
          layout_(*parts_.frontend.env().layout),
          state_bytes_(state_bytes(layout_)) {}

    std::unique_ptr<Translator> new_translator(const abi::Frontend&) const override {
        return std::make_unique<LockstepTranslator>(parts_);
    }
    abi::ExitReason run(const void* entry, abi::Context& context) const override;
    void link(const void*, const void*) const override {}
    void prepare_thread(const abi::Context& context) const override {
        parts_.compiling->prepare_thread(context);
        threads_.fetch_add(1, std::memory_order_relaxed);
    }
    std::span<const u8> stub_code() const override { return parts_.compiling->stub_code(); }
    bool before_fork() const override { return parts_.compiling->before_fork(); }
    void after_fork(bool in_child) const override { parts_.compiling->after_fork(in_child); }

  private:
    /// What one thread needs.
    struct Work {
        abi::Replay replay;
        abi::Access log[abi::most_accesses];
        alignas(abi::Context) u8 before[abi::temps_begin];
    };
    static Work& work() {
        thread_local std::unique_ptr<Work> mine;
        if (mine == nullptr) mine = std::make_unique<Work>();
        return *mine;
    }

    UnitOutcome replay(const LockstepCode& code, Work& work, const UnitOutcome& compiled) const;
    bool agree(const UnitOutcome& compiled, const UnitOutcome& interpreted) const;
    std::vector<MemoryDifference> check_memory(const UnitOutcome& compiled) const;
    [[noreturn]] void tell(const LockstepCode& code, const Work& work, const UnitOutcome& compiled,
                           const UnitOutcome& interpreted, std::span<const MemoryDifference> memory) const;
    bool others_may_write(GuestAddr address) const;

    const LockstepParts parts_;
    const ir::StateLayout& layout_;
    const std::size_t state_bytes_;
    mutable JumpCache no_jumps_;  // stays empty: indirect jumps leave
    mutable std::atomic<u32> threads_ = 0;
};

abi::ExitReason Lockstep::run(const void* entry, abi::Context& context) const {
    const auto& code = *static_cast<const LockstepCode*>(entry);
    if (code.looks_again.load(std::memory_order_relaxed)) {
        context.link_site = nullptr;
        return abi::ExitReason::lookup;
    }
    Work& mine = work();
    std::memcpy(mine.before, &context, state_bytes_);
    const u64 executed = instructions(context);
    abi::Access* const begin = mine.log;
    auto& end = *reinterpret_cast<abi::Access**>(reinterpret_cast<u8*>(&context) + abi::access_log_word);
    end = begin;
    context.jump_cache = no_jumps_.entries();
    UnitOutcome compiled{.reason = parts_.compiling->run(code.compiled->entry(), context),
                         .context = &context};
    if (compiled.reason == abi::ExitReason::tier_down) return compiled.reason;
    compiled.instructions = instructions(context) - executed;
    compiled.accesses = {begin, end};

    const UnitOutcome interpreted = replay(code, mine, compiled);
    const auto memory = check_memory(compiled);
    if (!agree(compiled, interpreted) || !memory.empty()) tell(code, mine, compiled, interpreted, memory);
    count(Counter::lockstep_units);
    count(Counter::lockstep_accesses, compiled.accesses.size());
    return compiled.reason;
}

UnitOutcome Lockstep::replay(const LockstepCode& code, Work& work, const UnitOutcome& compiled) const {
    abi::Context& context = work.replay.context();
    std::memcpy(static_cast<void*>(&context), work.before, state_bytes_);
    context.jump_cache = no_jumps_.entries();
    context.attention = false;
    context.retired = 0;
    context.budget = context.budget_filled = i64{1} << 40;
    work.replay.begin(compiled.accesses,
                      compiled.reason == abi::ExitReason::fault ? &compiled.context->fault : nullptr);
    const abi::ExitReason reason = parts_.reference.run(code.reference->entry(), context);
    return {reason, context.instructions(), &context, work.replay.end()};
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
        const u8* const at = compiled.context->memory + access.address;
        if (abi::guest_copy(reinterpret_cast<u8*>(&now), at, access.bytes) != 0) continue;
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

void Lockstep::tell(const LockstepCode& code, const Work& work, const UnitOutcome& compiled,
                    const UnitOutcome& interpreted, std::span<const MemoryDifference> memory) const {
    static std::atomic<bool> told = false;
    // The first ends the process, and with it any other.
    if (told.exchange(true))
        for (;;) std::atomic_thread_fence(std::memory_order_seq_cst);
    ir::Function optimized = code.lifted;
    parts_.optimize(optimized, {});
    const std::string host_code = parts_.list_host_code(optimized);
    parts_.witness.see_difference({.frontend = parts_.frontend,
                                   .space = parts_.space,
                                   .lifted = code.lifted,
                                   .optimized = optimized,
                                   .host_code = host_code,
                                   .before = reinterpret_cast<const abi::Context*>(work.before),
                                   .compiled = compiled,
                                   .interpreted = interpreted,
                                   .memory = memory});
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
    // The interpreter's budget is never used up.
    const bool polls = compiled.reason == abi::ExitReason::poll && compiled.context->budget < 0;
    return compiled.reason == interpreted.reason || (polls && interpreted.reason == abi::ExitReason::lookup);
}

std::unique_ptr<Tier> make_lockstep_tier(LockstepParts parts) {
    return std::make_unique<Lockstep>(std::move(parts));
}

}  // namespace kiln::run

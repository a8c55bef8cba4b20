// The engine's tables: units come and go as the guest's code changes. With the lock held, but for what is public.
#include <sys/mman.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/bits.h"
#include "base/counters.h"
#include "run/engine.h"

namespace kiln::run {
namespace {

/// Of the retired units of one pc, those that forward to the present one: a guest can rewrite code a million times. The
/// others lead to a lookup.
std::span<const std::unique_ptr<CachedUnit>> newest(const std::vector<std::unique_ptr<CachedUnit>>& retired) {
    constexpr std::size_t most = 8;
    return std::span(retired).last(std::min(retired.size(), most));
}

}  // namespace

// ---- The tables; all with the lock held ----

CachedUnit* Engine::find(Thread& thread, u64 pc) {
    CachedUnit* const unit = units_.find(pc);
    if (unit != nullptr || !may_use_stored(pc)) return unit;
    make_room();  // now, lest the chapter go before its unit is in the tables
    std::unique_ptr<CachedUnit> stored = stored_->find(GuestAddr(pc), stored_entries(), verify_for(thread));
    return stored != nullptr ? add(thread, std::move(stored)) : nullptr;
}

const CachedUnit* Engine::find_stored(Thread& thread, u64 pc) {
    if (!may_use_stored(pc)) return nullptr;
    make_room();
    const auto found = stored_->find_ready(GuestAddr(pc), stored_entries(), verify_for(thread));
    if (!found) return nullptr;
    if (found->installed != nullptr) {
        // Calls come back to many of them, and each would be searched for once.
        JumpCache& cache = thread.jump_cache_of(tier(TierLevel::units));
        for (const abi::StoredUnit& unit : found->installed->units)
            cache.offer(unit.pc.raw, found->installed->code->entry(unit.entry));
    }
    thread.stored_.pc = pc;
    thread.stored_.entry = found->entry;
    thread.stored_.tier = &tier(TierLevel::units);
    thread.stored_.warm = found->warm;
    return &thread.stored_;
}

StoredCode::Verify Engine::verify_for(Thread& thread) {
    if (!options_.verify_store) return nullptr;
    return [&](const abi::Chapter& chapter) { return make_again(thread, chapter) == chapter; };
}

CachedUnit* Engine::insert(Thread& thread, std::unique_ptr<CachedUnit> made) {
    make_room();
    ++made_here_;
    if (stored_ != nullptr && stored_->store().writable()) unsaved_.store(true, std::memory_order_relaxed);
    return add(thread, std::move(made));
}

CachedUnit* Engine::add(Thread& thread, std::unique_ptr<CachedUnit> made) {
    CachedUnit& unit = *made;
    unit.bytes = static_cast<u32>(unit.bytes_taken());
    bytes_ += unit.bytes;
    if (!unit.warm) count_entries(unit);
    if (unit.on_trial) unit.code->count_entries(Policy::trial_round);
    units_.insert(std::move(made));
    if (code_pages_.add(unit)) unit.hash = thread.code_.hash(unit.ranges);
    if (const auto old = retired_.find(unit.pc); old != retired_.end())
        for (const auto& predecessor : newest(old->second))
            if (predecessor->tier->form == unit.tier->form) predecessor->code->forward(unit.entry);
    return &unit;
}

void Engine::retire(CachedUnit& unit) {
    unit.code->forward(nullptr);
    code_pages_.remove(unit);
    // Those it replaced forward to it: they must find its successor by a lookup now.
    retired_bytes_ += unit.bytes;
    auto& predecessors = retired_[unit.pc];
    for (const auto& predecessor : newest(predecessors)) predecessor->code->forward(nullptr);
    predecessors.push_back(units_.take(unit.pc));
}

void Engine::retire(const std::vector<CachedUnit*>& units) {
    for (CachedUnit* unit : units) {
        note_drop(*unit, TierReason::changed);
        retire(*unit);
    }
    count(Counter::invalidations, units.size());
}

void Engine::retire(std::vector<std::shared_ptr<InstalledChapter>> chapters) {
    for (std::shared_ptr<InstalledChapter>& chapter : chapters) {
        for (const abi::StoredUnit& stored : chapter->units) {
            CachedUnit* const unit = units_.find(stored.pc.raw);
            if (unit != nullptr && unit->chapter == chapter.get()) retire(*unit);
        }
        bytes_ += chapter->bytes();
        retired_chapters_.push_back(std::move(chapter));
    }
}

void Engine::note_drop(const CachedUnit& unit, TierReason reason) {
    note_decision(reason, unit.pc);
    if (options_.observer != nullptr) options_.observer->see_drop(GuestAddr(unit.pc), reason);
}

void Engine::invalidate(GuestAddr begin, u64 bytes) {
    if (bytes == 0) return;
    const std::lock_guard lock(mutex_);
    ++invalidation_;
    retire(code_pages_.in(begin, bytes));
    code_pages_.forget(begin, bytes);
    if (stored_ != nullptr) retire(stored_->drop(begin, bytes));
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

}  // namespace kiln::run

// Which units go when they take too much room, and when their memory is freed. All with the lock held.
//
// Nothing in a unit says when it was last entered: that would cost on every entry. Instead all units are suspended from
// time to time: the first to enter one comes by the run loop, which ends its suspension. What is still suspended the
// next time was not entered; its age is the number of such times. The oldest go, and cold units before warm ones, which
// take twenty times as long to make (docs/decisions/0015-eviction.md).
//
// A unit goes in three steps. It is taken out of the tables, and its entry forwards to a lookup. Live units' links to
// it are undone, and a new generation begins. When every thread has come by and dropped its jump cache, nobody knows of
// the unit, and it is freed. Since all units are suspended then, threads come by soon.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "run/engine.h"

namespace kiln::run {
namespace {

/// What is kept of a limit when units are evicted: what is evicted at once costs less for each unit.
constexpr std::size_t kept(std::size_t limit) { return limit - limit / 4; }

/// Retired units are freed when they take more than this part of the limit.
constexpr std::size_t retired_part = 16;

/// Who has a higher rank goes first. A cold unit is soon made again: it counts as this many times as old.
constexpr unsigned cold_ages_faster = 8;
constexpr unsigned ranks = 64;
unsigned rank(const CachedUnit& unit) {
    const unsigned age = unit.warm ? unit.age : cold_ages_faster * (unit.age + 1u);
    return std::min(age, ranks - 1);
}

struct Room {
    std::size_t bytes = 0, units = 0;

    void add(const Room& room) {
        bytes += room.bytes;
        units += room.units;
    }
    void take(const Room& room) {
        bytes -= room.bytes;
        units -= room.units;
    }
    bool exceeds(const Room& limit) const { return bytes > limit.bytes || units > limit.units; }
};
Room room_of(const CachedUnit& unit) { return {unit.bytes, 1}; }

}  // namespace

void Engine::make_room() {
    const Room limit{options_.cache_bytes, options_.cache_units};
    const Room used{bytes_ + (stored_ != nullptr ? stored_->bytes() : 0), units_.size()};
    if (used.exceeds(limit)) return evict(kept(limit.bytes), kept(limit.units));
    // A guest that rewrites code all its life: no live unit has to go.
    if (retired_bytes_ > limit.bytes / retired_part) return evict(limit.bytes, limit.units);
    if (chaos_.drops_units()) return flush(TierReason::flushed);
    if (chaos_.evicts_units()) return evict(used.bytes / 2, used.units / 2);
    // Ages must be known by the first time that this is full.
    if (!ages_known_ && used.exceeds({kept(limit.bytes), kept(limit.units)})) suspend_all();
}

void Engine::evict(std::size_t most_bytes, std::size_t most_units) {
    const Room limit{most_bytes, most_units};
    count(Counter::evictions);
    bury_chapters();
    std::array<Room, ranks> by_rank{};
    Room live;
    units_.for_each([&](CachedUnit& unit) {
        unit.age = unit.suspended ? static_cast<u8>(std::min(unit.age + 1u, ranks)) : 0;
        by_rank[rank(unit)].add(room_of(unit));
        live.add(room_of(unit));
    });
    // All above this rank go, and of this one as many as must.
    unsigned last = ranks;
    for (Room rest = live; rest.exceeds(limit) && last > 0;) rest.take(by_rank[--last]);
    std::vector<u64> victims;
    const auto choose = [&](bool of_last_rank) {
        units_.for_each([&](const CachedUnit& unit) {
            if (of_last_rank ? rank(unit) != last || !live.exceeds(limit) : rank(unit) <= last) return;
            live.take(room_of(unit));
            victims.push_back(unit.pc);
        });
    };
    choose(false);
    choose(true);
    for (u64 pc : victims) {
        CachedUnit& unit = *units_.find(pc);
        note_drop(unit, TierReason::evicted);
        code_pages_.remove(unit);
        bury(units_.take(pc));
    }
    count(Counter::evicted_units, victims.size());
    bury_retired();
    bytes_ = live.bytes;
    std::erase_if(never_compiled_, [&](u64 pc) { return units_.find(pc) == nullptr; });
    units_.for_each([](CachedUnit& unit) { unit.code->unlink_stale(); });
    suspend_all();
    end_generation();
}

void Engine::suspend_all() {
    ages_known_ = true;
    units_.for_each([](CachedUnit& unit) {
        if (!unit.suspended.exchange(true, std::memory_order_relaxed)) unit.code->suspend();
    });
}

void Engine::resume(CachedUnit& unit) {
    unit.code->resume();
    unit.suspended = false;
}

void Engine::flush(TierReason reason) {
    bury_chapters();
    units_.take_all([&](std::unique_ptr<CachedUnit> unit) {
        note_drop(*unit, reason);
        bury(std::move(unit));
    });
    bury_retired();
    never_compiled_.clear();
    code_pages_.clear();
    bytes_ = 0;
    end_generation();
}

void Engine::bury(std::unique_ptr<CachedUnit> unit) {
    unit->code->forward(nullptr);
    old_.emplace_back(generation_, std::move(unit));
}

void Engine::bury_retired() {
    for (auto& [pc, list] : retired_)
        for (auto& unit : list) bury(std::move(unit));
    retired_.clear();
    retired_bytes_ = 0;
}

// Chapters go all at once: nobody knows which are in use, and they are soon installed again.
void Engine::bury_chapters() {
    if (stored_ != nullptr) retire(stored_->drop_all());
    for (auto& chapter : retired_chapters_) {
        bytes_ -= chapter->bytes();
        old_chapters_.emplace_back(generation_, std::move(chapter));
    }
    retired_chapters_.clear();
}

void Engine::end_generation() {
    // Partner of come_in().
    generation_.fetch_add(1, std::memory_order_seq_cst);
    free_old_generations();
}

void Engine::free_old_generations() {
    u64 oldest = generation_;
    for (const Thread* thread : threads_)
        oldest = std::min(oldest, thread->in_generation_.load(std::memory_order_seq_cst));
    const auto is_free = [&](const auto& entry) { return entry.first < oldest; };
    std::erase_if(old_, is_free);
    std::erase_if(old_chapters_, is_free);
}

}  // namespace kiln::run

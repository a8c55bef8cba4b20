// The live units by pc, in 64 shards of open addressing: cold code asks once for each basic block it runs.
//
// find() takes no lock. The engine's lock orders everything else, and a find() under it is exact; without it, a unit that
// is just being moved within its shard may not be found. Laws: a slot's unit is written before its key and read behind
// it; what the unit says of its own pc decides, because a slot may have changed hands between the two. Tables that were
// outgrown stay: somebody may be reading there, and together they are no larger than the present ones. That a unit found
// is not freed meanwhile is the reader's matter (Engine::Thread).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "run/cached_unit.h"

namespace kiln::run {

class UnitMap {
  public:
    UnitMap() {
        for (Shard& shard : shards_) shard.use(std::make_unique<Table>(first_slots));
    }
    ~UnitMap() {
        take_all([](std::unique_ptr<CachedUnit>) {});
    }
    UnitMap(const UnitMap&) = delete;
    UnitMap& operator=(const UnitMap&) = delete;

    /// Null if there is none, or none that can be seen now. Any thread.
    CachedUnit* find(u64 pc) const {
        const Table& table = *shard_of(pc).table.load(std::memory_order_acquire);
        for (std::size_t i = start(pc), end = i + table.slots.size(); i != end; ++i) {
            const Slot& slot = table.slots[i & table.mask()];
            const u64 key = slot.key.load(std::memory_order_acquire);
            if (key == free_key) return nullptr;
            if (key != key_of(pc)) continue;
            CachedUnit* const unit = slot.unit.load(std::memory_order_acquire);
            return unit != nullptr && unit->pc == pc ? unit : nullptr;
        }
        return nullptr;
    }
    /// Adds a unit for a pc that has none.
    void insert(std::unique_ptr<CachedUnit> unit) {
        Shard& shard = shard_of(unit->pc);
        if (2 * ++shard.used > shard.tables.back()->slots.size()) grow(shard);
        ++size_;
        put(*shard.tables.back(), unit.release());
    }
    /// Takes the unit of `pc`, which there is, out.
    std::unique_ptr<CachedUnit> take(u64 pc) {
        Shard& shard = shard_of(pc);
        Table& table = *shard.tables.back();
        std::size_t i = start(pc);
        while (table.key(i) != key_of(pc)) ++i;
        std::unique_ptr<CachedUnit> unit(table.empty(i));
        // Moves units back that the emptied slot kept from their own.
        while (table.key(++i) != free_key) put(table, table.empty(i));
        --shard.used;
        --size_;
        return unit;
    }
    /// visit(CachedUnit&) for each.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Shard& shard : shards_)
            for (const Slot& slot : shard.tables.back()->slots)
                if (CachedUnit* const unit = slot.unit.load(std::memory_order_relaxed)) visit(*unit);
    }
    /// Takes all units out: visit(std::unique_ptr<CachedUnit>).
    template <class Visit>
    void take_all(Visit&& visit) {
        for (Shard& shard : shards_) {
            Table& table = *shard.tables.back();
            for (std::size_t i = 0; i < table.slots.size(); ++i)
                if (CachedUnit* const unit = table.empty(i)) visit(std::unique_ptr<CachedUnit>(unit));
            shard.used = 0;
        }
        size_ = 0;
    }

    std::size_t size() const { return size_; }

  private:
    static constexpr std::size_t first_slots = 8;  // few: short programs have few units, and pages cost
    // No instruction is at an odd address.
    static constexpr u64 free_key = 0;
    static constexpr u64 key_of(u64 pc) { return pc | 1; }

    struct Slot {
        std::atomic<u64> key{free_key};
        std::atomic<CachedUnit*> unit{nullptr};
    };
    struct Table {
        explicit Table(std::size_t count) : slots(count) {}
        std::size_t mask() const { return slots.size() - 1; }
        u64 key(std::size_t i) const { return slots[i & mask()].key.load(std::memory_order_relaxed); }
        /// Gives what was there.
        CachedUnit* empty(std::size_t i) {
            Slot& slot = slots[i & mask()];
            slot.key.store(free_key, std::memory_order_release);
            return slot.unit.exchange(nullptr, std::memory_order_release);
        }
        std::vector<Slot> slots;
    };
    struct Shard {
        void use(std::unique_ptr<Table> newest) {
            table.store(newest.get(), std::memory_order_release);
            tables.push_back(std::move(newest));
        }
        std::atomic<const Table*> table{nullptr};
        std::vector<std::unique_ptr<Table>> tables;  // the last is in use
        std::size_t used = 0;
    };

    static constexpr u64 hash(u64 pc) { return pc * 0x9e37'79b9'7f4a'7c15; }
    static std::size_t start(u64 pc) { return hash(pc) >> 32 & 0x3ff'ffff; }
    const Shard& shard_of(u64 pc) const { return shards_[hash(pc) >> 58]; }
    Shard& shard_of(u64 pc) { return shards_[hash(pc) >> 58]; }

    static void put(Table& table, CachedUnit* unit) {
        std::size_t i = start(unit->pc);
        while (table.key(i) != free_key) ++i;
        Slot& slot = table.slots[i & table.mask()];
        slot.unit.store(unit, std::memory_order_release);
        slot.key.store(key_of(unit->pc), std::memory_order_release);
    }
    void grow(Shard& shard) {
        const Table& old = *shard.tables.back();
        auto larger = std::make_unique<Table>(2 * old.slots.size());
        for (const Slot& slot : old.slots)
            if (CachedUnit* const unit = slot.unit.load(std::memory_order_relaxed)) put(*larger, unit);
        shard.use(std::move(larger));
    }

    std::array<Shard, 64> shards_;
    std::size_t size_ = 0;
};

}  // namespace kiln::run

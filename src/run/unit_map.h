// The live units by pc: open addressing, because cold code asks once for each basic block it runs. Not
// thread-safe: the engine's lock guards it.
#pragma once

#include <memory>
#include <vector>

#include "run/cached_unit.h"

namespace kiln::run {

class UnitMap {
  public:
    /// Null if there is none.
    CachedUnit* find(u64 pc) const {
        for (std::size_t i = start(pc);; ++i) {
            const Slot& slot = slots_[i & mask()];
            if (slot.pc == pc) return slot.unit.get();
            if (slot.pc == no_pc) return nullptr;
        }
    }
    /// Adds a unit for a pc that has none.
    void insert(std::unique_ptr<CachedUnit> unit) {
        if (2 * ++used_ > slots_.size()) grow();
        Slot& slot = slots_[free_slot(unit->pc)];
        slot.pc = unit->pc;
        slot.unit = std::move(unit);
    }
    /// Takes the unit of `pc`, which there is, out.
    std::unique_ptr<CachedUnit> take(u64 pc) {
        std::size_t i = start(pc);
        while (slots_[i & mask()].pc != pc) ++i;
        std::unique_ptr<CachedUnit> unit = std::move(slots_[i & mask()].unit);
        close_gap(i & mask());
        --used_;
        return unit;
    }
    /// visit(CachedUnit&) for each.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Slot& slot : slots_)
            if (slot.unit != nullptr) visit(*slot.unit);
    }
    /// Takes all units out: visit(std::unique_ptr<CachedUnit>).
    template <class Visit>
    void take_all(Visit&& visit) {
        for (Slot& slot : slots_) {
            if (slot.unit != nullptr) visit(std::move(slot.unit));
            slot.pc = no_pc;
        }
        used_ = 0;
    }

    std::size_t size() const { return used_; }

  private:
    // No instruction is at an odd address.
    static constexpr u64 no_pc = ~u64{0};
    struct Slot {
        u64 pc = no_pc;
        std::unique_ptr<CachedUnit> unit;
    };

    std::size_t mask() const { return slots_.size() - 1; }
    static std::size_t start(u64 pc) { return pc * 0x9e37'79b9'7f4a'7c15 >> 32; }
    std::size_t free_slot(u64 pc) const {
        std::size_t i = start(pc);
        while (slots_[i & mask()].pc != no_pc) ++i;
        return i & mask();
    }
    /// Moves units back that an emptied slot kept from their own.
    void close_gap(std::size_t gap) {
        slots_[gap].pc = no_pc;
        for (std::size_t i = gap + 1; slots_[i & mask()].pc != no_pc; ++i) {
            Slot moved = std::move(slots_[i & mask()]);
            slots_[i & mask()].pc = no_pc;
            const u64 pc = moved.pc;
            slots_[free_slot(pc)] = std::move(moved);
        }
    }
    void grow() {
        std::vector<Slot> old(2 * slots_.size());
        old.swap(slots_);
        for (Slot& slot : old) {
            if (slot.pc == no_pc) continue;
            const u64 pc = slot.pc;
            slots_[free_slot(pc)] = std::move(slot);
        }
    }

    std::vector<Slot> slots_{std::vector<Slot>(512)};
    std::size_t used_ = 0;
};

}  // namespace kiln::run

// Which units were made from which guest pages, and which of them are no longer what is in memory.
//
// A guest with a compiler of its own says "code was written" thousands of times, with thousands of pages of
// code: what that costs must depend on the pages named, or else on the number of pages, not of units. So each
// page that can be written has a hash of its own, and its units are looked at one by one only when that has
// changed.
//
// Some guests never say it. A page they can write is watched from when a unit is made from it until the first
// write (AddressSpace::watch). Pages whose writes are announced are left alone, and so are those where
// watching does not pay: they are written again and again. Not thread-safe: the engine's lock guards it.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "mem/address_space.h"
#include "run/cached_unit.h"

namespace kiln::run {

class CodePages {
  public:
    explicit CodePages(mem::AddressSpace& space) : space_(space) {}

    /// Whether the unit's guest bytes can be written without a system call.
    bool add(CachedUnit& unit);
    void remove(const CachedUnit& unit);
    void clear() { pages_.clear(); }

    /// Watches what has to be watched of the unit's pages. True when it did: what was written meanwhile has not
    /// been noticed.
    bool watch(const CachedUnit& unit);
    /// A write to the page of `address` was noticed.
    void note_write(GuestAddr address);
    /// Writes to the pages of the range are announced, or cannot be waited for: they are not watched any more.
    void leave_alone(GuestAddr begin, u64 bytes);
    /// What was in the range went away: what comes there next is watched.
    void forget(GuestAddr begin, u64 bytes);

    /// The units with code in the range, each once.
    std::vector<CachedUnit*> in(GuestAddr begin, u64 bytes) const;
    /// The units whose guest bytes differ now from those they were made from, each once.
    std::vector<CachedUnit*> changed();
    /// At least those of them that writes to the range have changed, also where other addresses name the same
    /// memory.
    std::vector<CachedUnit*> changed(GuestAddr begin, u64 bytes);

  private:
    struct Page {
        std::vector<CachedUnit*> units;
        bool changeable = false;  ///< it can be written without a system call
        bool watched = false;
        /// Of the whole page, as it was before its units were last found unchanged; none: that was before the
        /// newest of them.
        std::optional<u64> hash;
    };

    void collect_changed(u64 number, Page& page, std::vector<CachedUnit*>& out) const;
    /// Whether memory of the range may have other addresses, too; also when the range is too long to look.
    bool has_aliases(GuestAddr begin, u64 bytes) const;

    /// From so many noticed writes on a page is left alone.
    static constexpr u32 many_writes = 1000;

    mem::AddressSpace& space_;
    std::unordered_map<u64, Page> pages_;   // by guest page number
    std::unordered_map<u64, u32> written_;  // how often a write was noticed, by guest page number
};

}  // namespace kiln::run

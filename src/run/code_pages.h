// Which units were made from which guest pages, and which of them are no longer what is in memory.
//
// A guest with a compiler of its own says "code was written" thousands of times, with thousands of pages of
// code: what that costs must depend on the pages named, or else on the number of pages, not of units. So each
// page that can be written has a hash of its own, and its units are looked at one by one only when that has
// changed. Not thread-safe: the engine's lock guards it.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "mem/address_space.h"
#include "run/cached_unit.h"

namespace kiln::run {

class CodePages {
  public:
    explicit CodePages(const mem::AddressSpace& space) : space_(space) {}

    /// Whether the unit's guest bytes can be written without a system call.
    bool add(CachedUnit& unit);
    void remove(const CachedUnit& unit);
    void clear() { pages_.clear(); }

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
        /// Of the whole page, as it was before its units were last found unchanged; none: that was before the
        /// newest of them.
        std::optional<u64> hash;
    };

    void collect_changed(u64 number, Page& page, std::vector<CachedUnit*>& out) const;
    /// Whether memory of the range may have other addresses, too; also when the range is too long to look.
    bool has_aliases(GuestAddr begin, u64 bytes) const;

    const mem::AddressSpace& space_;
    std::unordered_map<u64, Page> pages_;  // by guest page number
};

}  // namespace kiln::run

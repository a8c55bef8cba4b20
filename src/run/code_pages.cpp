#include "run/code_pages.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/counters.h"
#include "base/hash.h"
#include "mem/access.h"
#include "run/code_snapshot.h"

namespace kiln::run {
namespace {

constexpr u64 page_of(GuestAddr address) { return address.raw / mem::page_bytes; }
constexpr GuestAddr begin_of(u64 page) { return GuestAddr(page * mem::page_bytes); }

template <class Visit>
void for_pages_of(const CachedUnit& unit, Visit&& visit) {
    for (const abi::CodeRange& range : unit.ranges)
        for (u64 page = page_of(range.begin); page <= page_of(range.begin + (range.bytes - 1)); ++page)
            visit(page);
}

/// Visits the pages of the map in a range of addresses, in whichever way is shorter.
template <class Pages, class Visit>
void for_pages_in(Pages& pages, GuestAddr begin, u64 bytes, Visit&& visit) {
    const u64 first = page_of(begin), last = page_of(begin + (bytes - 1));
    if (last - first < pages.size()) {
        for (u64 number = first; number <= last; ++number)
            if (const auto found = pages.find(number); found != pages.end()) visit(number, found->second);
    } else {
        for (auto& [number, page] : pages)
            if (number >= first && number <= last) visit(number, page);
    }
}

void make_unique(std::vector<CachedUnit*>& units) {
    std::sort(units.begin(), units.end());
    units.erase(std::unique(units.begin(), units.end()), units.end());
}

}  // namespace

bool CodePages::add(CachedUnit& unit) {
    bool changeable = false;
    for_pages_of(unit, [&](u64 number) {
        Page& page = pages_[number];
        if (page.units.empty()) {
            // Rights that change later make the engine retire all units of the page.
            const auto region = space_.find(begin_of(number));
            page.changeable = !region || region->shared || (region->prot & PROT_WRITE) != 0;
        }
        if (page.units.empty() || page.units.back() != &unit) page.units.push_back(&unit);
        page.hash.reset();
        changeable |= page.changeable;
    });
    return changeable;
}

void CodePages::remove(const CachedUnit& unit) {
    for_pages_of(unit, [&](u64 number) {
        const auto found = pages_.find(number);
        if (found == pages_.end()) return;
        std::erase(found->second.units, &unit);
        if (found->second.units.empty()) pages_.erase(found);
    });
}

bool CodePages::watch(const CachedUnit& unit) {
    bool any = false;
    for_pages_of(unit, [&](u64 number) {
        Page& page = pages_[number];
        if (!page.changeable) return;
        if (const auto writes = written_.find(number);
            writes != written_.end() && writes->second >= many_writes)
            return;
        if (!page.watched) page.watched = space_.watch(begin_of(number));
        any |= page.watched;
    });
    return any;
}

void CodePages::note_write(GuestAddr address) { ++written_[page_of(address)]; }

void CodePages::leave_alone(GuestAddr begin, u64 bytes) {
    for (u64 number = page_of(begin); number <= page_of(begin + (bytes - 1)); ++number)
        written_[number] = many_writes;
}

void CodePages::forget(GuestAddr begin, u64 bytes) {
    std::erase_if(written_, [&](const auto& entry) {
        return entry.first >= page_of(begin) && entry.first <= page_of(begin + (bytes - 1));
    });
}

std::vector<CachedUnit*> CodePages::in(GuestAddr begin, u64 bytes) const {
    std::vector<CachedUnit*> units;
    for_pages_in(pages_, begin, bytes, [&](u64, const Page& page) {
        for (CachedUnit* unit : page.units)
            for (const abi::CodeRange& range : unit->ranges)
                if (range.begin.raw < begin.raw + bytes && begin.raw < range.begin.raw + range.bytes) {
                    units.push_back(unit);
                    break;
                }
    });
    make_unique(units);
    return units;
}

void CodePages::collect_changed(u64 number, Page& page, std::vector<CachedUnit*>& out) const {
    if (!page.changeable) return;
    u8 bytes[mem::page_bytes];
    std::optional<u64> hash;
    if (mem::copy_from(bytes, space_.host(begin_of(number)), sizeof bytes)) hash = hash_bytes(bytes);
    u64 looked_at = sizeof bytes;
    if (!hash || hash != page.hash) {
        // First the page's hash, then the units: what is written between the two shows in the next hash.
        page.hash = hash;
        for (CachedUnit* unit : page.units) {
            if (CodeSnapshot::hash_now(space_, unit->ranges) != unit->hash) out.push_back(unit);
            for (const abi::CodeRange& range : unit->ranges) looked_at += range.bytes;
        }
    }
    count(Counter::rechecked_bytes, looked_at);
}

std::vector<CachedUnit*> CodePages::changed() {
    std::vector<CachedUnit*> units;
    for (auto& [number, page] : pages_) {
        if (page.changeable) leave_alone(begin_of(number), 1);
        collect_changed(number, page, units);
    }
    make_unique(units);
    return units;
}

std::vector<CachedUnit*> CodePages::changed(GuestAddr begin, u64 bytes) {
    // To name the pages of a longer range one by one costs more than to look at all code.
    constexpr u64 long_range = u64{16} << 20;
    if (bytes == 0 || bytes > long_range || !space_.contains(begin, bytes) || has_aliases(begin, bytes))
        return changed();
    leave_alone(begin, bytes);
    std::vector<CachedUnit*> units;
    for_pages_in(pages_, begin, bytes, [&](u64 number, Page& page) { collect_changed(number, page, units); });
    make_unique(units);
    return units;
}

bool CodePages::has_aliases(GuestAddr begin, u64 bytes) const {
    int steps = 0;
    for (GuestAddr at = begin; at - begin < bytes;) {
        const auto region = space_.find(at);
        if (++steps > 16 || (region && region->shared)) return true;
        at = region ? region->end : begin_of(page_of(at) + 1);
    }
    return false;
}

}  // namespace kiln::run

// Guest address spaces: their making, the map of regions, and reading it. The mmap family is in
// address_space_map.cpp.
#include "mem/address_space.h"

#include "abi/guest_access.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "mem/access.h"
#include "mem/address_space_change.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KILN_LOW_MEMORY_TAKEN 1
#endif
#endif

namespace kiln::mem {
namespace {

// Room kept above the place where the search for free addresses starts: the stack's, as Linux keeps it.
constexpr u64 stack_room = u64{128} << 20;

constexpr u64 first_ceiling(u64 limit) { return limit > 2 * stack_room ? limit - stack_room : limit; }

// Behind an arena: where a kernel that is given a buffer across the arena's end stops, before it reaches memory
// of kiln's own.
constexpr u64 guard_bytes = u64{64} << 10;
// In front of one: where guests get that take a small negative number for an address.
constexpr u64 front_guard_bytes = u64{4} << 30;

constexpr int reserve_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Whether the host can give [lowest_address, limit) at their own place: nothing of the host's is there. A
// limit on address space (RLIMIT_AS) forbids asking for all of it at once, then the answer is a hopeful yes.
bool low_memory_is_free(u64 limit) {
#ifdef KILN_LOW_MEMORY_TAKEN
    (void)limit;
    return false;
#else
    void* wanted = reinterpret_cast<void*>(lowest_address);
    const u64 bytes = limit - lowest_address;
    void* got = mmap(wanted, bytes, PROT_NONE, reserve_flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED) return errno == ENOMEM;
    munmap(got, bytes);
    return got == wanted;
#endif
}

bool same_backing(const Backing& a, const Backing& b) {
    return !a.anonymous && !b.anonymous && a.device == b.device && a.inode == b.inode && a.name == b.name;
}

// Whether `second`, which starts where `first` ends, is one region with it.
bool continues(const Region& first, const Region& second) {
    if (first.prot != second.prot || first.shared != second.shared || first.grows_down != second.grows_down ||
        first.leaves_at_fork != second.leaves_at_fork)
        return false;
    if (first.backing != second.backing && !same_backing(*first.backing, *second.backing)) return false;
    return !first.has_offset() || first.offset + first.bytes() == second.offset;
}

}  // namespace

AddressSpace::AddressSpace(u64 base, u64 limit, bool arena)
    : base_(base),
      limit_(limit),
      arena_(arena),
      ceiling_(first_ceiling(limit)),
      plain_(std::make_shared<Backing>()),
      heap_(std::make_shared<Backing>(Backing{.name = "[heap]"})) {}

Result<std::unique_ptr<AddressSpace>> AddressSpace::create(const Options& options) {
    const u64 limit = options.limit;
    if (!is_aligned(limit, page_bytes) || limit <= lowest_address || limit > u64{1} << 47)
        return fail("a guest address space cannot have this size", EINVAL);
    if (options.base && !is_aligned(*options.base, page_bytes))
        return fail("the base of the guest address space must be a multiple of 4096", EINVAL);
    const bool want_low = options.base ? *options.base == 0 : options.low;
    if (want_low && low_memory_is_free(limit))
        return std::unique_ptr<AddressSpace>(new AddressSpace(0, limit, false));
    if (options.base == u64{0})
        return fail(
            "the guest cannot have its own addresses here: low memory is taken or forbidden "
            "(vm.mmap_min_addr); "
            "choose another base or leave the choice to kiln",
            ENOMEM);

    void* wanted = reinterpret_cast<void*>(options.base.value_or(0));
    const int fixed = options.base ? MAP_FIXED_NOREPLACE : 0;
    void* arena = mmap(wanted, limit + guard_bytes, PROT_NONE, reserve_flags | fixed, -1, 0);
    if (arena == MAP_FAILED || (fixed && arena != wanted)) {
        const int error = arena == MAP_FAILED ? errno : EEXIST;
        if (arena != MAP_FAILED) munmap(arena, limit + guard_bytes);
        return fail("cannot reserve " + std::to_string(limit >> 20) + " MiB of addresses for the guest: " +
                        std::strerror(error) + " (is there a limit on address space, ulimit -v?)",
                    error);
    }
    std::unique_ptr<AddressSpace> space(new AddressSpace(reinterpret_cast<u64>(arena), limit, true));
    // Where the host has something there already, it stays.
    if (space->base_ > front_guard_bytes)
        space->guarded_in_front_ = mmap(space->host(GuestAddr(-front_guard_bytes)), front_guard_bytes,
                                        PROT_NONE, reserve_flags | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED;
    return space;
}

AddressSpace::~AddressSpace() {
    for (const auto& [begin, region] : regions_) munmap(host(region.begin), region.bytes());
    if (arena_) munmap(host(GuestAddr(0)), limit_ + guard_bytes);
    if (guarded_in_front_) munmap(host(GuestAddr(-front_guard_bytes)), front_guard_bytes);
}

void AddressSpace::clear() {
    Change change(*this);
    if (!regions_.empty()) {
        change.note_stale(0, limit_);
        const int error = release(0, limit_);
        KILN_CHECK(error == 0);
        erase(0, limit_);
    }
    ceiling_ = first_ceiling(limit_);
    brk_start_ = brk_ = 0;
    locks_future_ = false;
}

void AddressSpace::after_fork_in_child() {
    Change change(*this);
    locks_future_ = false;
    for (auto it = regions_.begin(); it != regions_.end();) {
        const Region region = it->second;
        ++it;
        if (!region.leaves_at_fork) continue;
        const u64 begin = region.begin.raw, end = region.end.raw;
        change.note_stale(begin, end);
        erase(begin, end);
        // The arena takes back what the kernel has left out; memory of kiln's own that is there already stays.
        if (arena_ && mmap(host(region.begin), end - begin, PROT_NONE, reserve_flags | MAP_FIXED_NOREPLACE,
                           -1, 0) == MAP_FAILED)
            taken_[begin] = end;
    }
}

void AddressSpace::keep_clear_above(GuestAddr end) {
    std::unique_lock lock(mutex_);
    ceiling_ = std::min(ceiling_, std::max(align_down(end.raw, page_bytes), lowest_address));
}

void AddressSpace::set_name(GuestAddr begin, u64 length, std::string name) {
    std::unique_lock lock(mutex_);
    if (!contains(begin, length) || length == 0) return;
    const u64 first = align_down(begin.raw, page_bytes), end = align_up(begin.raw + length, page_bytes);
    split(first);
    split(end);
    auto backing = std::make_shared<Backing>();
    backing->name = std::move(name);
    for (auto it = regions_.lower_bound(first); it != regions_.end() && it->first < end; ++it)
        if (it->second.backing->anonymous) it->second.backing = backing;
}

// The region that holds `address`.
AddressSpace::Regions::const_iterator AddressSpace::at(u64 address) const {
    auto it = regions_.upper_bound(address);
    if (it == regions_.begin() || std::prev(it)->second.end.raw <= address) return regions_.end();
    return std::prev(it);
}

// The lowest region that overlaps [begin, end).
AddressSpace::Regions::const_iterator AddressSpace::first_in(u64 begin, u64 end) const {
    auto it = at(begin);
    if (it == regions_.end()) it = regions_.lower_bound(begin);
    return it != regions_.end() && it->first < end ? it : regions_.end();
}

// The highest free place for `bytes`: below the ceiling if there is one, else anywhere.
std::optional<u64> AddressSpace::gap(u64 bytes) const {
    // The begin of the highest thing that overlaps [begin, end), `end` if nothing does.
    auto blocker = [](const auto& map, u64 begin, u64 end, auto&& end_of) {
        auto it = map.lower_bound(end);
        if (it == map.begin()) return end;
        --it;
        return end_of(it->second) > begin ? std::min(it->first, end) : end;
    };
    for (u64 end : {ceiling_, limit_}) {
        while (end >= bytes && end - bytes >= lowest_address) {
            const u64 begin = end - bytes;
            const u64 below =
                std::min(blocker(regions_, begin, end, [](const Region& r) { return r.end.raw; }),
                         blocker(taken_, begin, end, [](u64 taken_end) { return taken_end; }));
            if (below == end) return begin;
            end = below;
        }
    }
    return std::nullopt;
}

// Makes `address` a border between regions if it lies inside one.
void AddressSpace::split(u64 address) {
    auto it = regions_.upper_bound(address);
    if (it == regions_.begin()) return;
    Region& lower = std::prev(it)->second;
    if (lower.begin.raw == address || lower.end.raw <= address) return;
    Region upper = lower;
    upper.begin = lower.end = GuestAddr(address);
    if (upper.has_offset()) upper.offset += lower.bytes();
    regions_.emplace_hint(it, address, std::move(upper));
}

void AddressSpace::set_bounds(const Bounds& bounds) {
    std::unique_lock lock(mutex_);
    bounds_ = bounds;
}

// Whether the guest may have so many bytes more, and so many more of them that are data.
bool AddressSpace::within_bounds(u64 more, u64 more_data) const {
    const auto fits = [](u64 used, u64 plus, u64 bound) {
        return plus == 0 || (plus <= bound && used <= bound - plus);
    };
    return fits(used_.total, more, bounds_.total) && fits(used_.data, more_data, bounds_.data);
}

// Counts a region that comes (sign 1) or goes (-1).
void AddressSpace::account(const Region& region, i64 sign) {
    if (region.grows_down) return;
    const u64 change = region.bytes() * static_cast<u64>(sign);
    used_.total += change;
    if (region.is_data()) used_.data += change;
}

// Adds a region at a free place, as one with its neighbours where they continue each other.
void AddressSpace::insert(Region region) {
    account(region, 1);
    auto next = regions_.lower_bound(region.begin.raw);
    if (next != regions_.end() && next->first == region.end.raw && continues(region, next->second)) {
        region.end = next->second.end;
        next = regions_.erase(next);
    }
    if (next != regions_.begin()) {
        Region& previous = std::prev(next)->second;
        if (previous.end == region.begin && continues(previous, region)) {
            previous.end = region.end;
            return;
        }
    }
    const u64 begin = region.begin.raw;
    regions_.emplace_hint(next, begin, std::move(region));
}

void AddressSpace::erase(u64 begin, u64 end) {
    split(begin);
    split(end);
    const auto first = regions_.lower_bound(begin), last = regions_.lower_bound(end);
    for (auto it = first; it != last; ++it) account(it->second, -1);
    regions_.erase(first, last);
}

std::optional<Region> AddressSpace::find(GuestAddr address) const {
    std::unique_lock lock(mutex_);
    auto it = at(address.raw);
    if (it == regions_.end()) return std::nullopt;
    return it->second;
}

std::vector<Region> AddressSpace::regions() const {
    std::unique_lock lock(mutex_);
    std::vector<Region> list;
    list.reserve(regions_.size());
    for (const auto& [begin, region] : regions_) list.push_back(region);
    return list;
}

u64 AddressSpace::mapped_bytes() const {
    std::unique_lock lock(mutex_);
    u64 sum = 0;
    for (const auto& [begin, region] : regions_) sum += region.bytes();
    return sum;
}

bool AddressSpace::read(GuestAddr from, void* to, size_t bytes) const {
    return bytes == 0 || (contains(from, bytes) && copy_from(to, host(from), bytes));
}

bool AddressSpace::write(GuestAddr to, const void* from, size_t bytes) {
    if (bytes == 0) return true;
    if (!contains(to, bytes)) return false;
    if (copy_to(host(to), from, bytes)) return true;
    return write_listener_ && write_listener_(to, bytes) && copy_to(host(to), from, bytes);
}

std::optional<std::string> AddressSpace::read_string(GuestAddr from, size_t max_bytes) const {
    std::string text;
    while (text.size() < max_bytes) {
        const GuestAddr next = from + text.size();
        const size_t chunk = std::min<size_t>(max_bytes - text.size(), page_bytes - next.raw % page_bytes);
        const size_t old_size = text.size();
        text.resize(old_size + chunk);
        if (!read(next, text.data() + old_size, chunk)) return std::nullopt;
        const size_t terminator = text.find('\0', old_size);
        if (terminator != std::string::npos) {
            text.resize(terminator);
            break;
        }
    }
    return text;
}

std::span<const u8> AddressSpace::fetch(GuestAddr pc) {
    std::unique_lock lock(mutex_);
    // Two pages at most: an instruction may cross into the second. Each is touched once, because a page of a
    // mapped file may have nothing behind it.
    const u64 bound = align_down(pc.raw, page_bytes) + 2 * page_bytes;
    u64 end = pc.raw;
    for (auto it = at(pc.raw); it != regions_.end() && (it->second.prot & PROT_EXEC) && end < bound;
         it = at(end)) {
        u8 byte;
        if (!copy_from(&byte, host(GuestAddr(end)), 1)) break;
        end = std::min(align_down(end, page_bytes) + page_bytes, it->second.end.raw);
    }
    return {host(pc), static_cast<size_t>(end - pc.raw)};
}

abi::FaultKind AddressSpace::fetch_fault(GuestAddr pc) {
    std::unique_lock lock(mutex_);
    auto it = at(pc.raw);
    if (it == regions_.end()) return abi::FaultKind::unmapped;
    if (!(it->second.prot & PROT_EXEC)) return abi::FaultKind::protected_;
    // There is a mapping now: either nothing is behind it, or it was not there when the fetch failed.
    u8 byte;
    const bool bus = !abi::guest_load(host(pc), byte) && abi::last_fault.kind == abi::FaultKind::bus;
    return bus ? abi::FaultKind::bus : abi::FaultKind::unmapped;
}

abi::FaultKind AddressSpace::fault_kind(GuestAddr address, abi::FaultKind host_kind) const {
    if (host_kind != abi::FaultKind::protected_ || !arena_) return host_kind;
    std::unique_lock lock(mutex_);
    return at(address.raw) == regions_.end() ? abi::FaultKind::unmapped : host_kind;
}

}  // namespace kiln::mem

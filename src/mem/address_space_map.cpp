// The mmap family on a guest address space, with Linux's results and errors. Each call checks its arguments
// in Linux's order, then changes the host's mappings and the map of regions together under the lock.
//
// With base 0 the host's kernel places kiln's own memory in the same range of addresses in principle, so a
// place that is free in the map of regions is first claimed with MAP_FIXED_NOREPLACE; only what is claimed or
// the guest's is ever mapped over. In an arena everything is claimed from the start.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/bits.h"
#include "base/hash.h"
#include "mem/address_space_change.h"

namespace kiln::mem {
namespace {

// Libraries have places that their names alone decide, so that code compiled for one program serves all that use them
// (docs/store.md): so far apart, between a quarter and five eighths of the space.
constexpr u64 library_places = u64{16} << 20;

/// Where a library is best mapped, if that is free; 0 where there is no room for this.
GuestAddr place_of_library(std::string_view path, u64 limit) {
    const std::string_view name = path.substr(path.find_last_of('/') + 1);
    const u64 places = limit / 8 * 3 / library_places;
    if (places == 0) return GuestAddr(0);
    const u64 number = hash_bytes({reinterpret_cast<const u8*>(name.data()), name.size()}) % places;
    return GuestAddr(align_up(limit / 4, library_places) + number * library_places);
}

constexpr int reserve_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// PROT_SEM, which some guests' C libraries know; it has no meaning on this host.
constexpr int prot_sem = 8;

// The advice that is in <asm/mman.h> only. Both take memory away from the whole machine.
constexpr int advice_hardware_poison = 100;
constexpr int advice_soft_offline = 101;

// mmap flags that the host shall see: those that mean the same on every Linux and do not choose the place.
constexpr int passed_flags = MAP_TYPE | MAP_ANONYMOUS | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |
                             MAP_NONBLOCK | MAP_STACK | MAP_SYNC;

// What MAP_SHARED_VALIDATE lets pass: those, and the ones handled here or without any effect, the sizes of huge pages
// among them. MAP_FIXED_NOREPLACE it refuses.
constexpr int known_flags =
    passed_flags | MAP_FIXED | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_HUGETLB | 31 << 26;

constexpr u64 page_up(u64 bytes) { return align_up(bytes, page_bytes); }

// The host's rights for the guest's: what the guest may execute, the engine reads.
int host_prot(int prot) { return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0); }

std::string path_of(int fd) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t bytes = readlink(link, path, sizeof path);
    return bytes > 0 ? std::string(path, static_cast<size_t>(bytes)) : std::string();
}

// [begin, end) of `region`, which holds it.
Region piece_of(const Region& region, u64 begin, u64 end) {
    Region piece = region;
    if (piece.has_offset()) piece.offset += begin - region.begin.raw;
    piece.begin = GuestAddr(begin);
    piece.end = GuestAddr(end);
    return piece;
}

}  // namespace

// Takes a place that is free in the map of regions; EEXIST when the host has something there.
int AddressSpace::claim(u64 begin, u64 end) {
    if (arena_) return 0;
    u8* wanted = host(GuestAddr(begin));
    void* got = mmap(wanted, end - begin, PROT_NONE, reserve_flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == wanted) return 0;
    if (got == MAP_FAILED) return errno;
    munmap(got, end - begin);  // a kernel without MAP_FIXED_NOREPLACE took the address as a hint
    return EEXIST;
}

// Calls `visit` on each part of [begin, end) that is not the guest's, until one gives an errno value.
template <class Visit>
int AddressSpace::for_holes(u64 begin, u64 end, Visit&& visit) const {
    for (u64 hole = begin; hole < end;) {
        const auto next = first_in(hole, end);
        const u64 hole_end = next == regions_.end() ? end : std::max(next->first, hole);
        if (hole < hole_end)
            if (const int error = visit(hole, hole_end)) return error;
        if (next == regions_.end()) break;
        hole = next->second.end.raw;
    }
    return 0;
}

// Claims what of [begin, end) is not the guest's yet; all of it or nothing.
int AddressSpace::claim_holes(u64 begin, u64 end) {
    if (arena_) return 0;
    u64 claimed_end = begin;
    const int error = for_holes(begin, end, [&](u64 first, u64 last) {
        claimed_end = first;
        return claim(first, last);
    });
    if (error) release_holes(begin, claimed_end);
    return error;
}

// Gives back what claim_holes() claimed.
void AddressSpace::release_holes(u64 begin, u64 end) {
    if (arena_) return;
    for_holes(begin, end, [&](u64 first, u64 last) {
        munmap(host(GuestAddr(first)), last - first);
        return 0;
    });
}

// Unmaps what the guest has in [begin, end).
int AddressSpace::release(u64 begin, u64 end) {
    if (arena_) {
        void* got = mmap(host(GuestAddr(begin)), end - begin, PROT_NONE, reserve_flags | MAP_FIXED, -1, 0);
        return got == MAP_FAILED ? errno : 0;
    }
    for (auto it = first_in(begin, end); it != regions_.end() && it->first < end; ++it) {
        const u64 first = std::max(it->first, begin), last = std::min(it->second.end.raw, end);
        if (munmap(host(GuestAddr(first)), last - first) != 0) return errno;
    }
    return 0;
}

// Maps `region` where it says. `fixed`: over whatever the guest has there; else the place is free. EEXIST
// says that the host has something there.
i64 AddressSpace::place(Change& change, Region region, bool fixed, int flags, int fd) {
    const u64 begin = region.begin.raw, end = region.end.raw;
    u8* const wanted = host(region.begin);
    // Nothing but `fixed` lets the guest have memory there already, which goes.
    u64 more = end - begin;
    if (fixed)
        for (auto it = first_in(begin, end); it != regions_.end() && it->first < end; ++it)
            more -= std::min(it->second.end.raw, end) - std::max(it->first, begin);
    if (!region.grows_down && !within_bounds(more, region.is_data() ? more : 0)) return -ENOMEM;
    if (locks_future_ && region.prot != PROT_NONE && future_lock_flags_ == 0) flags |= MAP_LOCKED;
    // A place that is wholly free is claimed by the mapping itself.
    const bool validates = (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
    const bool claims = !arena_ && !validates && (!fixed || is_free(begin, end));
    if (!claims)
        if (const int error = claim_holes(begin, end)) return -error;
    void* got = mmap(wanted, end - begin, host_prot(region.prot),
                     (flags & passed_flags) | (claims ? MAP_FIXED_NOREPLACE : MAP_FIXED), fd,
                     static_cast<off_t>(region.offset));
    if (got != wanted) {
        const int error = got == MAP_FAILED ? errno : EEXIST;
        if (got != MAP_FAILED) munmap(got, end - begin);
        if (!claims) release_holes(begin, end);
        return -error;
    }
    if (locks_future_ && future_lock_flags_ != 0)
        mlock2(wanted, end - begin, static_cast<unsigned>(future_lock_flags_));
    if (fixed) {
        change.note_stale(begin, end);
        erase(begin, end);
    }
    insert(std::move(region));
    return static_cast<i64>(begin);
}

i64 AddressSpace::place_anywhere(Change& change, u64 bytes, Region region, int flags, int fd) {
    while (auto begin = gap(bytes)) {
        region.begin = GuestAddr(*begin);
        region.end = GuestAddr(*begin + bytes);
        const i64 result = place(change, region, false, flags, fd);
        if (result != -EEXIST) return result;
        taken_[*begin] = *begin + bytes;
    }
    return -ENOMEM;
}

// The backing of the file `fd`. A file is mapped a few times in a row by those who load it.
std::shared_ptr<const Backing> AddressSpace::backing_of_file(int fd, dev_t device, ino_t inode) {
    std::unique_lock lock(mutex_);
    if (!last_file_ || last_file_->device != device || last_file_->inode != inode)
        last_file_ = std::make_shared<Backing>(
            Backing{.name = path_of(fd), .device = device, .inode = inode, .anonymous = false});
    return last_file_;
}

i64 AddressSpace::map(GuestAddr hint, u64 length, int prot, int flags, int fd, u64 offset) {
    if (!is_aligned(offset, page_bytes)) return -EINVAL;
    const bool anonymous = flags & MAP_ANONYMOUS;
    struct stat file{};
    if (!anonymous && fstat(fd, &file) != 0) return -errno;
    if (length == 0) return -EINVAL;
    const u64 bytes = page_up(length);
    if (bytes == 0) return -ENOMEM;
    if (offset + bytes < offset) return -EOVERFLOW;
    if (bytes > limit_ - lowest_address) return -ENOMEM;
    const bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    if (fixed) {
        if (!contains(hint, bytes)) return -ENOMEM;
        if (!is_aligned(hint.raw, page_bytes)) return -EINVAL;
        if (hint.raw < lowest_address) return -EPERM;
    }
    const int type = flags & MAP_TYPE;
    if (type != MAP_SHARED && type != MAP_PRIVATE && (type != MAP_SHARED_VALIDATE || anonymous))
        return -EINVAL;
    if (type == MAP_SHARED_VALIDATE && (flags & ~known_flags)) return -EOPNOTSUPP;
    if (flags & MAP_HUGETLB) return -ENOMEM;

    Region region;
    region.prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
    region.shared = type != MAP_PRIVATE;
    region.grows_down = anonymous && !region.shared && (flags & MAP_GROWSDOWN);
    if (!anonymous) {
        region.backing = backing_of_file(fd, file.st_dev, file.st_ino);
        region.offset = offset;
        // As dynamic linkers map them: the whole at once, wherever there is room.
        if (hint.raw == 0 && !fixed && !region.shared && (prot & PROT_EXEC) && offset == 0)
            hint = place_of_library(region.backing->name, limit_);
    } else if (region.shared) {
        auto backing = std::make_shared<Backing>();  // an object of its own
        backing->name = "/dev/zero (deleted)";
        region.backing = std::move(backing);
    } else {
        region.backing = plain_;
    }

    Change change(*this);
    const u64 begin = fixed ? hint.raw : std::max(align_down(hint.raw, page_bytes), lowest_address);
    if ((flags & MAP_FIXED_NOREPLACE) && !is_free(begin, begin + bytes)) return -EEXIST;
    if (fixed ||
        (hint.raw >= page_bytes && contains(GuestAddr(begin), bytes) && is_free(begin, begin + bytes))) {
        region.begin = GuestAddr(begin);
        region.end = GuestAddr(begin + bytes);
        const i64 result = place(change, region, fixed, flags, fd);
        if (result != -EEXIST) return result;
        // The host's own memory is there. To the guest it looks like a place that it cannot have.
        if (flags & MAP_FIXED_NOREPLACE) return -EEXIST;
        if (flags & MAP_FIXED) return -ENOMEM;
    }
    return place_anywhere(change, bytes, std::move(region), flags, fd);
}

i64 AddressSpace::remove(Change& change, u64 begin, u64 end) {
    if (is_free(begin, end)) return 0;
    change.note_stale(begin, end);
    if (const int error = release(begin, end)) return -error;
    erase(begin, end);
    return 0;
}

i64 AddressSpace::unmap(GuestAddr begin, u64 length) {
    if (!is_aligned(begin.raw, page_bytes) || !contains(begin, length)) return -EINVAL;
    const u64 bytes = page_up(length);
    if (bytes == 0) return -EINVAL;
    Change change(*this);
    return remove(change, begin.raw, begin.raw + bytes);
}

i64 AddressSpace::protect(GuestAddr begin, u64 length, int prot) {
    const bool grows_down = prot & PROT_GROWSDOWN;
    if (!is_aligned(begin.raw, page_bytes)) return -EINVAL;
    if (length == 0) return 0;
    const u64 end = begin.raw + page_up(length);
    if (end <= begin.raw) return -ENOMEM;
    if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | prot_sem | PROT_GROWSDOWN)) return -EINVAL;
    if (end > limit_) return -ENOMEM;
    prot &= PROT_READ | PROT_WRITE | PROT_EXEC;

    Change change(*this);
    u64 next = begin.raw;
    if (grows_down) {
        auto it = first_in(begin.raw, end);
        if (it == regions_.end()) return -ENOMEM;
        if (!it->second.grows_down) return -EINVAL;
        next = it->first;
    }
    while (next < end) {
        auto it = at(next);
        if (it == regions_.end()) return -ENOMEM;
        const Region piece = piece_of(it->second, next, std::min(end, it->second.end.raw));
        next = piece.end.raw;
        if (piece.prot == prot) continue;
        Region changed = piece;
        changed.prot = prot;
        if (changed.is_data() && !piece.is_data() && !within_bounds(0, piece.bytes())) return -ENOMEM;
        if (mprotect(host(piece.begin), piece.bytes(), host_prot(prot)) != 0) return -errno;
        change.note_stale(piece.begin.raw, piece.end.raw);
        erase(piece.begin.raw, piece.end.raw);
        insert(std::move(changed));
    }
    return 0;
}

// Extends `region`, of which nothing but the free place [region.end, new_end) is asked.
bool AddressSpace::grow_in_place(const Region& region, u64 new_end) {
    const u64 end = region.end.raw;
    if (new_end > limit_ || !is_free(end, new_end)) return false;
    if (region.has_offset()) {
        // Only the host can extend an object's mapping, and in an arena the host has no room behind it.
        const u64 last = end - page_bytes;
        if (arena_ || mremap(host(GuestAddr(last)), page_bytes, page_bytes + new_end - end, 0) == MAP_FAILED)
            return false;
    } else {
        if (claim(end, new_end) != 0) return false;
        void* got = mmap(host(region.end), new_end - end, host_prot(region.prot),
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (got == MAP_FAILED) {
            if (!arena_) munmap(host(region.end), new_end - end);
            return false;
        }
    }
    insert(piece_of(region, end, new_end));
    return true;
}

// Moves `piece` to the free place [new_begin, new_begin + new_bytes). A piece of no bytes is a second view of
// a shared object.
i64 AddressSpace::move(Change& change, const Region& piece, u64 new_begin, u64 new_bytes, int flags) {
    const u64 new_end = new_begin + new_bytes;
    if (const int error = claim(new_begin, new_end)) return -error;
    const int keep = flags & MREMAP_DONTUNMAP;
    restore_rights(piece.begin.raw, piece.end.raw);
    void* got = mremap(host(piece.begin), piece.bytes(), new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED | keep,
                       host(GuestAddr(new_begin)));
    if (got == MAP_FAILED) {
        const int error = errno;
        release_holes(new_begin, new_end);
        return -error;
    }
    Region moved = piece;
    moved.begin = GuestAddr(new_begin);
    moved.end = GuestAddr(new_end);
    if (piece.bytes() != 0) {
        change.note_stale(piece.begin.raw, piece.end.raw);
        if (!keep) {
            erase(piece.begin.raw, piece.end.raw);
            // The arena keeps what the host has just freed, unless another of kiln's threads was quicker:
            // then the place is lost to the guest.
            if (arena_ && mmap(host(piece.begin), piece.bytes(), PROT_NONE,
                               reserve_flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
                taken_[piece.begin.raw] = piece.end.raw;
        }
    }
    insert(std::move(moved));
    return static_cast<i64>(new_begin);
}

i64 AddressSpace::remap(GuestAddr old_begin, u64 old_length, u64 new_length, int flags, GuestAddr new_begin) {
    const bool may_move = flags & MREMAP_MAYMOVE, fixed = flags & MREMAP_FIXED,
               keep = flags & MREMAP_DONTUNMAP;
    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) return -EINVAL;
    if ((fixed || keep) && !may_move) return -EINVAL;
    if (keep && old_length != new_length) return -EINVAL;
    if (!is_aligned(old_begin.raw, page_bytes)) return -EINVAL;
    const u64 old_bytes = page_up(old_length), new_bytes = page_up(new_length);
    if (new_bytes == 0) return -EINVAL;
    if (!contains(old_begin, 0) || old_bytes < old_length) return -EFAULT;
    const u64 old = old_begin.raw;
    if (fixed) {
        if (!is_aligned(new_begin.raw, page_bytes) || !contains(new_begin, new_bytes)) return -EINVAL;
        const u64 to = new_begin.raw;
        if (to < old + old_bytes && old < to + new_bytes) return -EINVAL;
        if (to < lowest_address) return -EPERM;
    }

    Change change(*this);
    auto it = at(old);
    if (it == regions_.end()) return -EFAULT;
    const Region region = it->second;
    if (old_bytes == 0 && (!region.shared || !may_move)) return -EINVAL;
    if (!fixed && !keep && old_bytes != 0 && new_bytes <= old_bytes) {
        if (!contains(old_begin, old_bytes)) return -EINVAL;
        const i64 result = remove(change, old + new_bytes, old + old_bytes);
        return result < 0 ? result : static_cast<i64>(old);
    }
    if (old_bytes > region.end.raw - old) return -EFAULT;
    if (new_bytes > limit_) return -ENOMEM;
    const u64 more = new_bytes - (keep ? 0 : std::min(old_bytes, new_bytes));
    if (!within_bounds(more, region.is_data() ? more : 0)) return -ENOMEM;

    if (!fixed && !keep && old_bytes != 0 && old + old_bytes == region.end.raw &&
        grow_in_place(region, old + new_bytes))
        return static_cast<i64>(old);
    if (!may_move) return -ENOMEM;

    u64 piece_end = old + old_bytes;
    if (fixed) {
        if (const i64 result = remove(change, new_begin.raw, new_begin.raw + new_bytes); result < 0)
            return result;
        if (old_bytes > new_bytes) {
            if (const i64 result = remove(change, old + new_bytes, piece_end); result < 0) return result;
            piece_end = old + new_bytes;
        }
    }
    const Region piece = piece_of(region, old, piece_end);
    if (fixed) {
        const i64 result = move(change, piece, new_begin.raw, new_bytes, flags);
        return result == -EEXIST ? -ENOMEM : result;
    }
    while (auto to = gap(new_bytes)) {
        const i64 result = move(change, piece, *to, new_bytes, flags);
        if (result != -EEXIST) return result;
        taken_[*to] = *to + new_bytes;
    }
    return -ENOMEM;
}

// Calls `call` (which gives 0, or -1 with errno) on the host addresses of each mapped part of the range, as
// the kernel does: the parts before a hole are done, and a hole makes the result ENOMEM.
template <class Call>
i64 AddressSpace::for_mapped(u64 begin, u64 length, Call&& call) const {
    if (!is_aligned(begin, page_bytes)) return -EINVAL;
    const u64 end = begin + page_up(length);
    if (end < begin || (length != 0 && page_up(length) == 0)) return -EINVAL;
    if (end == begin) return 0;
    if (end > limit_) return -ENOMEM;
    i64 result = 0;
    for (u64 next = begin; next < end;) {
        auto it = first_in(next, end);
        if (it == regions_.end()) return -ENOMEM;
        if (it->first > next) result = -ENOMEM;
        const u64 first = std::max(next, it->first), last = std::min(end, it->second.end.raw);
        if (call(host(GuestAddr(first)), last - first) != 0) return -errno;
        next = last;
    }
    return result;
}

// Notes for a child what happens to the mapped parts of [begin, end) at a fork.
void AddressSpace::set_leaves_at_fork(u64 begin, u64 end, bool leaves) {
    split(begin);
    split(end);
    for (auto it = regions_.lower_bound(begin); it != regions_.end() && it->first < end; ++it)
        it->second.leaves_at_fork = leaves;
}

i64 AddressSpace::advise(GuestAddr begin, u64 length, int advice) {
    if (advice == advice_hardware_poison || advice == advice_soft_offline) return -EPERM;
    Change change(*this);
    if (contains(begin, length) && (advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
                                    advice == MADV_DONTNEED_LOCKED)) {
        restore_rights(begin.raw, begin.raw + length);
        change.note_stale(begin.raw, begin.raw + length);
    }
    const i64 result =
        for_mapped(begin.raw, length, [&](u8* at, u64 bytes) { return madvise(at, bytes, advice); });
    if ((advice == MADV_DONTFORK || advice == MADV_DOFORK) && (result == 0 || result == -ENOMEM) &&
        contains(begin, page_up(length)))
        set_leaves_at_fork(begin.raw, begin.raw + page_up(length), advice == MADV_DONTFORK);
    return result;
}

i64 AddressSpace::sync(GuestAddr begin, u64 length, int flags) {
    if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (flags & MS_ASYNC && flags & MS_SYNC))
        return -EINVAL;
    std::unique_lock lock(mutex_);
    // A length that wraps is none here, and an error in madvise(2).
    return for_mapped(begin.raw, page_up(length), [&](u8* at, u64 bytes) { return msync(at, bytes, flags); });
}

i64 AddressSpace::mincore(GuestAddr begin, u64 length, u8* residency) {
    if (is_aligned(begin.raw, page_bytes) && !contains(begin, length)) return -ENOMEM;
    std::unique_lock lock(mutex_);
    return for_mapped(begin.raw, length, [&](u8* at, u64 bytes) {
        const int result = ::mincore(at, bytes, residency);
        residency += bytes / page_bytes;
        return result;
    });
}

// mlock takes any address: Linux rounds to pages.
i64 AddressSpace::lock(GuestAddr begin, u64 length, int flags) {
    if (flags & ~static_cast<int>(MLOCK_ONFAULT)) return -EINVAL;
    std::unique_lock lock(mutex_);
    const u64 skipped = begin.raw % page_bytes;
    return for_mapped(begin.raw - skipped, length + skipped,
                      [&](u8* at, u64 bytes) { return mlock2(at, bytes, static_cast<unsigned>(flags)); });
}

i64 AddressSpace::unlock(GuestAddr begin, u64 length) {
    std::unique_lock lock(mutex_);
    const u64 skipped = begin.raw % page_bytes;
    return for_mapped(begin.raw - skipped, length + skipped,
                      [](u8* at, u64 bytes) { return munlock(at, bytes); });
}

bool AddressSpace::watch(GuestAddr address) {
    std::unique_lock lock(mutex_);
    const u64 page = align_down(address.raw, page_bytes);
    const auto it = at(page);
    if (it == regions_.end() || it->second.shared || !(it->second.prot & PROT_WRITE)) return false;
    if (mprotect(host(GuestAddr(page)), page_bytes, PROT_READ) != 0) return false;
    watched_.insert(page);
    return true;
}

bool AddressSpace::unwatch(GuestAddr address) {
    std::unique_lock lock(mutex_);
    const u64 page = align_down(address.raw, page_bytes);
    const auto it = at(page);
    if (it == regions_.end() || !(it->second.prot & PROT_WRITE)) return false;
    // Another thread may have been quicker; to give rights twice does no harm.
    if (mprotect(host(GuestAddr(page)), page_bytes, host_prot(it->second.prot)) != 0) return false;
    watched_.erase(page);
    return true;
}

std::vector<GuestAddr> AddressSpace::watched(GuestAddr begin, u64 bytes) const {
    std::unique_lock lock(mutex_);
    std::vector<GuestAddr> pages;
    for (auto it = watched_.lower_bound(align_down(begin.raw, page_bytes));
         it != watched_.end() && *it < begin.raw + bytes; ++it)
        pages.push_back(GuestAddr(*it));
    return pages;
}

// Before the host moves or empties pages: their rights would go with them.
void AddressSpace::restore_rights(u64 begin, u64 end) {
    for (auto it = watched_.lower_bound(begin); it != watched_.end() && *it < end; ++it)
        if (const auto region = at(*it); region != regions_.end())
            mprotect(host(GuestAddr(*it)), page_bytes, host_prot(region->second.prot));
}

void AddressSpace::lock_future(bool locked, int flags) {
    std::unique_lock lock(mutex_);
    locks_future_ = locked;
    future_lock_flags_ = flags;
}

bool AddressSpace::grow_down(GuestAddr address, u64 most_bytes) {
    // What the kernel leaves free between a stack and what lies below it.
    constexpr u64 guard_gap = 256 * page_bytes;
    Change change(*this);
    const u64 begin = align_down(address.raw, page_bytes);
    const auto above = regions_.upper_bound(begin);
    if (begin < lowest_address || above == regions_.end() || !above->second.grows_down ||
        above->second.end.raw - begin > most_bytes)
        return false;
    if (above != regions_.begin()) {
        const Region& below = std::prev(above)->second;
        // The page that was missing is there now: another thread was quicker.
        if (below.end.raw > begin) return below.grows_down;
        if (below.prot != PROT_NONE && !below.grows_down && begin - below.end.raw < guard_gap) return false;
    }
    Region grown = above->second;
    grown.end = grown.begin;
    grown.begin = GuestAddr(begin);
    return place(change, std::move(grown), false, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1) >= 0;
}

void AddressSpace::set_brk_start(GuestAddr begin) {
    std::unique_lock lock(mutex_);
    brk_start_ = brk_ = begin.raw;
}

GuestAddr AddressSpace::brk(GuestAddr wanted) {
    Change change(*this);
    if (wanted.raw < brk_start_ || wanted.raw > limit_) return GuestAddr(brk_);
    const u64 old_end = page_up(brk_), new_end = page_up(wanted.raw);
    if (new_end > old_end) {
        if (!is_free(old_end, new_end)) return GuestAddr(brk_);
        Region region;
        region.begin = GuestAddr(old_end);
        region.end = GuestAddr(new_end);
        region.prot = PROT_READ | PROT_WRITE;
        region.backing = heap_;
        if (place(change, std::move(region), false, MAP_PRIVATE | MAP_ANONYMOUS, -1) < 0)
            return GuestAddr(brk_);
    } else if (new_end < old_end) {
        if (remove(change, new_end, old_end) < 0) return GuestAddr(brk_);
    }
    brk_ = wanted.raw;
    return wanted;
}

}  // namespace kiln::mem

// System V shared memory in a guest address space: shmat(2) and shmdt(2). Like a file's mapping, but the host
// places it with a call of its own, over a place that is claimed first.
#include <sys/mman.h>
#include <sys/shm.h>

#include <cerrno>
#include <cstdio>

#include "base/bits.h"
#include "mem/address_space_change.h"

namespace kiln::mem {
namespace {

std::shared_ptr<const Backing> backing_of_segment(int id, key_t key) {
    char name[32];
    std::snprintf(name, sizeof name, "/SYSV%08x (deleted)", static_cast<unsigned>(key));
    return std::make_shared<Backing>(Backing{
        .name = name, .device = 0, .inode = static_cast<ino_t>(id), .anonymous = false, .system_v = true});
}

}  // namespace

i64 AddressSpace::place_segment(Change& change, Region region, int id, int flags) {
    const u64 begin = region.begin.raw, end = region.end.raw;
    if (const int error = claim_holes(begin, end)) return -error;
    // SHM_EXEC stays the guest's affair: what it may execute, the engine reads.
    if (shmat(id, host(region.begin), SHM_REMAP | (flags & SHM_RDONLY)) == reinterpret_cast<void*>(-1)) {
        const int error = errno;
        release_holes(begin, end);
        return -error;
    }
    change.note_stale(begin, end);
    erase(begin, end);
    insert(std::move(region));
    return static_cast<i64>(begin);
}

i64 AddressSpace::attach(int id, GuestAddr hint, int flags) {
    shmid_ds facts;
    if (shmctl(id, IPC_STAT, &facts) != 0) return -errno;
    const u64 bytes = align_up(facts.shm_segsz, page_bytes);
    u64 begin = hint.raw;
    if (!is_aligned(begin, page_bytes)) {
        if (!(flags & SHM_RND)) return -EINVAL;
        begin = align_down(begin, page_bytes);
    }
    if (begin == 0 && (hint.raw != 0 || flags & SHM_REMAP)) return -EINVAL;
    if (bytes > limit_ - lowest_address) return -ENOMEM;
    if (begin != 0 && (begin < lowest_address || begin + bytes < begin)) return -EINVAL;
    if (!contains(GuestAddr(begin), bytes)) return -ENOMEM;

    Region region;
    region.prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    region.shared = true;
    region.backing = backing_of_segment(id, facts.shm_perm.__key);

    Change change(*this);
    if (!within_bounds(bytes, 0)) return -ENOMEM;
    if (begin != 0) {
        if (!(flags & SHM_REMAP) && !is_free(begin, begin + bytes)) return -EINVAL;
        region.begin = GuestAddr(begin);
        region.end = GuestAddr(begin + bytes);
        const i64 result = place_segment(change, std::move(region), id, flags);
        return result == -EEXIST ? -EINVAL : result;
    }
    while (auto free = gap(bytes)) {
        region.begin = GuestAddr(*free);
        region.end = GuestAddr(*free + bytes);
        const i64 result = place_segment(change, region, id, flags);
        if (result != -EEXIST) return result;
        taken_[*free] = *free + bytes;
    }
    return -ENOMEM;
}

i64 AddressSpace::detach(GuestAddr begin) {
    if (!is_aligned(begin.raw, page_bytes)) return -EINVAL;
    Change change(*this);
    // The parts of the attachment that are still in place, whatever has been cut out of it.
    std::shared_ptr<const Backing> segment;
    std::vector<std::pair<u64, u64>> parts;
    for (auto it = regions_.lower_bound(begin.raw); it != regions_.end(); ++it) {
        const Region& region = it->second;
        if (!region.backing->system_v || region.begin.raw - begin.raw != region.offset) continue;
        if (segment && region.backing != segment) continue;
        segment = region.backing;
        parts.emplace_back(region.begin.raw, region.end.raw);
    }
    for (auto [first, last] : parts)
        if (const i64 result = remove(change, first, last); result < 0) return result;
    return segment ? 0 : -EINVAL;
}

}  // namespace kiln::mem

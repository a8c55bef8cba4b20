// One guest address space in user mode: which guest pages exist, and the mmap family that changes them.
//
// Guest address g lives at host address base() + g, for every g below limit(). Base 0 is the normal case:
// kiln is a static-pie, so the kernel puts nothing of kiln's below 256 GiB and the guest can have its own
// addresses. Any other base is an arena: limit() bytes reserved at once, inaccessible where the guest has
// nothing, and guarded on both sides. Both behave alike.
//
// Laws kept here:
//   - the map of regions is the truth about what the guest has; the host's mappings follow it under one lock;
//   - no mapping of the guest ever replaces memory of kiln's own;
//   - guest PROT_EXEC never becomes host PROT_EXEC: executable for the guest is readable for the host.
// Elsewhere on purpose: copying that survives a bad pointer (mem/access.h), and which pages are to be watched
// for writes, because they hold translated code (run/engine.h).
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "abi/frontend.h"
#include "base/types.h"

namespace kiln::mem {

/// The guest's page size, which is the host's, in bytes.
inline constexpr u64 page_bytes = 4096;

/// The lowest address a guest may map. Where vm.mmap_min_addr is higher, base 0 is not possible.
inline constexpr u64 lowest_address = 0x10000;

/// What lies behind a mapping. Shared by all regions that were cut from one mapping.
struct Backing {
    std::string name;  ///< a file's path, or "[heap]", "[stack]"...; empty for plain anonymous memory
    dev_t device = 0;
    ino_t inode = 0;
    bool anonymous = true;
    bool system_v = false;  ///< a segment of shmget(2), whose identifier is `inode`
};

/// Neighbouring pages with the same rights and consecutive backing.
struct Region {
    GuestAddr begin;
    GuestAddr end;
    int prot = 0;  ///< PROT_READ | PROT_WRITE | PROT_EXEC as the guest asked
    bool shared = false;
    bool grows_down = false;
    bool leaves_at_fork = false;  ///< a child has nothing there (MADV_DONTFORK)
    u64 offset = 0;               ///< of `begin` in the file, in bytes; 0 for private anonymous memory
    std::shared_ptr<const Backing> backing;

    u64 bytes() const { return end - begin; }
    /// Whether RLIMIT_DATA counts it.
    bool is_data() const { return (prot & PROT_WRITE) && !shared && !grows_down; }
    /// Whether `offset` means something: the pages are those of a file or of a shared object.
    bool has_offset() const { return shared || !backing->anonymous; }
};

/// Calls that return i64 give what the Linux system call gives: a value, or minus an errno. Any thread may
/// call anything, except as said at a function; none may be called from a signal handler, but host() and
/// contains().
class AddressSpace final : public abi::CodeSource {
  public:
    struct Options {
        /// Where guest address 0 shall be, a multiple of the page size; without it 0 if possible and `low`,
        /// else wherever there is room.
        std::optional<u64> base;
        bool low = true;
        /// One past the highest guest address, in bytes; a multiple of the page size.
        u64 limit = u64{1} << 38;
    };

    /// Fails when the host has no room for it at the base asked for.
    static Result<std::unique_ptr<AddressSpace>> create(const Options& options);
    /// Unmaps everything the guest has.
    ~AddressSpace() override;
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    u64 base() const { return base_; }
    u64 limit() const { return limit_; }

    /// The host address of a guest address; says nothing about whether anything is there.
    u8* host(GuestAddr address) const { return reinterpret_cast<u8*>(base_ + address.raw); }
    /// The guest address of a host address; none if the guest cannot reach it.
    std::optional<GuestAddr> guest(const void* host_address) const {
        u64 offset = reinterpret_cast<u64>(host_address) - base_;
        if (offset >= limit_) return std::nullopt;
        return GuestAddr(offset);
    }
    /// Whether [address, address + bytes) lies below limit() without wrapping.
    bool contains(GuestAddr address, u64 bytes) const {
        return address.raw <= limit_ && bytes <= limit_ - address.raw;
    }

    // The mmap family: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2), mincore(2),
    // mlock2(2), munlock(2). Flags and rights have Linux's generic numbers, `offset` is in bytes.
    // MAP_HUGETLB finds no huge page (ENOMEM).
    i64 map(GuestAddr hint, u64 length, int prot, int flags, int fd, u64 offset);
    i64 unmap(GuestAddr begin, u64 length);
    i64 protect(GuestAddr begin, u64 length, int prot);
    i64 remap(GuestAddr old_begin, u64 old_length, u64 new_length, int flags, GuestAddr new_begin);
    i64 advise(GuestAddr begin, u64 length, int advice);
    i64 sync(GuestAddr begin, u64 length, int flags);
    /// `residency` takes one byte for each page.
    i64 mincore(GuestAddr begin, u64 length, u8* residency);
    i64 lock(GuestAddr begin, u64 length, int flags);
    i64 unlock(GuestAddr begin, u64 length);
    /// mlockall(2)'s MCL_FUTURE: what is mapped from now on is locked; `flags` as for lock().
    void lock_future(bool locked, int flags);
    /// After an access to unmapped `address`: if it lies below a region that grows down and may grow so far, at
    /// most `most_bytes` in all, makes it do so; true if the access is to be made again.
    bool grow_down(GuestAddr address, u64 most_bytes);

    /// How much the guest may map, in bytes, whatever of it is touched: `total` of everything (RLIMIT_AS),
    /// `data` of private writable memory (RLIMIT_DATA). Stacks that grow down do not count. What is mapped
    /// stays; more is refused with ENOMEM.
    struct Bounds {
        u64 total = ~u64{0};
        u64 data = ~u64{0};
    };
    void set_bounds(const Bounds& bounds);

    /// shmat(2) of the segment `id`, with Linux's SHM_ flags; the address, or minus an errno.
    i64 attach(int id, GuestAddr hint, int flags);
    /// shmdt(2).
    i64 detach(GuestAddr begin);

    /// Where the heap begins: the loader's word, once for each program. `begin` need not be aligned.
    void set_brk_start(GuestAddr begin);
    /// Moves the end of the heap and gives where it then is: not moved if it cannot be. GuestAddr(0) asks.
    GuestAddr brk(GuestAddr wanted);

    /// The search for a free place starts at `end` or lower, downwards; at first, 128 MiB below limit().
    void keep_clear_above(GuestAddr end);
    /// Names anonymous memory in the listing ("[stack]").
    void set_name(GuestAddr begin, u64 length, std::string name);
    /// Forgets everything the guest has, for execve: no memory, no heap.
    void clear();

    std::optional<Region> find(GuestAddr address) const;
    /// All regions by ascending address, as /proc/self/maps lists them.
    std::vector<Region> regions() const;
    /// Bytes the guest has mapped.
    u64 mapped_bytes() const;

    // Copies between kiln and the guest; false if any byte lies where the guest has no such access. What
    // comes before that byte may have been copied.
    bool read(GuestAddr from, void* to, size_t bytes) const;
    bool write(GuestAddr to, const void* from, size_t bytes);
    /// The string at `from` without its terminator, or its first `max_bytes` bytes if they hold none; none if
    /// it cannot be read.
    std::optional<std::string> read_string(GuestAddr from, size_t max_bytes) const;

    std::span<const u8> fetch(GuestAddr pc) override;
    abi::FaultKind fetch_fault(GuestAddr pc) override;

    /// `listener` hears of every range that was executable and is now unmapped, replaced, reprotected, moved
    /// or emptied, after the fact and outside the lock. Set before a second thread runs.
    using CodeListener = std::function<void(GuestAddr begin, u64 bytes)>;
    void set_code_listener(CodeListener listener) { listener_ = std::move(listener); }

    // Watching for writes: a page that code was made from and that the guest may write is taken from it, so
    // that the first write faults and can be noticed.
    /// Makes writes to the page of `address` fault; false where nothing has to be watched (it is not the
    /// guest's to write) or nothing can be (shared memory has other addresses).
    bool watch(GuestAddr address);
    /// Gives the page its rights back; false when the guest may not write there anyway.
    bool unwatch(GuestAddr address);
    /// The watched pages in the range.
    std::vector<GuestAddr> watched(GuestAddr begin, u64 bytes) const;
    /// `listener` hears of writes by write() that failed, unwatches pages of the range and says whether it did.
    /// Set before a second thread runs.
    using WriteListener = std::function<bool(GuestAddr begin, u64 bytes)>;
    void set_write_listener(WriteListener listener) { write_listener_ = std::move(listener); }

    /// What a failed access at `address` is for the guest, given what the host said: in an arena, nothing of
    /// the guest's is there although the host has a (reserved) mapping.
    abi::FaultKind fault_kind(GuestAddr address, abi::FaultKind host_kind) const;

    /// In the child of a fork: forgets what the parent did not want it to have.
    void after_fork_in_child();
    /// Keeps every other thread out while held: held over fork, the child's copy is whole and usable.
    [[nodiscard]] std::unique_lock<std::mutex> freeze() { return std::unique_lock(mutex_); }

  private:
    using Regions = std::map<u64, Region>;  // by begin; never overlapping
    class Change;                           // a change under way: the lock, and what to tell the listener

    AddressSpace(u64 base, u64 limit, bool arena);

    // The map of regions. All need the lock.
    Regions::const_iterator at(u64 address) const;
    Regions::const_iterator first_in(u64 begin, u64 end) const;
    bool is_free(u64 begin, u64 end) const { return first_in(begin, end) == regions_.end(); }
    std::optional<u64> gap(u64 bytes) const;
    void split(u64 address);
    void insert(Region region);
    void erase(u64 begin, u64 end);

    bool within_bounds(u64 more, u64 more_data) const;
    void account(const Region& region, i64 sign);

    // The host's mappings below those regions. All need the lock and give an errno value, 0 for success.
    int claim(u64 begin, u64 end);
    template <class Visit>
    int for_holes(u64 begin, u64 end, Visit&& visit) const;
    int claim_holes(u64 begin, u64 end);
    void release_holes(u64 begin, u64 end);
    int release(u64 begin, u64 end);

    void restore_rights(u64 begin, u64 end);

    // Steps of the mmap family, for ranges already checked.
    std::shared_ptr<const Backing> backing_of_file(int fd, dev_t device, ino_t inode);
    i64 place(Change& change, Region region, bool fixed, int flags, int fd);
    i64 place_anywhere(Change& change, u64 bytes, Region region, int flags, int fd);
    i64 remove(Change& change, u64 begin, u64 end);
    void set_leaves_at_fork(u64 begin, u64 end, bool leaves);
    bool grow_in_place(const Region& region, u64 new_end);
    i64 move(Change& change, const Region& piece, u64 new_begin, u64 new_bytes, int flags);
    i64 place_segment(Change& change, Region region, int id, int flags);
    template <class Call>
    i64 for_mapped(u64 begin, u64 length, Call&& call) const;

    const u64 base_;
    const u64 limit_;
    const bool arena_;
    bool guarded_in_front_ = false;
    u64 ceiling_;
    u64 brk_start_ = 0;
    u64 brk_ = 0;
    bool locks_future_ = false;
    int future_lock_flags_ = 0;
    mutable std::mutex mutex_;
    Regions regions_;
    Bounds bounds_;
    Bounds used_{0, 0};
    std::map<u64, u64> taken_;  // begin → end of places that turned out to be the host's: not searched again
    std::shared_ptr<const Backing> plain_;
    std::shared_ptr<const Backing> heap_;
    std::shared_ptr<const Backing> last_file_;
    std::set<u64> watched_;  // begins of pages
    CodeListener listener_;
    WriteListener write_listener_;
};

}  // namespace kiln::mem

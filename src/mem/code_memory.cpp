#include "mem/code_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"

namespace kiln::mem {
namespace {

constexpr u64 page = 4096;
constexpr u32 word_bits = 64;
// One more, for the border behind the last block.
constexpr u64 borders_bytes(u64 bytes) {
    return (bytes / CodeMemory::granule_bytes / word_bits + 1) * sizeof(std::atomic<u64>);
}

/// Untouched pages cost nothing and read as zeros.
void* zeros(u64 bytes) {
    void* const pages =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    KILN_CHECK(pages != MAP_FAILED);
    return pages;
}

/// What a block of so many bytes takes, with its owner at the end.
u32 room_for(u32 bytes) {
    return static_cast<u32>(align_up(bytes + sizeof(void*), u64{CodeMemory::granule_bytes}));
}

/// Memory that can be mapped a second time, by alias(); null if there is none. No file: those have limits of their own.
u8* new_pages(u64 bytes) {
    void* const pages =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? nullptr : static_cast<u8*>(pages);
}

/// In the place of what is there. False when that cannot be.
bool move(u8* pages, u64 bytes, u8* place) {
    return mremap(pages, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place;
}

/// The same pages once more, at `place` if that is not null, to run; null if that cannot be.
u8* alias(u8* pages, u64 bytes, void* place) {
    // An old size of 0 asks for another mapping of shared pages (mremap(2)).
    void* const run = place == nullptr ? mremap(pages, 0, bytes, MREMAP_MAYMOVE)
                                       : mremap(pages, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    if (run == MAP_FAILED) return nullptr;
    if (mprotect(run, bytes, PROT_READ | PROT_EXEC) == 0) return static_cast<u8*>(run);
    munmap(run, bytes);
    return nullptr;
}

}  // namespace

Result<std::unique_ptr<CodeMemory>> CodeMemory::create(u64 bytes) {
    KILN_CHECK(bytes % page == 0 && bytes <= u64{1} << 30);
    u8* const write = new_pages(bytes);
    if (write == nullptr) return fail("there is no memory for translated code");
    u8* const run = alias(write, bytes, nullptr);
    if (run != nullptr) return std::unique_ptr<CodeMemory>(new CodeMemory(run, write, bytes));
    munmap(write, bytes);
    return fail("there is no executable memory for translated code");
}

CodeMemory::CodeMemory(u8* run, u8* write, u64 bytes)
    : bytes_(bytes),
      run_(run),
      write_(write),
      borders_(static_cast<std::atomic<u64>*>(zeros(borders_bytes(bytes)))) {}

CodeMemory::~CodeMemory() {
    freeze();
    munmap(borders_, borders_bytes(bytes_));
    munmap(run_, bytes_);
    munmap(write_, bytes_);
}

std::optional<u32> CodeMemory::allocate(u32 bytes, void* owner) {
    bytes = room_for(bytes);
    const std::lock_guard lock(mutex_);
    u32 offset = end_;
    // The smallest gap that is large enough: units come and go in sizes that repeat.
    if (const auto fit = gaps_by_bytes_.lower_bound({bytes, 0}); fit != gaps_by_bytes_.end()) {
        const u32 rest = fit->first - bytes;
        offset = fit->second;
        remove_gap(gaps_.find(offset));
        if (rest != 0) add_gap(offset + bytes, rest);
    } else {
        if (bytes > bytes_ - end_) return std::nullopt;
        end_ += bytes;
    }
    // Blocks that were here have left marks, which are in the way only inside of the new one.
    const u32 begin = offset / granule_bytes, end = (offset + bytes) / granule_bytes;
    for (u32 granule = begin + 1; granule < end;) {
        const u32 bit = granule % word_bits, count = std::min(word_bits - bit, end - granule);
        const u64 mask = (~u64{0} >> (word_bits - count)) << bit;
        std::atomic<u64>& word = borders_[granule / word_bits];
        if (word.load(std::memory_order_relaxed) & mask) word.fetch_and(~mask, std::memory_order_relaxed);
        granule += count;
    }
    for (u32 granule : {begin, end}) mark_border(granule);
    set_owner(offset, bytes, owner);
    return offset;
}

void CodeMemory::free(u32 offset, u32 bytes) {
    bytes = room_for(bytes);
    const std::lock_guard lock(mutex_);
    set_owner(offset, bytes, nullptr);
    add_to_gaps(offset, bytes);
}

void CodeMemory::add_to_gaps(u32 offset, u32 bytes) {
    // Neighbouring gaps become one.
    auto next = gaps_.lower_bound(offset);
    if (next != gaps_.begin()) {
        const auto before = std::prev(next);
        KILN_CHECK(before->first + before->second <= offset);
        if (before->first + before->second == offset) {
            offset = before->first;
            bytes += before->second;
            remove_gap(before);
        }
    }
    if (next != gaps_.end() && next->first == offset + bytes) {
        bytes += next->second;
        remove_gap(next);
    }
    add_gap(offset, bytes);
}

void CodeMemory::add_gap(u32 offset, u32 bytes) {
    gaps_.emplace(offset, bytes);
    gaps_by_bytes_.emplace(bytes, offset);
}

void CodeMemory::remove_gap(std::map<u32, u32>::iterator gap) {
    gaps_by_bytes_.erase({gap->second, gap->first});
    gaps_.erase(gap);
}

void CodeMemory::mark_border(u32 granule) {
    borders_[granule / word_bits].fetch_or(u64{1} << granule % word_bits, std::memory_order_release);
}

void CodeMemory::set_owner(u32 offset, u32 bytes, void* owner) {
    const u64 place = u64{offset} + bytes - sizeof owner;
    thaw(place, sizeof owner);
    __atomic_store_n(reinterpret_cast<void**>(write_ + place), owner, __ATOMIC_RELEASE);
}

void* CodeMemory::find(const void* place) const {
    if (!contains(place)) return nullptr;
    // The first border behind it is the end of its block.
    const u32 granule = offset_of(place) / granule_bytes + 1, last = static_cast<u32>(bytes_ / granule_bytes);
    u32 word = granule / word_bits;
    u64 borders = borders_[word].load(std::memory_order_acquire) & ~u64{0} << granule % word_bits;
    while (borders == 0 && word < last / word_bits)
        borders = borders_[++word].load(std::memory_order_acquire);
    if (borders == 0) return nullptr;
    const u32 end = word * word_bits + static_cast<u32>(std::countr_zero(borders));
    return __atomic_load_n(reinterpret_cast<void* const*>(run_ + u64{end} * granule_bytes) - 1,
                           __ATOMIC_ACQUIRE);
}

void CodeMemory::write(u32 offset, std::span<const u8> bytes) {
    const std::lock_guard lock(mutex_);
    thaw(offset, bytes.size());
    std::memcpy(write_ + offset, bytes.data(), bytes.size());
}

std::span<u8> CodeMemory::writable(u32 offset, u32 bytes) {
    // All pages at once, and some for what comes next: a page fault for each takes four times as long. Kernels before 5.14
    // let them fault.
    constexpr u64 at_least = 32 << 10;
    const std::lock_guard lock(mutex_);
    thaw(offset, bytes);
    if (const u64 end = std::min(align_up(u64{offset} + bytes, at_least), bytes_); end > populated_) {
        const u64 begin = std::max(align_down(u64{offset}, page), populated_);
        madvise(write_ + begin, end - begin, MADV_POPULATE_WRITE);
        populated_ = end;
    }
    return {write_ + offset, bytes};
}

void CodeMemory::patch(u32 offset, u32 value) {
    KILN_CHECK(offset % 4 == 0);
    const std::lock_guard lock(mutex_);
    thaw(offset, sizeof value);
    __atomic_store_n(reinterpret_cast<u32*>(write_ + offset), value, __ATOMIC_RELEASE);
}

void CodeMemory::patch(u32 offset, u64 value) {
    KILN_CHECK(offset % 8 == 0);
    const std::lock_guard lock(mutex_);
    thaw(offset, sizeof value);
    __atomic_store_n(reinterpret_cast<u64*>(write_ + offset), value, __ATOMIC_RELEASE);
}

// ---- Forks ----
//
// Pages that are mapped to be shared are the child's too after a fork. So behind it neither process writes to those that are
// in use (they are frozen): who has to puts a copy in the place of the page, which the copies are pages of for good
// until the next fork. All others are new ones in the child. Most children write little before they run another program.

Result<void> CodeMemory::before_fork() {
    childs_ = new_pages(bytes_);
    if (childs_ == nullptr) return fail("there is no memory for a child's translated code");
    mutex_.lock();  // until after the fork
    // What is not in use must not lie on pages that are.
    if (const u32 rest = static_cast<u32>(align_up(end_, page)) - end_; rest != 0) {
        for (u32 granule : {end_ / granule_bytes, (end_ + rest) / granule_bytes}) mark_border(granule);
        set_owner(end_, rest, nullptr);
        add_to_gaps(std::exchange(end_, end_ + rest), rest);
    }
    return {};
}

void CodeMemory::in_child() {
    freeze();
    const u64 unused = bytes_ - frozen_;
    if (unused != 0) {
        KILN_CHECK(alias(childs_ + frozen_, unused, run_ + frozen_) == run_ + frozen_);
        KILN_CHECK(move(childs_ + frozen_, unused, write_ + frozen_));
    }
    copies_ = std::exchange(childs_, nullptr);
    populated_ = frozen_;
    mutex_.unlock();
}

void CodeMemory::in_parent() {
    munmap(std::exchange(childs_, nullptr), bytes_);
    freeze();
    mutex_.unlock();
}

void CodeMemory::freeze() {
    // Where pages were taken from may be others' by now.
    for (u64 at = 0; at < frozen_; at += page) {
        if (thawed_[at / page]) continue;
        u64 end = at + page;
        while (end < frozen_ && !thawed_[end / page]) end += page;
        for (u8* copies : {copies_, copies_to_run_})
            if (copies != nullptr) munmap(copies + at, end - at);
        at = end - page;
    }
    copies_ = copies_to_run_ = nullptr;
    frozen_ = end_;
    thawed_.assign(frozen_ / page, false);
    asked_.clear();
    thaws_ = 0;
}

bool CodeMemory::is_worth_writing(u32 offset) {
    // A copy of a page costs some 15 us.
    constexpr u8 often = 100;
    const std::lock_guard lock(mutex_);
    const u64 number = offset / page;
    if (offset >= frozen_ || thawed_[number]) return true;
    if (asked_.empty()) asked_.resize(thawed_.size());
    return ++asked_[number] >= often;
}

void CodeMemory::thaw(u64 offset, u64 bytes) {
    // Each may cut a mapping in two, of which a process has 65,530 at most.
    constexpr u32 most_thaws = 2000;
    const u64 end = std::min(offset + bytes, frozen_);
    for (u64 at = align_down(offset, page); at < end;) {
        if (thawed_[at / page]) {
            at += page;
            continue;
        }
        u64 rest = at + page;
        const u64 limit = ++thaws_ < most_thaws ? end : frozen_;
        while (rest < limit && !thawed_[rest / page]) rest += page;
        thaw_pages(at, rest - at);
        at = rest;
    }
}

void CodeMemory::thaw_pages(u64 offset, u64 bytes) {
    if (copies_ == nullptr) copies_ = new_pages(frozen_);
    KILN_CHECK(copies_ != nullptr);
    if (copies_to_run_ == nullptr) copies_to_run_ = alias(copies_, frozen_, nullptr);
    KILN_CHECK(copies_to_run_ != nullptr);
    std::memcpy(copies_ + offset, run_ + offset, bytes);
    // Others may be running there: they find the one page or the other.
    KILN_CHECK(move(copies_to_run_ + offset, bytes, run_ + offset));
    KILN_CHECK(move(copies_ + offset, bytes, write_ + offset));
    std::fill_n(thawed_.begin() + static_cast<std::ptrdiff_t>(offset / page), bytes / page, true);
}

}  // namespace kiln::mem

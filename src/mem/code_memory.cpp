#include "mem/code_memory.h"

#include <sys/mman.h>

#include <cstring>

#include "base/bits.h"
#include "base/check.h"

namespace kiln::mem {
namespace {

constexpr u64 owners_bytes(u64 bytes) {
    return bytes / CodeMemory::granule_bytes * sizeof(std::atomic<void*>);
}

u32 round_up(u32 bytes) { return (bytes + CodeMemory::granule_bytes - 1) & ~(CodeMemory::granule_bytes - 1); }

/// Memory that can be mapped a second time, by alias(); null if there is none. No file: those have limits of their own.
u8* new_pages(u64 bytes) {
    void* const pages =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? nullptr : static_cast<u8*>(pages);
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
    KILN_CHECK(bytes % 4096 == 0 && bytes <= u64{1} << 30);
    u8* const write = new_pages(bytes);
    if (write == nullptr) return fail("there is no memory for translated code");
    u8* const run = alias(write, bytes, nullptr);
    if (run != nullptr) return std::unique_ptr<CodeMemory>(new CodeMemory(run, write, bytes));
    munmap(write, bytes);
    return fail("there is no executable memory for translated code");
}

CodeMemory::CodeMemory(u8* run, u8* write, u64 bytes)
    : bytes_(bytes), run_(run), write_(write), owners_(nullptr, [](std::atomic<void*>*) {}) {
    // Untouched pages cost nothing and read as null.
    void* const owners = mmap(nullptr, owners_bytes(bytes), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    KILN_CHECK(owners != MAP_FAILED);
    owners_.reset(static_cast<std::atomic<void*>*>(owners));
}

CodeMemory::~CodeMemory() {
    munmap(owners_.get(), owners_bytes(bytes_));
    munmap(run_, bytes_);
    munmap(write_, bytes_);
}

std::optional<u32> CodeMemory::allocate(u32 bytes, void* owner) {
    bytes = round_up(bytes);
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
    set_owner(offset, bytes, owner);
    return offset;
}

void CodeMemory::free(u32 offset, u32 bytes) {
    bytes = round_up(bytes);
    const std::lock_guard lock(mutex_);
    set_owner(offset, bytes, nullptr);
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

void CodeMemory::set_owner(u32 offset, u32 bytes, void* owner) {
    for (u32 granule = offset / granule_bytes; granule < (offset + bytes) / granule_bytes; ++granule)
        owners_[granule].store(owner, std::memory_order_release);
}

void* CodeMemory::find(const void* place) const {
    if (!contains(place)) return nullptr;
    return owners_[offset_of(place) / granule_bytes].load(std::memory_order_acquire);
}

void CodeMemory::write(u32 offset, std::span<const u8> bytes) {
    std::memcpy(write_ + offset, bytes.data(), bytes.size());
}

std::span<u8> CodeMemory::writable(u32 offset, u32 bytes) {
    // All pages at once: a page fault for each takes four times as long. Kernels before 5.14 let them fault.
    const u64 begin = align_down(u64{offset}, 4096), end = align_up(u64{offset} + bytes, 4096);
    madvise(write_ + begin, end - begin, MADV_POPULATE_WRITE);
    return {write_ + offset, bytes};
}

void CodeMemory::patch(u32 offset, u32 value) {
    KILN_CHECK(offset % 4 == 0);
    __atomic_store_n(reinterpret_cast<u32*>(write_ + offset), value, __ATOMIC_RELEASE);
}

void CodeMemory::patch(u32 offset, u64 value) {
    KILN_CHECK(offset % 8 == 0);
    __atomic_store_n(reinterpret_cast<u64*>(write_ + offset), value, __ATOMIC_RELEASE);
}

Result<void> CodeMemory::before_fork() {
    copy_ = new_pages(bytes_);
    if (copy_ == nullptr) return fail("there is no memory for a child's translated code");
    mutex_.lock();  // until after the fork
    // All its pages at once, not by a fault each; older kernels know no such thing.
    (void)madvise(copy_, (end_ + 4095) & ~4095u, MADV_POPULATE_WRITE);
    std::memcpy(copy_, run_, end_);
    return {};
}

void CodeMemory::in_child() {
    KILN_CHECK(alias(copy_, bytes_, run_) == run_);
    KILN_CHECK(mremap(copy_, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, write_) == write_);
    mutex_.unlock();
}

void CodeMemory::in_parent() {
    munmap(copy_, bytes_);
    mutex_.unlock();
}

}  // namespace kiln::mem

// A thread's cache of the units that its indirect jumps went to (Context::jump_cache).
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <memory>

#include "abi/context.h"
#include "base/check.h"

namespace kiln::run {

class JumpCache {
  public:
    JumpCache() { entries_[0] = {}; }

    abi::JumpCacheEntry* entries() { return entries_.get(); }
    void set(u64 pc, const void* entry) { entries_[abi::jump_cache_index(pc)] = {pc, entry}; }
    /// The same where nothing is.
    void offer(u64 pc, const void* entry) {
        abi::JumpCacheEntry& place = entries_[abi::jump_cache_index(pc)];
        if (place.entry == nullptr) place = {pc, entry};
    }
    void clear() {
        std::memset(static_cast<void*>(entries_.get()), 0, bytes);
        entries_[0] = {};
    }

  private:
    static constexpr std::size_t bytes = abi::jump_cache_entries * sizeof(abi::JumpCacheEntry);
    struct Free {
        void operator()(void* memory) const { munmap(memory, bytes); }
    };
    /// Free entries are zeros, so that no page is touched before it is used (calloc clears memory that it has had before):
    /// pc 0 belongs to the first entry, and that one says that it is free.
    static abi::JumpCacheEntry* zeros() {
        void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        KILN_CHECK(memory != MAP_FAILED);
        return static_cast<abi::JumpCacheEntry*>(memory);
    }

    std::unique_ptr<abi::JumpCacheEntry[], Free> entries_{zeros()};
};

}  // namespace kiln::run

// A change of a guest address space under way. For mem/address_space*.cpp only.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "mem/address_space.h"

namespace kiln::mem {

/// Holds the lock, gathers the executable ranges that the change makes stale, and tells the listener of them
/// when the lock is free again.
class AddressSpace::Change {
  public:
    explicit Change(AddressSpace& space) : space_(space), lock_(space.mutex_) {}
    ~Change() {
        lock_.unlock();
        if (!space_.listener_) return;
        for (auto [begin, end] : stale_) space_.listener_(GuestAddr(begin), end - begin);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

    /// The executable parts of [begin, end) will not be what they were, nor watched any more.
    void note_stale(u64 begin, u64 end) {
        space_.watched_.erase(space_.watched_.lower_bound(begin), space_.watched_.lower_bound(end));
        for (auto it = space_.first_in(begin, end); it != space_.regions_.end() && it->first < end; ++it)
            if (it->second.prot & PROT_EXEC)
                stale_.emplace_back(std::max(it->first, begin), std::min(it->second.end.raw, end));
    }

  private:
    AddressSpace& space_;
    std::unique_lock<std::mutex> lock_;
    std::vector<std::pair<u64, u64>> stale_;
};

}  // namespace kiln::mem

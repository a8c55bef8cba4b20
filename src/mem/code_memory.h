// Memory for translated code. No mapping is writable and executable: the same pages are mapped twice, once to run and
// once to write.
//
// Any thread may call anything but the fork functions; find() and contains() may be called from signal handlers too. Who may
// run what is in a block is the caller's matter.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/types.h"

namespace kiln::mem {

class CodeMemory {
  public:
    /// Blocks begin at multiples of this.
    static constexpr u32 granule_bytes = 64;

    /// Reserves room for `bytes`, at most 1 GiB, so that every place in it can reach every other by a 32-bit
    /// distance. Memory is taken when it is first written.
    static Result<std::unique_ptr<CodeMemory>> create(u64 bytes);
    ~CodeMemory();
    CodeMemory(const CodeMemory&) = delete;
    CodeMemory& operator=(const CodeMemory&) = delete;

    /// The offset of a block of at least `bytes`; none when there is no room. `owner` is what find() gives for it.
    std::optional<u32> allocate(u32 bytes, void* owner);
    /// Takes the block of `bytes` that allocate() gave back.
    void free(u32 offset, u32 bytes);

    const u8* at(u32 offset) const { return run_ + offset; }
    u32 offset_of(const void* place) const { return static_cast<u32>(static_cast<const u8*>(place) - run_); }
    bool contains(const void* place) const {
        return static_cast<u64>(static_cast<const u8*>(place) - run_) < bytes_;
    }
    /// The owner of the block that `place` is in; null if there is none.
    void* find(const void* place) const;

    /// Writes what nobody runs yet.
    void write(u32 offset, std::span<const u8> bytes);
    /// Where to write such, all of it; until a fork.
    std::span<u8> writable(u32 offset, u32 bytes);
    /// Writes 4 or 8 aligned bytes in one step: others may be running there.
    void patch(u32 offset, u32 value);
    void patch(u32 offset, u64 value);

    /// Whether writing there is worth it, if it only saves the caller some 100 ns each time that he asks.
    bool is_worth_writing(u32 offset);

    /// Right before fork(), keeping other threads out: an error when there is no memory for the child's code. Behind it,
    /// in_child() or in_parent(): then each process has all there is, and writes to its own only.
    Result<void> before_fork();
    void in_child();
    void in_parent();

  private:
    CodeMemory(u8* run, u8* write, u64 bytes);
    void add_gap(u32 offset, u32 bytes);
    void add_to_gaps(u32 offset, u32 bytes);
    void remove_gap(std::map<u32, u32>::iterator gap);
    void set_owner(u32 offset, u32 bytes, void* owner);
    void mark_border(u32 granule);
    /// From now on all that is in use is shared with another process.
    void freeze();
    /// Makes the range's pages this process's own. With the lock held.
    void thaw(u64 offset, u64 bytes);
    void thaw_pages(u64 offset, u64 bytes);

    const u64 bytes_;
    u8* const run_;
    u8* const write_;
    std::mutex mutex_;                             // guards what follows
    u32 end_ = 0;                                  // nothing was ever allocated from here on
    std::map<u32, u32> gaps_;                      // below that: bytes by offset
    std::set<std::pair<u32, u32>> gaps_by_bytes_;  // the same: bytes, offset
    u64 populated_ = 0;                            // up to here writable() has populated pages
    // Each block ends with its owner; that of a gap is null. A bit for each granule says whether a block begins there, or
    // ends before it: in gaps, also those of earlier blocks. So a page of them is enough for 2 MiB of code.
    std::atomic<u64>* const borders_;
    u64 frozen_ = 0;            // below this, pages are shared with another process since the last fork
    std::vector<bool> thawed_;  // but for these, by page
    std::vector<u8> asked_;     // by page, is_worth_writing()
    u32 thaws_ = 0;             // since then
    u8* copies_ =
        nullptr;  // pages to put in the place of those below frozen_, at their offsets; null: not made yet
    u8* copies_to_run_ = nullptr;
    u8* childs_ = nullptr;  // the same for the child of the fork under way, and for all that is not in use
};

}  // namespace kiln::mem

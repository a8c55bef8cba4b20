#include "interp/unit_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <new>
#include <utility>

#include "base/bits.h"
#include "base/check.h"
#include "base/types.h"

namespace kiln::interp {
namespace {

constexpr std::size_t chunk_bytes = 64 << 10;
/// Sizes of blocks are multiples of this.
constexpr std::size_t step = 32;
/// A smaller block is of no use to anybody.
constexpr std::size_t least_unit = 96;
/// A unit that needs more has a chunk of its own.
constexpr std::size_t large = 8 << 10;

/// The start of a chunk; blocks follow, one behind the other.
struct alignas(step) Chunk {
    std::atomic<u32> users{1};  // the units in it, and the thread that cuts units from it
    u32 bytes = 0;
};

/// The start of a block; a unit follows, or what a free block needs.
struct Block {
    u32 bytes;   // with this
    u32 offset;  // in its chunk
    Block *next, *previous;

    Chunk* chunk() { return reinterpret_cast<Chunk*>(reinterpret_cast<u8*>(this) - offset); }
    void* unit() { return &next; }
    static Block* of(void* unit) {
        return reinterpret_cast<Block*>(static_cast<u8*>(unit) - offsetof(Block, next));
    }
};
static_assert(sizeof(Block) <= step);

/// Makes a block of `bytes` at `place` in the chunk.
Block* new_block(Chunk* chunk, u8* place, std::size_t bytes) {
    const auto offset = static_cast<u32>(place - reinterpret_cast<u8*>(chunk));
    return new (place) Block{static_cast<u32>(bytes), offset, nullptr, nullptr};
}

Chunk* new_chunk(std::size_t bytes) {
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        std::fputs("kiln: no memory for translated code\n", stderr);
        KILN_UNREACHABLE();
    }
    return new (memory) Chunk{.bytes = static_cast<u32>(bytes)};
}

/// The free blocks of chunks that have units, by size: the last list has all that are larger. With `mutex` held, but
/// for any().
class FreeBlocks {
  public:
    std::mutex mutex;

    /// Whether it is worth while to take the lock.
    bool any() const { return any_.load(std::memory_order_relaxed); }

    void add(Block* block) {
        const std::size_t size = list_of(block->bytes);
        block->previous = nullptr;
        block->next = first_[size];
        if (block->next != nullptr) block->next->previous = block;
        first_[size] = block;
        filled_[size / 64] |= u64{1} << size % 64;
        any_.store(true, std::memory_order_relaxed);
    }
    void remove(Block* block) {
        const std::size_t size = list_of(block->bytes);
        if (block->next != nullptr) block->next->previous = block->previous;
        (block->previous != nullptr ? block->previous->next : first_[size]) = block->next;
        if (first_[size] != nullptr) return;
        filled_[size / 64] &= ~(u64{1} << size % 64);
        const bool left = std::ranges::any_of(filled_, [](u64 sizes) { return sizes != 0; });
        any_.store(left, std::memory_order_relaxed);
    }
    /// The smallest that has `bytes`, at most `large`, with what it does not need cut off; null if there is none.
    Block* take(std::size_t bytes) {
        const std::size_t least = list_of(bytes);
        std::size_t word = least / 64;
        u64 lists = filled_[word] & ~u64{0} << least % 64;
        while (lists == 0) {
            if (++word == std::size(filled_)) return nullptr;
            lists = filled_[word];
        }
        Block* const block = first_[64 * word + static_cast<unsigned>(std::countr_zero(lists))];
        remove(block);
        if (block->bytes - bytes >= least_unit) {
            add(new_block(block->chunk(), reinterpret_cast<u8*>(block) + bytes, block->bytes - bytes));
            block->bytes = static_cast<u32>(bytes);
        }
        return block;
    }

  private:
    static std::size_t list_of(std::size_t bytes) { return std::min(bytes, large) / step - 1; }

    Block* first_[large / step] = {};
    u64 filled_[large / step / 64] = {};  // whether they have any
    std::atomic<bool> any_{false};
};
constinit FreeBlocks free_blocks;

/// With the lock held. The last user of a chunk unmaps it: all blocks are free then.
void leave(Chunk* chunk) {
    // Acquire and release: what others did with their units is done before the memory is gone.
    if (chunk->users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    u8* const end = reinterpret_cast<u8*>(chunk) + chunk->bytes;
    for (u8* at = reinterpret_cast<u8*>(chunk + 1); at < end;) {
        auto* const block = reinterpret_cast<Block*>(at);
        at += block->bytes;
        free_blocks.remove(block);
    }
    munmap(chunk, chunk->bytes);
}

/// The chunk that a thread cuts units from.
struct Cutter {
    Chunk* chunk = nullptr;
    u8* next = nullptr;
    std::size_t left = 0;

    Block* cut(std::size_t bytes) {
        left -= bytes;
        return new_block(chunk, std::exchange(next, next + bytes), bytes);
    }
    void begin(Chunk* new_one) {
        chunk = new_one;
        next = reinterpret_cast<u8*>(chunk + 1);
        left = chunk->bytes - sizeof(Chunk);
    }
    void end() {
        if (chunk == nullptr) return;
        const std::lock_guard lock(free_blocks.mutex);
        if (left != 0) free_blocks.add(cut(left));
        leave(chunk);
    }
    ~Cutter() { end(); }
};
thread_local Cutter cutter;

}  // namespace

void* take_unit_memory(std::size_t bytes) {
    const std::size_t needed = align_up(bytes + offsetof(Block, next), step);
    if (needed > large) {
        Chunk* const chunk = new_chunk(align_up(needed + sizeof(Chunk), u64{4096}));
        return new_block(chunk, reinterpret_cast<u8*>(chunk + 1), needed)->unit();
    }
    Cutter& own = cutter;
    if (own.left < needed) {
        if (free_blocks.any()) {
            const std::lock_guard lock(free_blocks.mutex);
            if (Block* const block = free_blocks.take(needed)) {
                block->chunk()->users.fetch_add(1, std::memory_order_relaxed);
                return block->unit();
            }
        }
        own.end();
        own.begin(new_chunk(chunk_bytes));
    }
    own.chunk->users.fetch_add(1, std::memory_order_relaxed);  // it has a user: this thread
    return own.cut(needed)->unit();
}

void give_unit_memory(void* memory) {
    Block* const block = Block::of(memory);
    Chunk* const chunk = block->chunk();
    if (block->bytes > large) {
        munmap(chunk, chunk->bytes);
        return;
    }
    const std::lock_guard lock(free_blocks.mutex);
    free_blocks.add(block);
    leave(chunk);
}

void lock_unit_memory() { free_blocks.mutex.lock(); }
void unlock_unit_memory() { free_blocks.mutex.unlock(); }

}  // namespace kiln::interp

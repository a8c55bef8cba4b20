#include "interp/unit_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <new>

#include "base/bits.h"
#include "base/check.h"
#include "base/types.h"

namespace kiln::interp {
namespace {

constexpr std::size_t chunk_bytes = 64 << 10;

/// The start of a chunk. Whoever brings `users` to 0 unmaps it: each unit is one, and the thread that cuts
/// units from it.
struct Chunk {
    std::atomic<u32> users{1};
    std::size_t bytes;
};

void leave(Chunk* chunk) {
    // Acquire and release: what others did with their units is done before the memory is gone.
    if (chunk->users.fetch_sub(1, std::memory_order_acq_rel) == 1) munmap(chunk, chunk->bytes);
}

Chunk* new_chunk(std::size_t bytes) {
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        std::fputs("kiln: no memory for translated code\n", stderr);
        KILN_UNREACHABLE();
    }
    return new (memory) Chunk{.bytes = bytes};
}

/// The chunk that a thread cuts units from.
struct Cutter {
    Chunk* chunk = nullptr;
    u8* next = nullptr;
    std::size_t left = 0;

    ~Cutter() {
        if (chunk != nullptr) leave(chunk);
    }
};
thread_local Cutter cutter;

/// Before each unit: where it was cut from.
using Origin = Chunk*;

}  // namespace

void* take_unit_memory(std::size_t bytes) {
    const std::size_t needed = align_up(bytes, alignof(Origin)) + sizeof(Origin);
    Cutter& own = cutter;
    if (own.left < needed) {
        if (own.chunk != nullptr) leave(own.chunk);
        const std::size_t whole = std::max(chunk_bytes, align_up(needed + sizeof(Chunk), u64{4096}));
        own.chunk = new_chunk(whole);
        own.next = reinterpret_cast<u8*>(own.chunk + 1);
        own.left = whole - sizeof(Chunk);
    }
    auto* const origin = reinterpret_cast<Origin*>(own.next);
    own.next += needed;
    own.left -= needed;
    own.chunk->users.fetch_add(1, std::memory_order_relaxed);  // it has a user: this thread
    *origin = own.chunk;
    return origin + 1;
}

void give_unit_memory(void* memory) { leave(static_cast<Origin*>(memory)[-1]); }

}  // namespace kiln::interp

// Memory of units: no two share any, it stays while it is used, and any thread may give it back.
#include "interp/unit_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/types.h"

namespace kiln::interp {
namespace {

struct Piece {
    u8* memory;
    std::size_t bytes;
    u8 value;
};

void check_and_give(const Piece& piece) {
    for (std::size_t i = 0; i < piece.bytes; ++i) ASSERT_EQ(piece.memory[i], piece.value);
    give_unit_memory(piece.memory);
}

TEST(UnitMemory, IsNobodyElses) {
    std::mt19937_64 random(1);
    std::vector<Piece> pieces;
    for (u32 n = 0; n < 20'000; ++n) {
        const std::size_t bytes = n % 1000 == 0 ? 300'000 : 1 + random() % 2000;  // longer than a chunk, too
        auto* const memory = static_cast<u8*>(take_unit_memory(bytes));
        ASSERT_EQ(reinterpret_cast<u64>(memory) % alignof(u64), 0u);
        pieces.push_back({memory, bytes, static_cast<u8>(n)});
        std::memset(memory, static_cast<u8>(n), bytes);
        if (pieces.size() < 500) continue;
        const std::size_t gone = random() % pieces.size();
        check_and_give(pieces[gone]);
        pieces[gone] = pieces.back();
        pieces.pop_back();
    }
    for (const Piece& piece : pieces) check_and_give(piece);
}

TEST(UnitMemory, OutlivesItsThread) {
    std::vector<Piece> pieces(64);
    std::vector<std::thread> threads;
    for (u8 n = 0; n < pieces.size(); ++n)
        threads.emplace_back([&pieces, n] {
            pieces[n] = {static_cast<u8*>(take_unit_memory(5000)), 5000, n};
            std::memset(pieces[n].memory, n, 5000);
        });
    for (std::thread& thread : threads) thread.join();
    for (const Piece& piece : pieces) check_and_give(piece);
}

TEST(UnitMemory, IsUsedAgain) {
    std::vector<void*> kept;
    std::set<void*> given;
    for (int i = 0; i < 2000; ++i) {
        kept.push_back(take_unit_memory(200));  // keeps the chunk
        void* const gone = take_unit_memory(400);
        given.insert(gone);
    }
    for (void* memory : given) give_unit_memory(memory);
    std::size_t again = 0;
    std::vector<void*> taken;
    for (int i = 0; i < 2000; ++i) {
        taken.push_back(take_unit_memory(400));
        again += given.contains(taken.back());
    }
    EXPECT_GT(again, 1800u);  // not where the thread had memory left of its own
    for (void* memory : taken) give_unit_memory(memory);
    for (void* memory : kept) give_unit_memory(memory);
}

}  // namespace
}  // namespace kiln::interp

// Code memory: blocks do not overlap, belong to who asked for them, and gaps are used again.
#include "mem/code_memory.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kiln::mem {
namespace {

struct Block {
    u32 offset, bytes;
    int* owner;
};

TEST(CodeMemory, BlocksHaveTheirOwners) {
    constexpr u32 size = 1 << 20;
    const auto memory = CodeMemory::create(size).value();
    std::mt19937 random(1);
    std::vector<std::unique_ptr<int>> owners;
    std::vector<Block> blocks;
    u32 refused = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (blocks.size() < 400 || random() % 2 != 0) {
            const u32 bytes = 1 + random() % 6000;
            owners.push_back(std::make_unique<int>(step));
            if (const auto offset = memory->allocate(bytes, owners.back().get()))
                blocks.push_back({*offset, bytes, owners.back().get()});
            else
                ++refused;
        } else {
            std::swap(blocks[random() % blocks.size()], blocks.back());
            const Block gone = blocks.back();
            blocks.pop_back();
            ASSERT_EQ(memory->find(memory->at(gone.offset)), gone.owner);
            ASSERT_EQ(memory->find(memory->at(gone.offset + gone.bytes - 1)), gone.owner);
            memory->free(gone.offset, gone.bytes);
            ASSERT_EQ(memory->find(memory->at(gone.offset)), nullptr);
        }
    }
    EXPECT_GT(refused, 0u);
    for (const Block& block : blocks) memory->free(block.offset, block.bytes);
    // All gaps are one again.
    EXPECT_TRUE(memory->allocate(size, nullptr).has_value());
}

TEST(CodeMemory, TakesTheSmallestGapThatFits) {
    const auto memory = CodeMemory::create(1 << 16).value();
    const auto take = [&](u32 bytes) { return *memory->allocate(bytes, nullptr); };
    const u32 wide = take(1024);
    take(64);
    const u32 narrow = take(256);
    take(64);
    memory->free(wide, 1024);
    memory->free(narrow, 256);
    EXPECT_EQ(take(200), narrow);
    EXPECT_EQ(take(200), wide);
    EXPECT_EQ(take(768), wide + 256);
}

}  // namespace
}  // namespace kiln::mem

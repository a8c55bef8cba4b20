// Code memory: blocks do not overlap, belong to who asked for them, and gaps are used again.
#include "mem/code_memory.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
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
    EXPECT_TRUE(memory->allocate(size - sizeof(void*), nullptr).has_value());
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

/// Code memory with what should be in it.
class Filled {
  public:
    bool agrees() const {
        for (const auto& [offset, content] : blocks_) {
            if (!std::equal(content.begin(), content.end(), memory_->at(offset))) return false;
            if (memory_->find(memory_->at(offset)) != &owner_) return false;
        }
        return true;
    }
    void change() {
        const u32 act = random_() % 8;
        if (act == 0 || blocks_.empty()) {
            std::vector<u8> content(1 + random_() % 9000);
            for (u8& byte : content) byte = static_cast<u8>(random_());
            const auto offset = memory_->allocate(static_cast<u32>(content.size()), &owner_);
            if (!offset) return;
            if (random_() % 2 == 0)
                memory_->write(*offset, content);
            else
                std::ranges::copy(content,
                                  memory_->writable(*offset, static_cast<u32>(content.size())).begin());
            blocks_[*offset] = content;
            return;
        }
        const auto block = std::next(blocks_.begin(), static_cast<int>(random_() % blocks_.size()));
        std::vector<u8>& content = block->second;
        if (act == 1) {
            memory_->free(block->first, static_cast<u32>(content.size()));
            blocks_.erase(block);
        } else if (content.size() >= 8) {
            const u32 at = static_cast<u32>(random_() % (content.size() / 8)) * 8;
            const u64 value = random_();
            memory_->patch(block->first + at, value);
            std::memcpy(&content[at], &value, sizeof value);
        }
    }
    /// The child's result, and whether both were as they should be.
    template <class Child>
    int fork_for(Child&& child) {
        EXPECT_TRUE(memory_->before_fork().has_value());
        const pid_t pid = fork();
        if (pid == 0) {
            memory_->in_child();
            random_.seed(random_() + 1);
            _exit(child());
        }
        memory_->in_parent();
        for (int i = 0; i < 100; ++i) change();
        int status = -1;
        waitpid(pid, &status, 0);
        return status;
    }

  private:
    std::unique_ptr<CodeMemory> memory_ = CodeMemory::create(4 << 20).value();
    std::map<u32, std::vector<u8>> blocks_;
    std::mt19937_64 random_{1};
    int owner_ = 0;
};

TEST(CodeMemory, ParentAndChildHaveTheirOwn) {
    Filled filled;
    for (int round = 0; round < 12; ++round) {
        for (int i = 0; i < 200; ++i) filled.change();
        const auto grandchild = [&] {
            for (int i = 0; i < 300; ++i) filled.change();
            return filled.agrees() ? 0 : 2;
        };
        const auto child = [&] {
            if (!filled.agrees()) return 3;
            for (int i = 0; i < 100; ++i) filled.change();
            if (filled.fork_for(grandchild) != 0) return 4;
            return filled.agrees() ? 0 : 1;
        };
        ASSERT_EQ(filled.fork_for(child), 0);
        ASSERT_TRUE(filled.agrees());
    }
}

TEST(CodeMemory, APageThatIsSharedIsWorthACopyWhenAskedOften) {
    const auto memory = CodeMemory::create(1 << 20).value();
    const u32 old = *memory->allocate(100, nullptr);
    EXPECT_TRUE(memory->is_worth_writing(old));
    ASSERT_TRUE(memory->before_fork().has_value());
    memory->in_parent();
    EXPECT_TRUE(memory->is_worth_writing(*memory->allocate(5000, nullptr) + 4096));
    int asked = 0;
    while (!memory->is_worth_writing(old)) ASSERT_LT(++asked, 1000);
    EXPECT_GT(asked, 10);
    memory->patch(old, u32{1});
    EXPECT_TRUE(memory->is_worth_writing(old));
}

TEST(CodeMemory, ManyChangesBehindAForkNeedFewMappings) {
    constexpr u32 size = 64 << 20, page = 4096;
    const auto memory = CodeMemory::create(size).value();
    const u32 offset = *memory->allocate(size / 2, nullptr);
    ASSERT_TRUE(memory->before_fork().has_value());
    memory->in_parent();
    for (u32 at = 0; at < size / 2; at += 2 * page) memory->patch(offset + at, u64{at});
    for (u32 at = 0; at < size / 2; at += 2 * page) {
        u64 value;
        std::memcpy(&value, memory->at(offset + at), sizeof value);
        ASSERT_EQ(value, at);
    }
}

}  // namespace
}  // namespace kiln::mem

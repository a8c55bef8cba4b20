// The engine with a store: one engine's units run in the next, and never when the guest's code is another.
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "../run/guest.h"
#include "base/counters.h"
#include "run/saving.h"

namespace kiln::test {
namespace {

using abi::ExitReason;

/// Keeps chapters as they are.
class MemoryStore final : public abi::UnitStore {
  public:
    using Chapters = std::map<u64, abi::Chapter>;  // by window

    std::unique_ptr<abi::UnitImage> open(const abi::ImageKey& key) override {
        const auto found = images_.find(key.low);
        return found == images_.end() ? nullptr : std::make_unique<Image>(found->second);
    }
    std::unique_ptr<abi::ImageWriter> begin_write(const abi::ImageKey& key) override {
        return std::make_unique<Writer>(images_[key.low]);
    }
    bool writable() const override { return true; }

    bool same_as(const MemoryStore& other) const {
        return std::ranges::equal(images_, other.images_, [](const auto& a, const auto& b) {
            return a.first == b.first &&
                   std::ranges::equal(a.second, b.second, [](const auto& c, const auto& d) {
                       return c.first == d.first && c.second.code == d.second.code;
                   });
        });
    }

    /// Changes a byte of the first unit's code, whose chapter stays whole.
    void tamper() {
        abi::Chapter& chapter = images_.begin()->second.begin()->second;
        chapter.code[chapter.units[0].entry + 8] ^= 1;
    }

  private:
    class Image final : public abi::UnitImage {
      public:
        explicit Image(const Chapters& chapters) : chapters_(chapters) {
            for (const auto& [window, chapter] : chapters_) windows_.push_back(GuestAddr(window));
        }
        std::span<const GuestAddr> windows() const override { return windows_; }
        std::size_t unit_count() const override {
            std::size_t count = 0;
            for (const auto& [window, chapter] : chapters_) count += chapter.units.size();
            return count;
        }
        bool read(GuestAddr window, abi::Chapter& out) const override { return read_all(window, out); }
        bool read_code(GuestAddr window, std::span<u8> to) const override {
            std::ranges::copy(chapters_.at(window.raw).code, to.begin());
            return true;
        }
        bool read_all(GuestAddr window, abi::Chapter& out) const override {
            const auto found = chapters_.find(window.raw);
            if (found != chapters_.end()) out = found->second;
            return found != chapters_.end();
        }

      private:
        const Chapters chapters_;
        std::vector<GuestAddr> windows_;
    };
    class Writer final : public abi::ImageWriter {
      public:
        explicit Writer(Chapters& chapters) : chapters_(chapters) {}
        Result<void> write(const abi::ImageOrigin&, std::span<const abi::Chapter> chapters) override {
            chapters_.clear();
            for (const abi::Chapter& chapter : chapters)
                chapters_[chapter.units[0].pc.raw / abi::chapter_window * abi::chapter_window] = chapter;
            return {};
        }

      private:
        Chapters& chapters_;
    };

    std::map<u64, Chapters> images_;
};

constexpr GuestAddr text_at = code_at + 0x1000;

/// A file of one page of headers and one of code, mapped as programs are.
struct FileGuest : Guest {
    FileGuest(MemoryStore& store, const Assembler& code, std::size_t cache_bytes = std::size_t{256} << 20)
        : Guest(options_for(store, cache_bytes)) {
        map_file(code);
    }
    FileGuest(const run::EngineOptions& options, const Assembler& code) : Guest(options) { map_file(code); }
    static run::EngineOptions options_for(MemoryStore& store, std::size_t cache_bytes) {
        run::EngineOptions options;
        options.store = &store;
        options.cache_bytes = cache_bytes;
        return options;
    }
    void map_file(const Assembler& code) {
        const int file = memfd_create("program", 0);
        const std::vector<u32> words = code.words();
        KILN_CHECK(ftruncate(file, 0x2000) == 0);
        KILN_CHECK(pwrite(file, "headers", 7, 0) == 7);
        KILN_CHECK(pwrite(file, words.data(), 4 * words.size(), 0x1000) ==
                   static_cast<ssize_t>(4 * words.size()));
        space->map(code_at, 0x2000, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0);
        close(file);
    }
    void save(Hart& hart) {
        const auto saving = engine->begin_saving();
        ASSERT_NE(saving, nullptr);
        engine->finish_saving(*hart.thread, *saving);
    }
};

/// a0 = the sum of `step` times 1 to a1, with enough blocks to be worth keeping; through memory at a2.
Assembler sums(i32 step) {
    Assembler code(text_at);
    code.imm(InstId::addi, a0, zero, 0);
    code.label("loop");
    for (int i = 0; i < 12; ++i) code.branch(InstId::beq, a1, zero, "end");
    code.imm(InstId::addi, t0, zero, step);
    code.op(InstId::mul, t0, t0, a1);
    code.op(InstId::add, a0, a0, t0);
    code.store(InstId::sd, a0, a2, 0);
    code.imm(InstId::addi, a1, a1, -1);
    code.jal(zero, "loop");
    code.label("end");
    for (int i = 0; i < 12; ++i)
        code.jal(zero, "end" + std::to_string(i)), code.label("end" + std::to_string(i));
    code.plain(InstId::ecall);
    return code;
}

u64 run_sums(FileGuest& guest, Hart& hart, u64 count) {
    hart.state.pc = text_at.raw;
    hart.state.x[a1] = count;
    hart.state.x[a2] = data_at.raw;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::syscall);
    return hart.state.x[a0];
}

/// What a counter counts meanwhile.
template <class Act>
u64 counted(Counter counter, Act&& act) {
    const u64 before = value(counter);
    act();
    return value(counter) - before;
}

class StoredUnits : public testing::Test {
  protected:
    /// A first process, which leaves its units.
    void learn(const Assembler& code, u64 count) {
        FileGuest guest(store_, code);
        Hart hart(guest);
        run_sums(guest, hart, count);
        guest.save(hart);
    }
    MemoryStore store_;
};

TEST_F(StoredUnits, RunInTheNextProcess) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    EXPECT_GT(
        counted(Counter::units_loaded,
                [&] {
                    EXPECT_EQ(
                        counted(Counter::units_made, [&] { EXPECT_EQ(run_sums(guest, hart, 10), 55u); }), 0u);
                }),
        10u);
    EXPECT_EQ(guest.load(data_at), 55u);
    EXPECT_EQ(hart.state.context.instructions(), 1 + 10 * 18 + 1 + 12 + 1);
}

TEST_F(StoredUnits, AreCompiledAnewWhenTheyAreHot) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    // Later than what is interpreted: compiled code has less to gain.
    EXPECT_EQ(counted(Counter::units_compiled, [&] { EXPECT_EQ(run_sums(guest, hart, 1000), 500500u); }), 0u);
    EXPECT_GT(counted(Counter::units_compiled, [&] { EXPECT_EQ(run_sums(guest, hart, 5000), 12502500u); }),
              0u);
}

TEST_F(StoredUnits, HotOnesComeBackHot) {
    learn(sums(1), 1000);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    EXPECT_EQ(counted(Counter::units_compiled, [&] { EXPECT_EQ(run_sums(guest, hart, 1000), 500500u); }), 0u);
}

TEST_F(StoredUnits, OfOtherCodeAreNotRun) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(2));  // the same headers
    Hart hart(guest);
    EXPECT_EQ(counted(Counter::store_stale, [&] { EXPECT_EQ(run_sums(guest, hart, 10), 110u); }), 1u);
}

TEST_F(StoredUnits, AreLeftWhenTheCodeIsReplaced) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    EXPECT_EQ(run_sums(guest, hart, 10), 55u);
    guest.map_file(sums(3));
    EXPECT_EQ(run_sums(guest, hart, 10), 165u);
    guest.map_file(sums(1));
    EXPECT_EQ(counted(Counter::chapters_installed, [&] { EXPECT_EQ(run_sums(guest, hart, 10), 55u); }), 1u);
}

TEST_F(StoredUnits, AreLeftWhenHotOnesTookTheirPlaceAndWent) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run_sums(guest, hart, 1000), 500500u);
        guest.engine->invalidate(text_at, 4);
    }
}

TEST_F(StoredUnits, SurviveThatEverythingIsDropped) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1), 1);
    Hart hart(guest);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(run_sums(guest, hart, 200), 20100u);
}

TEST_F(StoredUnits, FaultWithTheExactPc) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    hart.state.pc = text_at.raw;
    hart.state.x[a1] = 10;
    hart.state.x[a2] = 0x300000;  // nothing there
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::fault);
    EXPECT_EQ(hart.state.context.fault.address, GuestAddr(0x300000));
    EXPECT_EQ(hart.state.pc, text_at.raw + 4 * 16);
    EXPECT_EQ(hart.state.x[a0], 10u);
}

TEST_F(StoredUnits, AreNotUsedUnderADebugger) {
    learn(sums(1), 10);
    FileGuest guest(store_, sums(1));
    Hart hart(guest);
    EXPECT_EQ(run_sums(guest, hart, 10), 55u);
    guest.engine->set_stops({text_at + 4 * 15});
    hart.state.pc = text_at.raw;
    hart.state.x[a1] = 10;
    EXPECT_EQ(guest.engine->run(*hart.thread), ExitReason::breakpoint);
    EXPECT_EQ(hart.state.pc, text_at.raw + 4 * 15);
    EXPECT_EQ(guest.engine->begin_saving(), nullptr);
}

TEST_F(StoredUnits, MadeAgainAreTheSameOrAreNotUsed) {
    learn(sums(1), 1000);
    run::EngineOptions options = FileGuest::options_for(store_, std::size_t{256} << 20);
    options.verify_store = true;
    for (const u64 mismatched : {0, 1}) {
        FileGuest guest(options, sums(1));
        Hart hart(guest);
        EXPECT_EQ(
            counted(Counter::store_mismatched, [&] { EXPECT_EQ(run_sums(guest, hart, 1000), 500500u); }),
            mismatched);
        store_.tamper();
    }
}

TEST_F(StoredUnits, TheSameProcessLeavesTheSameChapters) {
    MemoryStore other;
    for (MemoryStore* store : {&store_, &other}) {
        FileGuest guest(*store, sums(1));
        Hart hart(guest);
        run_sums(guest, hart, 100);
        guest.save(hart);
    }
    EXPECT_TRUE(store_.same_as(other));
}

}  // namespace
}  // namespace kiln::test

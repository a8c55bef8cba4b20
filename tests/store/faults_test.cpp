// Faults injected into the store's files and into its writers, and counted. With KILN_STORE_FAULTS=full (label long) all of
// them, else some.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "folder.h"
#include "sample.h"
#include "store/upkeep.h"
#include "traced.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;
using test::Disturbance;

bool all_of_them() {
    const char* const wanted = std::getenv("KILN_STORE_FAULTS");
    return wanted != nullptr && std::strcmp(wanted, "full") == 0;
}

constexpr abi::ImageKey key{11, 12};
constexpr BuildId build{{21, 22}};

// ---- Files ----

/// As large as that of a real library.
std::vector<abi::Chapter> large_sample() {
    std::vector<abi::Chapter> chapters;
    for (u64 i = 0; i < 12; ++i) chapters.push_back(sample_chapter(GuestAddr(0x10000 * (i + 1)), 600));
    return chapters;
}

/// How many chapters are whole; those must be as they were written.
std::size_t count_whole(std::span<const u8> bytes, const std::vector<abi::Chapter>& written) {
    const auto image = ImageFile::parse(bytes, key, build);
    if (image == nullptr) return 0;
    std::size_t whole = 0;
    for (std::size_t i = 0; i < image->windows().size(); ++i) {
        abi::Chapter chapter;
        if (!image->read_all(image->windows()[i], chapter)) continue;
        ++whole;
        EXPECT_TRUE(i < written.size() && chapter == written[i]);
    }
    return whole;
}

TEST(StoreFaults, RandomBitsOfLargeImages) {
    const auto written = large_sample();
    std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    std::mt19937_64 random(5);
    const std::size_t flips = all_of_them() ? 100'000 : 1'000;
    std::size_t found = 0;
    for (std::size_t i = 0; i < flips; ++i) {
        const std::size_t bit = random() % (bytes.size() * 8);
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
        found += count_whole(bytes, written) < written.size();
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    }
    std::printf("%zu bits flipped in an image of %zu bytes, %zu found, the others without effect\n", flips,
                bytes.size(), found);
    EXPECT_GT(found, flips * 99 / 100);
}

TEST(StoreFaults, CutOffAtEveryBlock) {
    const auto written = large_sample();
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    const std::size_t block = all_of_them() ? 512 : 4096;
    std::size_t cuts = 0;
    for (std::size_t length = 0; length < bytes.size(); length += block, ++cuts) {
        EXPECT_EQ(count_whole(std::span(bytes).first(length), written), 0u) << length;
        // What a file system leaves that had no time to write the rest.
        std::vector<u8> zeros(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        zeros.resize(bytes.size());
        EXPECT_LT(count_whole(zeros, written), written.size()) << length;
    }
    std::printf("%zu times cut off, and filled up with zeros\n", cuts);
}

TEST(StoreFaults, PartsOfOneImageInAnother) {
    const auto written = large_sample();
    auto others = written;
    for (abi::Chapter& chapter : others)
        for (u8& byte : chapter.code) byte ^= 0x55;
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    const std::vector<u8> other = image_bytes(key, build, sample_origin, others);
    ASSERT_EQ(bytes.size(), other.size());
    std::mt19937_64 random(6);
    const std::size_t rounds = all_of_them() ? 5'000 : 200;
    for (std::size_t i = 0; i < rounds; ++i) {
        std::vector<u8> mixed = bytes;
        const std::size_t begin = random() % bytes.size(), length = random() % (bytes.size() - begin);
        std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(begin), length,
                    mixed.begin() + static_cast<std::ptrdiff_t>(begin));
        const auto image = ImageFile::parse(mixed, key, build);
        if (image == nullptr) continue;
        for (std::size_t n = 0; n < image->windows().size(); ++n) {
            abi::Chapter chapter;
            if (image->read_all(image->windows()[n], chapter))
                EXPECT_TRUE(chapter == written[n] || chapter == others[n]);
        }
    }
    std::printf("%zu images mixed of two\n", rounds);
}

// ---- Writers ----

class WriterFaults : public InAFolder {
  protected:
    DirectoryOptions options() const { return {.path = top_ / "a" / "units", .build = "test"}; }
    /// What a process does that saves: an image, with the one that is there in view, and its statistics.
    bool save(u32 units) const {
        Directory directory(options());
        directory.begin_process();
        const auto writer = directory.begin_write(key);
        if (writer == nullptr) return false;
        (void)directory.open(key);
        const abi::Chapter chapter = sample_chapter(GuestAddr(0x10000), units);
        const bool written = writer->write(sample_origin, {&chapter, 1}).has_value();
        directory.end_writing();
        return written;
    }
    /// How many units the image has; 0: there is none. It is whole.
    u32 units() const {
        Directory directory(options());
        const auto image = directory.open(key);
        abi::Chapter chapter;
        if (image == nullptr || !image->read_all(GuestAddr(0x10000), chapter)) return 0;
        EXPECT_TRUE(chapter == sample_chapter(GuestAddr(0x10000), static_cast<u32>(chapter.units.size())));
        return static_cast<u32>(chapter.units.size());
    }
    /// Disturbs a writer at each of its calls: where there is no directory yet, and where there is an image.
    void disturb(Disturbance what, int error, std::string_view name) {
        int disturbed = 0, written = 0;
        for (const bool is_new : {true, false})
            for (int at = 0;; ++at) {
                fs::remove_all(top_ / "a");
                if (!is_new) ASSERT_TRUE(save(3));
                bool succeeded;
                const int calls = test::run_disturbed([&] { return save(5); }, what, at, error, succeeded);
                if (calls <= at) break;
                ++disturbed;
                const u32 there = units();
                EXPECT_TRUE(there == 5 || there == (is_new ? 0u : 3u)) << name << " at call " << at;
                if (succeeded) EXPECT_EQ(there, 5u) << name << " at call " << at;
                written += there == 5;
                // Nothing stands in the next one's way.
                EXPECT_TRUE(save(4)) << name << " at call " << at;
                EXPECT_EQ(units(), 4u) << name << " at call " << at;
                (void)Upkeep(options()).clean();
                for (const auto& entry : fs::directory_iterator(options().path))
                    EXPECT_NE(entry.path().extension(), ".new") << name << " at call " << at;
            }
        std::printf("%s at each of %d calls of a writer; %d wrote all the same\n", std::string(name).c_str(),
                    disturbed, written);
        EXPECT_GT(disturbed, 20);
    }
};

TEST_F(WriterFaults, KilledBeforeEachCall) { disturb(Disturbance::kill_before, 0, "SIGKILL instead"); }
TEST_F(WriterFaults, KilledBehindEachCall) { disturb(Disturbance::kill_behind, 0, "SIGKILL behind"); }
TEST_F(WriterFaults, NoRoom) { disturb(Disturbance::fail, ENOSPC, "ENOSPC"); }
TEST_F(WriterFaults, BadDisk) { disturb(Disturbance::fail, EIO, "EIO"); }
TEST_F(WriterFaults, NoDescriptors) { disturb(Disturbance::fail, EMFILE, "EMFILE"); }
TEST_F(WriterFaults, ReadOnly) { disturb(Disturbance::fail, EROFS, "EROFS"); }

}  // namespace
}  // namespace kiln::store

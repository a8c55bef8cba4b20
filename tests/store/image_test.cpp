// The file of an image: what was written is read, or nothing is. Every bit is flipped, every length cut off, and numbers are
// forged under right checksums.
#include "store/image_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/hash.h"
#include "sample.h"

namespace kiln::store {
namespace {

constexpr abi::ImageKey key{11, 12};
constexpr BuildId build{{21, 22}};

std::vector<abi::Chapter> sample() {
    return {sample_chapter(GuestAddr(0x10000), 3), sample_chapter(GuestAddr(0x40000), 1)};
}

/// Reads everything there is; every chapter that is whole must be as it was written. How many were.
std::size_t count_whole(std::span<const u8> bytes, const std::vector<abi::Chapter>& written) {
    const auto image = ImageFile::parse(bytes, key, build);
    if (image == nullptr) return 0;
    std::size_t whole = 0;
    for (GuestAddr window : image->windows()) {
        abi::Chapter chapter;
        if (!image->read_all(window, chapter)) continue;
        ++whole;
        const auto original = std::ranges::find(
            written, window, [](const abi::Chapter& c) { return GuestAddr(c.units[0].pc.raw & ~0xffffull); });
        EXPECT_TRUE(original != written.end() && *original == chapter);
    }
    return whole;
}

TEST(Image, ComesBackAsItWas) {
    const auto written = sample();
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    EXPECT_EQ(count_whole(bytes, written), 2u);
    const auto image = ImageFile::parse(bytes, key, build);
    ASSERT_NE(image, nullptr);
    EXPECT_EQ(image->unit_count(), 4u);
    abi::Chapter chapter;
    EXPECT_FALSE(image->read(GuestAddr(0x20000), chapter));
    std::vector<u8> wrong_size(1);
    EXPECT_FALSE(image->read_code(GuestAddr(0x10000), wrong_size));
}

TEST(Image, IsThatOfItsKeyAndBuildOnly) {
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, sample());
    EXPECT_EQ(ImageFile::parse(bytes, {11, 13}, build), nullptr);
    EXPECT_EQ(ImageFile::parse(bytes, key, {{21, 23}}), nullptr);
}

TEST(Image, EveryFlippedBitIsFoundOrDoesNothing) {
    const auto written = sample();
    std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    std::size_t flips = 0, without_effect = 0;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit, ++flips) {
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
        without_effect += count_whole(bytes, written) == 2;
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    }
    // Bytes between chapters belong to none.
    EXPECT_LT(without_effect, 2 * 8 * 8u);
    std::printf("%zu bits flipped, %zu without effect\n", flips, without_effect);
}

TEST(Image, EveryLengthThatIsTooShortIsFound) {
    const auto written = sample();
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, written);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const std::vector<u8> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_EQ(count_whole(cut, written), 0u) << length;
        std::vector<u8> zeros = cut;
        zeros.resize(bytes.size());
        if (zeros != bytes) EXPECT_LT(count_whole(zeros, written), 2u) << length;
    }
}

// ---- Spare chapters ----

struct SpareSample {
    std::vector<abi::Chapter> chapters{sample_chapter(GuestAddr(0x1fff0), 3),
                                       sample_chapter(GuestAddr(0x40000), 1)};
    std::vector<u8> bytes() const {
        FileChapters spares;
        for (const abi::Chapter& chapter : chapters) spares.add(chapter);
        return image_bytes(key, build, sample_origin, {}, spares);
    }
    /// Of all units, how many are found in a chapter that is whole; which must be as it was written.
    std::size_t count_found(std::span<const u8> bytes) const {
        const auto image = ImageFile::parse(bytes, key, build);
        std::size_t found = 0;
        for (const abi::Chapter& chapter : chapters)
            for (const abi::StoredUnit& unit : chapter.units) {
                const auto number = image != nullptr ? image->find_spare(unit.pc) : std::nullopt;
                abi::Chapter whole;
                if (!number || !image->read_all_of_spare(*number, whole)) continue;
                EXPECT_TRUE(whole == chapters[0] || whole == chapters[1]);
                found += whole == chapter;
            }
        return found;
    }
};

TEST(Image, SpareChaptersAreFoundByTheirUnits) {
    const SpareSample sample;
    const std::vector<u8> bytes = sample.bytes();
    EXPECT_EQ(sample.count_found(bytes), 4u);
    const auto image = ImageFile::parse(bytes, key, build);
    ASSERT_NE(image, nullptr);
    EXPECT_EQ(image->unit_count(), 4u);
    EXPECT_EQ(image->spare_count(), 2u);
    EXPECT_TRUE(image->is_whole());
    for (u64 pc : {0ull, 0x1ffeeull, 0x1fff2ull, 0x30000ull, 0x40002ull, 0x50000ull, ~0ull})
        EXPECT_FALSE(image->find_spare(GuestAddr(pc))) << pc;
    abi::Chapter chapter;
    EXPECT_FALSE(image->read_spare(2, chapter));
    std::vector<u8> wrong_size(1);
    EXPECT_FALSE(image->read_spare_code(0, wrong_size));
}

TEST(Image, EveryFlippedBitOfSpareChaptersIsFoundOrDoesNothing) {
    const SpareSample sample;
    std::vector<u8> bytes = sample.bytes();
    std::size_t without_effect = 0;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
        without_effect += sample.count_found(bytes) == 4;
        bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    }
    // Bytes between parts belong to none.
    EXPECT_LT(without_effect, 4 * 8 * 8u);
}

TEST(Image, SpareChaptersThatAreCutOffAreFound) {
    const SpareSample sample;
    const std::vector<u8> bytes = sample.bytes();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        std::vector<u8> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_EQ(sample.count_found(cut), 0u) << length;
        cut.resize(bytes.size());
        if (cut != bytes) EXPECT_LT(sample.count_found(cut), 4u) << length;
    }
}

/// Gives a file whose numbers were changed the checksums that it would have.
void forge_checksums(std::vector<u8>& bytes) {
    FileHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    std::vector<FileChapter> table((bytes.size() - sizeof header) / sizeof(FileChapter));
    table.resize(std::min<std::size_t>(table.size(), header.chapters));
    std::memcpy(table.data(), bytes.data() + sizeof header, table.size() * sizeof(FileChapter));
    for (FileChapter& chapter : table) {
        // As format.h says.
        const auto part = [&](u64 begin, u64 size, u64 seed) -> u64 {
            if (chapter.offset > bytes.size() || begin > bytes.size() - chapter.offset ||
                size > bytes.size() - chapter.offset - begin)
                return 0;
            return hash_bytes({bytes.data() + chapter.offset + begin, size}, seed);
        };
        u64 begin = 0;
        const auto array = [&](u64 count, u64 size, u64 seed) {
            begin += count * size;
            return part(begin - count * size, count * size, seed);
        };
        u64 sum = array(chapter.units, sizeof(FileUnit), 0);
        sum = array(chapter.ranges, sizeof(FileRange), sum);
        chapter.table_checksum = array(chapter.fault_points, sizeof(FileFaultPoint), sum);
        chapter.code_checksum = array(chapter.code_bytes, 1, 0);
        sum = array(chapter.links, sizeof(FileLink), 0);
        sum = array(chapter.relocations, sizeof(FileRelocation), sum);
        chapter.linkage_checksum = array(chapter.answers, sizeof(FileAnswer), sum);
    }
    std::memcpy(bytes.data() + sizeof header, table.data(), table.size() * sizeof(FileChapter));
    header.checksum = 0;
    const u64 seed = hash_bytes({reinterpret_cast<const u8*>(&header), sizeof header});
    const std::size_t path_at = sizeof header + table.size() * sizeof(FileChapter);
    const u64 of_tables =
        hash_bytes({reinterpret_cast<const u8*>(table.data()), table.size() * sizeof(FileChapter)}, seed);
    const u64 of_path =
        hash_bytes({bytes.data() + path_at, std::min<std::size_t>(header.path_bytes, bytes.size() - path_at)},
                   of_tables);
    header.checksum = hash_bytes({}, of_path);  // and no index
    std::memcpy(bytes.data(), &header, sizeof header);
}

TEST(Image, ForgedNumbersLeadNowhere) {
    const std::vector<u8> bytes = image_bytes(key, build, sample_origin, sample());
    std::mt19937_64 random(1);
    std::size_t read = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<u8> forged = bytes;
        for (u64 changes = 1 + random() % 3; changes > 0; --changes) {
            constexpr u64 numbers[] = {0, 1, 3, 0x7fff'ffff, 0xffff'ffff, ~u64{0}, 0x8000'0000'0000'0000};
            const u64 number = random() % 2 == 0 ? numbers[random() % std::size(numbers)] : random() % 4096;
            const std::size_t at = random() % (forged.size() - 8);
            std::memcpy(forged.data() + at, &number, random() % 2 == 0 ? 4 : 8);
        }
        forge_checksums(forged);
        const auto image = ImageFile::parse(forged, key, build);
        if (image == nullptr) continue;
        for (GuestAddr window : image->windows()) {
            abi::Chapter chapter;
            if (!image->read_all(window, chapter)) continue;
            ++read;
            for (const abi::StoredUnit& unit : chapter.units) {
                ASSERT_LE(unit.entry + 8u, chapter.code.size());
                ASSERT_LT(unit.forward, chapter.code.size());
                ASSERT_LE(unit.counter_site + 4u, chapter.code.size());
                ASSERT_LE(u64{unit.first_range} + unit.range_count, chapter.ranges.size());
            }
            for (const abi::UnitLink& link : chapter.links) ASSERT_LE(link.site + 4u, chapter.code.size());
            for (const abi::UnitRelocation& r : chapter.relocations)
                ASSERT_LE(r.offset + 4u, chapter.code.size());
        }
    }
    EXPECT_GT(read, 0u);  // most changes are to code and to hashes
}

}  // namespace
}  // namespace kiln::store

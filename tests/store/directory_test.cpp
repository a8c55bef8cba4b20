// The directory: whom it trusts, who may write, what it removes.
#include "store/upkeep.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "folder.h"
#include "sample.h"
#include "store/archive.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;

class StoreDirectory : public InAFolder {
  protected:
    DirectoryOptions options() const { return {.path = top_ / "a" / "b", .build = "test"}; }
    bool save(Directory& directory, const abi::ImageKey& key = {1, 2}) {
        const auto writer = directory.begin_write(key);
        const abi::Chapter chapter = sample_chapter(GuestAddr(0x10000), 3);
        return writer != nullptr && writer->write(sample_origin, {&chapter, 1}).has_value();
    }
    bool has(Directory& directory, const abi::ImageKey& key = {1, 2}) {
        const auto image = directory.open(key);
        abi::Chapter chapter;
        return image != nullptr && image->read_all(GuestAddr(0x10000), chapter) &&
               chapter == sample_chapter(GuestAddr(0x10000), 3);
    }
    fs::path image() const {
        for (const auto& entry : fs::directory_iterator(options().path))
            if (entry.path().extension() == ".units") return entry.path();
        return {};
    }
};

TEST_F(StoreDirectory, KeepsWhatIsWritten) {
    Directory directory(options());
    EXPECT_FALSE(has(directory));
    EXPECT_TRUE(save(directory));
    EXPECT_TRUE(has(directory));
    EXPECT_FALSE(has(directory, {1, 3}));
    EXPECT_TRUE(fs::exists(fs::path(options().path) / "CACHEDIR.TAG"));
    EXPECT_EQ(Upkeep(options()).list().size(), 1u);
    EXPECT_EQ(Upkeep(options()).clear(), 1u);
    EXPECT_FALSE(has(directory));
}

TEST_F(StoreDirectory, IsForOneBuild) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    Directory other({.path = options().path, .build = "other"});
    EXPECT_FALSE(has(other));
    Directory unknown({.path = options().path, .build = ""});
    EXPECT_FALSE(has(unknown));
    EXPECT_FALSE(save(unknown));
}

TEST_F(StoreDirectory, ReadOnlyIsNotWritten) {
    DirectoryOptions read_only = options();
    read_only.writable = false;
    Directory directory(read_only);
    EXPECT_FALSE(save(directory));
    EXPECT_FALSE(fs::exists(options().path));
}

TEST_F(StoreDirectory, NobodyIsGivenAHome) {
    DirectoryOptions homeless = options();
    homeless.home = top_ / "a";
    Directory directory(homeless);
    EXPECT_FALSE(save(directory));
    EXPECT_FALSE(fs::exists(homeless.home));
    fs::create_directory(homeless.home);
    EXPECT_TRUE(save(directory));
}

TEST_F(StoreDirectory, OneWriterAtATime) {
    Directory directory(options());
    {
        const auto first = directory.begin_write({1, 2});
        ASSERT_NE(first, nullptr);
        EXPECT_EQ(directory.begin_write({1, 2}), nullptr);
        EXPECT_NE(directory.begin_write({1, 3}), nullptr);
    }
    EXPECT_TRUE(save(directory));
    // Writers that gave up leave nothing.
    for (const auto& entry : fs::directory_iterator(options().path))
        EXPECT_NE(entry.path().extension(), ".new");
}

TEST_F(StoreDirectory, WhatAWriterLeftBehindIsWrittenOver) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    fs::path left = image();
    left.replace_extension(".new");
    std::ofstream(left) << "half a file, longer than nothing";
    EXPECT_TRUE(save(directory));
    EXPECT_TRUE(has(directory));
    EXPECT_FALSE(fs::exists(left));
}

TEST_F(StoreDirectory, ADirectoryThatOthersMayEnterIsNotTrusted) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    for (mode_t mode : {0755, 0770, 0701}) {
        ASSERT_EQ(chmod(options().path.c_str(), mode), 0);
        EXPECT_FALSE(has(directory)) << mode;
        EXPECT_FALSE(save(directory)) << mode;
    }
}

TEST_F(StoreDirectory, ALinkToADirectoryIsNotFollowed) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    fs::create_symlink(options().path, top_ / "link");
    Directory linked({.path = top_ / "link", .build = "test"});
    EXPECT_FALSE(has(linked));
    EXPECT_FALSE(save(linked));
}

TEST_F(StoreDirectory, OnlyPlainFilesOfTheUsersOwnAreRead) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    const fs::path file = image(), aside = top_ / "aside";
    ASSERT_EQ(chmod(file.c_str(), 0666), 0);
    EXPECT_FALSE(has(directory));
    ASSERT_EQ(chmod(file.c_str(), 0600), 0);
    EXPECT_TRUE(has(directory));
    if (geteuid() == 0) {
        ASSERT_EQ(chown(file.c_str(), 12345, 0), 0);
        EXPECT_FALSE(has(directory));
        ASSERT_EQ(chown(file.c_str(), 0, 0), 0);
    }
    fs::rename(file, aside);
    fs::create_symlink(aside, file);
    EXPECT_FALSE(has(directory));
    fs::remove(file);
    ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
    EXPECT_FALSE(has(directory));
    fs::remove(file);
    fs::create_directory(file);
    EXPECT_FALSE(has(directory));
    fs::remove(file);
    EXPECT_TRUE(save(directory));
    EXPECT_TRUE(has(directory));
}

TEST_F(StoreDirectory, AFileThatIsCutOffWhileItIsOpenIsAMiss) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    const auto opened = directory.open({1, 2});
    ASSERT_NE(opened, nullptr);
    fs::resize_file(image(), 100);
    // The mapping's one page stays, with zeros behind the end.
    abi::Chapter chapter;
    EXPECT_FALSE(opened->read(GuestAddr(0x10000), chapter));
}

TEST_F(StoreDirectory, AFullDiskChangesNothing) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    signal(SIGXFSZ, SIG_IGN);
    rlimit before, small{100, 100};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    EXPECT_FALSE(save(directory));
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_TRUE(has(directory));
}

TEST_F(StoreDirectory, TheOldestImagesGoWhenThereAreTooMany) {
    DirectoryOptions small = options();
    Directory directory(small);
    ASSERT_TRUE(save(directory, {1, 1}));
    const u64 bytes = Upkeep(options()).list()[0].bytes;
    timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    ASSERT_EQ(utimensat(AT_FDCWD, image().c_str(), old, 0), 0);
    small.most_bytes = bytes * 2 + bytes / 2;
    Directory limited(small);
    ASSERT_TRUE(save(limited, {1, 2}));
    ASSERT_TRUE(save(limited, {1, 3}));
    EXPECT_FALSE(has(limited, {1, 1}));
    EXPECT_TRUE(has(limited, {1, 2}));
    EXPECT_TRUE(has(limited, {1, 3}));
}

TEST_F(StoreDirectory, ALimitThatSomebodySetHolds) {
    Directory directory(options());
    ASSERT_TRUE(save(directory, {1, 1}));
    const Upkeep upkeep(options());
    EXPECT_EQ(upkeep.limit(), u64{2} << 30);
    ASSERT_TRUE(upkeep.set_limit(upkeep.list()[0].bytes + 10));
    ASSERT_TRUE(save(directory, {1, 2}));
    EXPECT_EQ(upkeep.list().size(), 1u);
    ASSERT_TRUE(upkeep.set_limit(0));
    EXPECT_EQ(upkeep.clean(), 1u);
    EXPECT_FALSE(save(directory));
}

TEST_F(StoreDirectory, CleaningTakesWhatEndedWritersLeft) {
    Directory directory(options());
    ASSERT_TRUE(save(directory));
    const auto at_work = directory.begin_write({1, 3});
    fs::path left = image();
    left.replace_extension(".new");
    std::ofstream(left) << "half a file";
    EXPECT_EQ(Upkeep(options()).clean(), 0u);
    EXPECT_FALSE(fs::exists(left));
    const abi::Chapter chapter = sample_chapter(GuestAddr(0x10000), 3);
    EXPECT_TRUE(at_work->write(sample_origin, {&chapter, 1}));
    EXPECT_TRUE(has(directory, {1, 3}));
}

TEST_F(StoreDirectory, ImagesThatWereNotUsedForSoLongGo) {
    Directory directory(options());
    ASSERT_TRUE(save(directory, {1, 1}));
    const timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    ASSERT_EQ(utimensat(AT_FDCWD, image().c_str(), old, 0), 0);
    ASSERT_TRUE(save(directory, {1, 2}));
    EXPECT_EQ(Upkeep(options()).evict_unused(86400), 1u);
    EXPECT_FALSE(has(directory, {1, 1}));
    EXPECT_TRUE(has(directory, {1, 2}));
}

TEST_F(StoreDirectory, WhatTheFirstDoesNotHaveIsInALayer) {
    DirectoryOptions layer = options();
    Directory lower(layer);
    ASSERT_TRUE(save(lower));
    DirectoryOptions upper = options();
    upper.path = top_ / "upper";
    upper.layers = {top_ / "none", layer.path};
    Directory both(upper);
    EXPECT_TRUE(has(both));
    EXPECT_FALSE(fs::exists(upper.path));
    // Others may read a layer, but not write it.
    ASSERT_EQ(chmod(layer.path.c_str(), 0755), 0);
    EXPECT_TRUE(has(both));
    EXPECT_FALSE(has(lower));
    ASSERT_EQ(chmod(layer.path.c_str(), 0775), 0);
    EXPECT_FALSE(has(both));
    EXPECT_TRUE(save(both, {1, 2}));
    EXPECT_EQ(Upkeep(upper).list().size(), 1u);
}

TEST_F(StoreDirectory, StatisticsAreOfAllProcesses) {
    Directory directory(options());
    directory.begin_process();
    ASSERT_TRUE(save(directory));
    directory.end_writing();
    const Upkeep upkeep(options());
    count(Counter::units_entered, 90);
    count(Counter::units_made, 12);
    count(Counter::units_compiled, 2);
    directory.end_process();
    directory.end_process();  // nothing happened since
    EXPECT_EQ(upkeep.statistics().processes, 1u);
    EXPECT_EQ(upkeep.statistics()[Statistic::images_written], 1u);
    EXPECT_EQ(upkeep.statistics()[Statistic::units_written], 3u);
    EXPECT_DOUBLE_EQ(upkeep.statistics().hit_rate(), 90);
    // A long file is summed up, and one that is spoilt begins anew.
    for (int i = 0; i < 2000; ++i) {
        count(Counter::units_entered);
        directory.end_process();
    }
    const fs::path file = fs::path(options().path) / "statistics";
    const auto before = fs::file_size(file);
    count(Counter::images_written);
    directory.end_writing();
    EXPECT_LT(fs::file_size(file), before);
    EXPECT_EQ(upkeep.statistics().processes, 2001u);
    EXPECT_EQ(upkeep.statistics()[Statistic::units_found], 2090u);
    fs::resize_file(file, 50);
    count(Counter::units_entered);
    directory.end_process();
    EXPECT_EQ(upkeep.statistics().processes, 0u);
    upkeep.zero_statistics();
    EXPECT_FALSE(fs::exists(file));
}

TEST_F(StoreDirectory, AnArchiveHasAllImagesThatAreWhole) {
    Directory directory(options());
    ASSERT_TRUE(save(directory, {1, 1}));
    fs::resize_file(image(), 200);
    ASSERT_TRUE(save(directory, {1, 2}));
    ASSERT_TRUE(save(directory, {1, 3}));
    const fs::path archive = top_ / "images.tar.zst";
    const auto exported = export_images(Upkeep(options()), archive);
    ASSERT_TRUE(exported.has_value());
    EXPECT_EQ(exported->images, 2u);
    EXPECT_EQ(exported->refused, 1u);
    DirectoryOptions other = options();
    other.path = top_ / "other";
    const auto imported = import_images(Upkeep(other), archive);
    ASSERT_TRUE(imported.has_value());
    EXPECT_EQ(imported->images, 2u);
    Directory copy(other);
    EXPECT_TRUE(has(copy, {1, 2}));
    EXPECT_TRUE(has(copy, {1, 3}));
    // Wherever it is damaged or cut off, what was taken over is whole.
    std::ifstream in(archive, std::ios::binary);
    const std::string whole(std::istreambuf_iterator<char>(in), {});
    for (std::size_t at = 0; at < whole.size(); ++at) {
        Upkeep(other).clear();
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
        if (at % 2 != 0) damaged.resize(at);
        std::ofstream(archive, std::ios::binary) << damaged;
        (void)import_images(Upkeep(other), archive);
        for (u64 low : {2, 3}) {
            const abi::ImageKey key{1, low};
            if (copy.open(key) != nullptr) EXPECT_TRUE(has(copy, key)) << at;
        }
    }
}

}  // namespace
}  // namespace kiln::store

// The directory: whom it trusts, who may write, what it removes.
#include "store/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "sample.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;

class StoreDirectory : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/kiln-store-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        top_ = name;
    }
    void TearDown() override { fs::remove_all(top_); }

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

    fs::path top_;
};

TEST_F(StoreDirectory, KeepsWhatIsWritten) {
    Directory directory(options());
    EXPECT_FALSE(has(directory));
    EXPECT_TRUE(save(directory));
    EXPECT_TRUE(has(directory));
    EXPECT_FALSE(has(directory, {1, 3}));
    EXPECT_TRUE(fs::exists(fs::path(options().path) / "CACHEDIR.TAG"));
    EXPECT_EQ(directory.usage().images, 1u);
    EXPECT_EQ(directory.clear(), 1u);
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
    const u64 bytes = directory.usage().bytes;
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

}  // namespace
}  // namespace kiln::store

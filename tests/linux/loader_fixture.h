// What the tests of the loader share: a directory for program files, an empty guest address space, and
// loading.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "elf_builder.h"
#include "linux/loader.h"
#include "mem/fault.h"

namespace kiln::user {

class LoaderTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { mem::install_fault_handlers(); }
    void SetUp() override {
        std::string name = testing::TempDir() + "kiln-loader-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory = name;
        make_space(true);
    }
    void TearDown() override { std::filesystem::remove_all(directory); }

    void make_space(bool low, u64 limit = u64{1} << 38) {
        auto made = mem::AddressSpace::create({.low = low, .limit = limit});
        ASSERT_TRUE(made) << made.error().message;
        space = std::move(*made);
    }
    std::string write_file(const std::string& name, const std::string& bytes, unsigned mode = 0755) const {
        const std::string path = directory + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << bytes;
        chmod(path.c_str(), mode);
        return path;
    }
    Result<LoadedProgram> load(const std::string& path, const Sysroot& sysroot = Sysroot(),
                               u64 stack_bytes = u64{8} << 20) {
        return load_program(*space, {.path = path,
                                     .exec_name = path,
                                     .args = args,
                                     .environment = environment,
                                     .sysroot = sysroot,
                                     .target = test::riscv64_target(),
                                     .stack_bytes = stack_bytes});
    }
    Result<LoadedProgram> load(const test::ElfBuilder& builder) {
        return load(write_file("program", builder.bytes()));
    }

    // Loading fails with one line that names the file, and leaves nothing behind.
    void expect_refused(const Result<LoadedProgram>& result, int code, int exit_status,
                        const std::string& words) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, code) << result.error().message;
        EXPECT_EQ(exit_status_of(result.error().code), exit_status);
        EXPECT_THAT(result.error().message, testing::HasSubstr(words));
        EXPECT_THAT(result.error().message, testing::HasSubstr(directory));
        EXPECT_THAT(result.error().message, testing::Not(testing::HasSubstr("\n")));
        EXPECT_EQ(space->regions().size(), 0u);
    }

    u64 word_at(u64 address) const {
        u64 word = 0;
        EXPECT_TRUE(space->read(GuestAddr(address), &word, sizeof word)) << std::hex << address;
        return word;
    }
    std::string string_at(u64 address) const {
        return space->read_string(GuestAddr(address), 4096).value_or("?");
    }
    int prot_at(u64 address) const {
        auto region = space->find(GuestAddr(address));
        return region ? region->prot : -1;
    }

    std::string directory;
    std::unique_ptr<mem::AddressSpace> space;
    std::vector<std::string> args{"program", "one", ""};
    std::vector<std::string> environment{"A=1", "PATH=/bin"};
};

}  // namespace kiln::user

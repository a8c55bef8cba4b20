// Looking guest paths up in a sysroot.
#include "linux/sysroot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kiln::user {
namespace {

namespace fs = std::filesystem;

class SysrootTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "kiln-sysroot-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        root = fs::canonical(name);
        fs::create_directories(root + "/usr/lib");
        fs::create_directories(root + "/kiln-only");
        std::ofstream(root + "/usr/lib/libc.so") << "x";
        fs::create_symlink("usr/lib", root + "/lib");
        fs::create_symlink("/usr/lib", root + "/lib64");
        fs::create_symlink("/usr/lib/libc.so", root + "/kiln-only/absolute");
        fs::create_symlink("../../../../usr/lib/libc.so", root + "/kiln-only/above");
        fs::create_symlink("/nowhere", root + "/kiln-only/dangling");
    }
    void TearDown() override { fs::remove_all(root); }

    std::string root;
};

TEST_F(SysrootTest, TakesItsOwnFilesFirst) {
    const Sysroot sysroot(root + "/");
    EXPECT_EQ(sysroot.directory(), root);
    EXPECT_EQ(sysroot.translate("/usr/lib/libc.so"), root + "/usr/lib/libc.so");
    EXPECT_EQ(sysroot.translate("/lib/libc.so"), root + "/usr/lib/libc.so");
    EXPECT_EQ(sysroot.translate("/kiln-only"), root + "/kiln-only");
    EXPECT_EQ(sysroot.translate("/usr/../usr/./lib"), root + "/usr/lib");
    EXPECT_EQ(sysroot.translate("/"), root);
}

TEST_F(SysrootTest, AFileHasOneNameHoweverItIsFound) {
    fs::create_directory_symlink(root, root + "/kiln-only/itself");
    const Sysroot sysroot(root + "/kiln-only/itself");
    for (const char* path : {"/usr/lib/libc.so", "/lib/libc.so", "/usr//lib/libc.so", "/usr/./lib/libc.so",
                             "/usr/lib/../lib/libc.so"})
        EXPECT_EQ(sysroot.translate(path), root + "/usr/lib/libc.so") << path;
}

TEST_F(SysrootTest, LeavesTheRestToTheHost) {
    const Sysroot sysroot(root);
    EXPECT_EQ(sysroot.translate("/etc/hostname"), "/etc/hostname");
    EXPECT_EQ(sysroot.translate("/kiln-only/nothing"), "/kiln-only/nothing");
    EXPECT_EQ(sysroot.translate("usr/lib"), "usr/lib") << "relative paths are the host's";
    EXPECT_EQ(sysroot.translate(""), "");
    EXPECT_EQ(sysroot.translate("/usr/lib/libc.so/x"), "/usr/lib/libc.so/x");
    EXPECT_EQ(sysroot.translate("/kiln-only/dangling"), "/kiln-only/dangling");
}

TEST_F(SysrootTest, AbsoluteLinksStayInside) {
    const Sysroot sysroot(root);
    EXPECT_EQ(sysroot.translate("/lib64/libc.so"), root + "/usr/lib/libc.so");
    EXPECT_EQ(sysroot.translate("/kiln-only/absolute"), root + "/usr/lib/libc.so");
    EXPECT_EQ(sysroot.translate("/kiln-only/above"), root + "/usr/lib/libc.so");
    EXPECT_EQ(sysroot.translate("/../../usr/lib"), root + "/usr/lib");
}

TEST_F(SysrootTest, TheLastLinkIsKeptWhenAsked) {
    const Sysroot sysroot(root);
    EXPECT_EQ(sysroot.translate("/kiln-only/absolute", LastLink::keep), root + "/kiln-only/absolute");
    EXPECT_EQ(sysroot.translate("/kiln-only/dangling", LastLink::keep), root + "/kiln-only/dangling");
    EXPECT_EQ(sysroot.translate("/lib64/libc.so", LastLink::keep), root + "/usr/lib/libc.so");
}

TEST_F(SysrootTest, SurvivesAGuestThatClosesItsDescriptor) {
    const Sysroot sysroot(root);
    ASSERT_GE(sysroot.descriptor(), 3);
    close(sysroot.descriptor());
    EXPECT_EQ(sysroot.translate("/lib/libc.so"), root + "/usr/lib/libc.so");
}

TEST_F(SysrootTest, NoneIsTheHostAlone) {
    for (const std::string& none :
         {std::string(), root + "/missing", root + "/usr/lib/libc.so", std::string("/")}) {
        const Sysroot sysroot(none);
        EXPECT_EQ(sysroot.directory(), "");
        EXPECT_EQ(sysroot.translate("/usr/lib/libc.so"), "/usr/lib/libc.so");
    }
}

TEST_F(SysrootTest, IsChosenAsQemuUserDoes) {
    EXPECT_EQ(choose_sysroot("/asked/for", root.c_str(), "riscv64"), "/asked/for");
    EXPECT_EQ(choose_sysroot("", root.c_str(), "riscv64"), "") << "asked for none";
    EXPECT_EQ(choose_sysroot(std::nullopt, root.c_str(), "riscv64"), root);
    EXPECT_EQ(choose_sysroot(std::nullopt, (root + "/missing").c_str(), "no-such-machine"), "");
    EXPECT_EQ(choose_sysroot(std::nullopt, nullptr, "no-such-machine"), "");
}

}  // namespace
}  // namespace kiln::user

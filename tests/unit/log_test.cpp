// The log: items, destinations, whole lines.
#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace kiln {
namespace {

class Log : public testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directory(folder); }
    void TearDown() override {
        if (log_fd() != 2) close(log_fd());
        ASSERT_TRUE(log_open({}, ""));
        std::filesystem::remove_all(folder);
    }
    std::string path(const char* name) const { return (folder / name).string(); }
    static std::string text(const std::string& file) {
        std::ostringstream out;
        out << std::ifstream(file).rdbuf();
        return out.str();
    }

    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("kiln-log-" + std::to_string(getpid()));
};

TEST_F(Log, ItemsAreOffUntilSwitchedOn) {
    EXPECT_FALSE(log_on(LogItem::unimp));
    LogItems items;
    items.add(LogItem::unimp);
    ASSERT_TRUE(log_open(items, ""));
    EXPECT_TRUE(log_on(LogItem::unimp));
    EXPECT_FALSE(log_on(LogItem::strace));
    EXPECT_EQ(log_fd(), 2);
}

TEST_F(Log, PiecesMakeALine) {
    ASSERT_TRUE(log_open({}, path("log")));
    errno = EPERM;
    log_line({"call ", Decimal(-12), " at ", Hex(0xabc0), ""});
    EXPECT_EQ(errno, EPERM);
    log_line({});
    EXPECT_EQ(text(path("log")), "call -12 at 0xabc0\n\n");
}

TEST_F(Log, FilesAreEmptiedOrAppendedTo) {
    ASSERT_TRUE(log_open({}, path("log")));
    log_line({"one"});
    close(log_fd());
    ASSERT_TRUE(log_open({}, "+" + path("log")));
    log_line({"two"});
    EXPECT_EQ(text(path("log")), "one\ntwo\n");
    close(log_fd());
    ASSERT_TRUE(log_open({}, path("log")));
    EXPECT_EQ(text(path("log")), "");
}

TEST_F(Log, TheDescriptorIsOutOfTheGuestsWay) {
    const int next = dup(0);
    close(next);
    ASSERT_TRUE(log_open({}, path("log.%d")));
    EXPECT_TRUE(std::filesystem::exists(path("log.") + std::to_string(getpid())));
    const int after = dup(0);
    close(after);
    EXPECT_EQ(after, next);
    EXPECT_GT(log_fd(), 255);
    EXPECT_EQ(fcntl(log_fd(), F_GETFD), FD_CLOEXEC);
}

TEST_F(Log, AnUnwritableFileIsSaid) {
    const auto opened = log_open({}, path("no/such/log"));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message,
              "cannot write the log file " + path("no/such/log") + ": No such file or directory");
    EXPECT_EQ(log_fd(), 2);
}

TEST_F(Log, LinesOfThreadsDoNotMix) {
    ASSERT_TRUE(log_open({}, path("log")));
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([] {
                for (int n = 0; n < 500; n++) log_line({"aaaa", "bbbb", "cccc"});
            });
    }
    std::ifstream lines(path("log"));
    int count = 0;
    for (std::string line; std::getline(lines, line); count++) ASSERT_EQ(line, "aaaabbbbcccc");
    EXPECT_EQ(count, 2000);
}

TEST_F(Log, NumbersAsText) {
    EXPECT_EQ(std::string_view(Decimal(0)), "0");
    EXPECT_EQ(std::string_view(Decimal(INT64_MIN)), "-9223372036854775808");
    EXPECT_EQ(std::string_view(Decimal(INT64_MAX)), "9223372036854775807");
    EXPECT_EQ(std::string_view(Hex(0)), "0x0");
    EXPECT_EQ(std::string_view(Hex(~u64{0})), "0xffffffffffffffff");
}

TEST_F(Log, OnceIsOnce) {
    Once said;
    int times = 0;
    for (int i = 0; i < 3; i++) times += said.first();
    EXPECT_EQ(times, 1);
}

}  // namespace
}  // namespace kiln

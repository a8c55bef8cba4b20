// Counters, and the report made of them.
#include "base/counters.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "debug/stats.h"
#include "run/exit_counts.h"

namespace kiln {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Counters, AddUpOverThreads) {
    const u64 before = value(Counter::invalidations);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([] {
                for (int n = 0; n < 10000; n++) count(Counter::invalidations);
            });
    }
    EXPECT_EQ(value(Counter::invalidations), before + 40000);
}

TEST(Counters, TimeIsCounted) {
    const u64 before = value(Counter::lift_ns);
    {
        times_are_counted = true;
        const CountedTime time(Counter::lift_ns);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_GE(value(Counter::lift_ns), before + 2'000'000);
}

TEST(Counters, NamesAreTheTables) {
    EXPECT_EQ(info(Counter::guest_instructions).name, "guest_instructions");
    EXPECT_EQ(info(Counter::lift_ns).unit, CounterUnit::nanoseconds);
}

class Stats : public testing::Test {
  protected:
    void SetUp() override {
        debug::start_stats();
        run::exit_counts[static_cast<u8>(abi::ExitReason::poll)] = 0;
        run::count_exits(abi::ExitReason::poll, 3);
        count(Counter::guest_instructions, 1'234'567);
    }
    std::string report(StatsFormat format) {
        const NamedCount calls[] = {{"read", 2}, {"close", 0}, {"write", 1500}, {"brk", 2}};
        return debug::stats_report(format, {.program = "a \"b\"\n", .syscalls = calls});
    }
};

TEST_F(Stats, JsonHasEveryCounter) {
    const std::string json = report(StatsFormat::json);
    for (size_t i = 0; i < counter_count; i++)
        EXPECT_THAT(json, HasSubstr("\"" + std::string(info(static_cast<Counter>(i)).name) + "\": "));
    for (const char* key :
         {"pid", "wall_seconds", "user_seconds", "system_seconds", "peak_memory_bytes", "guest_mips"})
        EXPECT_THAT(json, HasSubstr("\"" + std::string(key) + "\": "));
    EXPECT_THAT(json, HasSubstr(R"("program": "a \"b\"\u000a")"));
    EXPECT_THAT(json,
                ContainsRegex(R"("exits_by_reason": \{"lookup": [0-9]+, "poll": 3, "syscall": [0-9]+)"));
    EXPECT_THAT(json, HasSubstr(R"("syscalls_by_name": {"write": 1500, "brk": 2, "read": 2})"));
}

TEST_F(Stats, TextIsForPeople) {
    const std::string text = report(StatsFormat::text);
    EXPECT_THAT(text, ContainsRegex("[0-9]+,[0-9][0-9][0-9],[0-9][0-9][0-9]  guest instructions executed\n"));
    EXPECT_THAT(text, HasSubstr("             1,500  write\n"));
    EXPECT_THAT(text, HasSubstr("peak memory"));
    EXPECT_THAT(text, Not(HasSubstr("close")));
    EXPECT_EQ(report(StatsFormat::off), "");
}

TEST_F(Stats, OneFileForEachProcess) {
    const auto folder = std::filesystem::temp_directory_path() / ("kiln-stats-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder);
    debug::write_stats(StatsFormat::json, (folder / "s.%d").string(), {.program = "p"});
    const auto file = folder / ("s." + std::to_string(getpid()));
    EXPECT_GT(std::filesystem::file_size(file), 100u);

    // A forked child has the parent's counts: it reports nothing.
    const pid_t child = fork();
    if (child == 0) {
        debug::write_stats(StatsFormat::json, (folder / "child").string(), {.program = "p"});
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    EXPECT_FALSE(std::filesystem::exists(folder / "child"));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kiln

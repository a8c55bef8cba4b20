#include "debug/stats.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/durations.h"
#include "base/json.h"
#include "base/log.h"
#include "run/exit_counts.h"
#include "run/tier_decisions.h"

namespace kiln::debug {

namespace {

u64 begin_ns = 0;
pid_t begin_pid = 0;

/// The kernel's account of this process.
struct Account {
    double wall_seconds, user_seconds, system_seconds;
    u64 peak_memory_bytes;

    static Account now() {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](timeval time) {
            return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
        };
        return {1e-9 * static_cast<double>(CountedTime::now() - begin_ns), seconds(usage.ru_utime),
                seconds(usage.ru_stime), static_cast<u64>(usage.ru_maxrss) << 10};
    }
    double guest_mips() const {
        const double million = static_cast<double>(value(Counter::guest_instructions)) * 1e-6;
        return user_seconds > 0 ? million / user_seconds : 0;
    }
};

/// 12345678 as 12,345,678.
std::string grouped(u64 number) {
    std::string text = fmt::format("{}", number);
    for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return text;
}

std::string memory_size(u64 bytes) {
    return bytes < 10u << 20 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

std::string microseconds(u64 ns) {
    return fmt::format("{:.{}f} us", static_cast<double>(ns) * 1e-3, ns < 10000 ? 1 : 0);
}

std::string quantity(Counter counter) {
    if (info(counter).unit == CounterUnit::nanoseconds)
        return fmt::format("{:.3f} ms", static_cast<double>(value(counter)) * 1e-6);
    return grouped(value(counter));
}

std::string_view title(CounterGroup group) {
    switch (group) {
        case CounterGroup::execution: return "execution";
        case CounterGroup::translation: return "translation";
        case CounterGroup::store: return "store";
        case CounterGroup::lockstep: return "lockstep";
        case CounterGroup::system: return "system";
    }
    return {};
}

std::vector<NamedCount> exit_rows() {
    std::vector<NamedCount> rows;
    for (size_t i = 0; i < run::exit_reason_count; i++)
        rows.push_back({abi::name(static_cast<abi::ExitReason>(i)),
                        run::exit_counts[i].load(std::memory_order_relaxed)});
    return rows;
}

std::vector<NamedCount> decision_rows() {
    std::vector<NamedCount> rows;
    for (size_t i = 0; i < run::tier_reason_count; i++)
        rows.push_back({run::info(static_cast<run::TierReason>(i)).name,
                        run::tier_decisions[i].load(std::memory_order_relaxed)});
    return rows;
}

/// A level of the search for the next unit: how often it was asked, and how often in vain.
struct CacheLevel {
    std::string_view name;
    Counter asked, missed;
    std::string_view sentence;
};
constexpr CacheLevel cache_levels[] = {
    {"link_hit_rate", Counter::direct_jumps, Counter::link_misses, "of direct jumps were linked"},
    {"jump_cache_hit_rate", Counter::indirect_jumps, Counter::jump_cache_misses,
     "of indirect jumps were in the jump cache"},
    {"unit_map_hit_rate", Counter::unit_lookups, Counter::unit_misses,
     "of searches of the unit map found a unit"},
};
/// From 0 to 1.
double hit_rate(const CacheLevel& level) {
    const u64 asked = value(level.asked), missed = value(level.missed);
    return asked > missed ? static_cast<double>(asked - missed) / static_cast<double>(asked) : 0;
}

/// What is not zero, the most frequent first, by name where equally frequent.
std::vector<NamedCount> ranked(std::span<const NamedCount> rows) {
    std::vector<NamedCount> result(rows.begin(), rows.end());
    std::erase_if(result, [](const NamedCount& row) { return row.count == 0; });
    std::ranges::sort(result, [](const NamedCount& a, const NamedCount& b) {
        return a.count != b.count ? a.count > b.count : a.name < b.name;
    });
    return result;
}

std::string text_report(const StatsInput& input, const Account& account) {
    std::string out;
    const auto line = [&](std::string_view figure, std::string_view meaning) {
        fmt::format_to(std::back_inserter(out), "  {:>18}  {}\n", figure, meaning);
    };
    const auto heading = [&](std::string_view text) {
        fmt::format_to(std::back_inserter(out), "{}\n", text);
    };

    heading(fmt::format("kiln: {}, process {}", input.program, getpid()));
    line(fmt::format("{:.3f} s", account.wall_seconds), "wall time");
    line(fmt::format("{:.3f} s", account.user_seconds), "user time");
    line(fmt::format("{:.3f} s", account.system_seconds), "system time");
    line(memory_size(account.peak_memory_bytes), "peak memory");
    line(fmt::format("{:.1f}", account.guest_mips()), "million guest instructions per second of user time");

    const auto section = [&](std::string_view name, std::span<const NamedCount> rows) {
        if (rows.empty()) return;
        heading(name);
        for (const NamedCount& row : rows) line(grouped(row.count), row.name);
    };
    for (CounterGroup group : {CounterGroup::execution, CounterGroup::translation, CounterGroup::store,
                               CounterGroup::lockstep, CounterGroup::system}) {
        bool headed = false;
        for (size_t i = 0; i < counter_count; i++) {
            const auto counter = static_cast<Counter>(i);
            if (info(counter).group != group || !value(counter)) continue;
            if (!headed) heading(title(group));
            headed = true;
            line(quantity(counter), info(counter).sentence);
        }
    }
    heading("where the next unit was found");
    for (const CacheLevel& level : cache_levels)
        if (value(level.asked) != 0) line(fmt::format("{:.3f} %", 100 * hit_rate(level)), level.sentence);
    bool headed = false;
    for (size_t i = 0; i < duration_count; i++) {
        const auto duration = static_cast<Duration>(i);
        const DurationSummary s = summary(duration);
        if (s.count == 0) continue;
        if (!headed) heading("how long it took: median, 99 of 100 at most, longest");
        headed = true;
        line(fmt::format("{}, {}, {}", microseconds(s.median_ns), microseconds(s.p99_ns),
                         microseconds(s.longest_ns)),
             fmt::format("{}, of {}", info(duration).sentence, grouped(s.count)));
    }
    section("decisions about units, by reason", ranked(decision_rows()));
    section("exits from units, by reason", ranked(exit_rows()));
    section("system calls, by name", ranked(input.syscalls));
    return out;
}

std::string json_report(const StatsInput& input, const Account& account) {
    std::string out;
    const auto member = [&](std::string_view key, const auto& figure) {
        fmt::format_to(std::back_inserter(out), "{}\n  \"{}\": {}", out.empty() ? "{" : ",", key, figure);
    };
    member("program", quoted(input.program));
    member("pid", getpid());
    member("wall_seconds", account.wall_seconds);
    member("user_seconds", account.user_seconds);
    member("system_seconds", account.system_seconds);
    member("peak_memory_bytes", account.peak_memory_bytes);
    member("guest_mips", account.guest_mips());
    for (size_t i = 0; i < counter_count; i++) {
        const auto counter = static_cast<Counter>(i);
        member(info(counter).name, value(counter));
    }
    const auto object = [&](std::string_view key, std::span<const NamedCount> rows) {
        std::string members;
        for (const NamedCount& row : rows)
            fmt::format_to(std::back_inserter(members), "{}\"{}\": {}", members.empty() ? "" : ", ", row.name,
                           row.count);
        member(key, "{" + members + "}");
    };
    for (const CacheLevel& level : cache_levels) member(level.name, hit_rate(level));
    for (size_t i = 0; i < duration_count; i++) {
        const auto duration = static_cast<Duration>(i);
        const DurationSummary s = summary(duration);
        const NamedCount rows[] = {{"count", s.count},
                                   {"total_ns", s.total_ns},
                                   {"median_ns", s.median_ns},
                                   {"p99_ns", s.p99_ns},
                                   {"longest_ns", s.longest_ns}};
        object(info(duration).name, rows);
    }
    object("decisions_by_reason", decision_rows());
    object("exits_by_reason", exit_rows());
    object("syscalls_by_name", ranked(input.syscalls));
    return out + "\n}\n";
}

}  // namespace

void start_stats() {
    begin_ns = CountedTime::now();
    times_are_counted = true;
    begin_pid = getpid();
}

std::string stats_report(StatsFormat format, const StatsInput& input) {
    const Account account = Account::now();
    switch (format) {
        case StatsFormat::off: return {};
        case StatsFormat::text: return text_report(input, account);
        case StatsFormat::json: return json_report(input, account);
    }
    return {};
}

void write_to(std::string_view file, std::string_view text, std::string_view what) {
    const std::string name = with_process_id(file);
    const int fd =
        name.empty() ? STDERR_FILENO : open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    const bool written = fd >= 0 && write_all(fd, text);
    const int error = errno;
    if (fd > STDERR_FILENO) close(fd);
    if (!written && !name.empty())
        write_all(STDERR_FILENO,
                  fmt::format("kiln: cannot write {} to {}: {}\n", what, name, std::strerror(error)));
}

void write_stats(StatsFormat format, std::string_view file, const StatsInput& input) {
    if (format == StatsFormat::off || getpid() != begin_pid) return;
    write_to(file, stats_report(format, input), "the statistics");
}

}  // namespace kiln::debug

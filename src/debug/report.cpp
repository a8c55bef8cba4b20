#include "debug/report.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/counters.h"
#include "base/durations.h"

namespace kiln::debug {
namespace {

/// Rows of each list.
constexpr size_t most_rows = 20;

/// What guest threads' time inside the engine was spent on.
struct Share {
    Counter counter;
    std::string_view what;
};
constexpr Share shares[] = {
    {Counter::compiled_run_ns, "running compiled units"},
    {Counter::interpreted_run_ns, "interpreting"},
    {Counter::assemble_ns, "putting units together from templates"},
    {Counter::lift_ns, "lifting"},
    {Counter::optimize_ns, "in passes"},
    {Counter::flatten_ns, "flattening IR"},
    {Counter::compile_ns, "compiling"},
};

double ms(u64 ns) { return 1e-6 * static_cast<double>(ns); }
double us(u64 ns) { return 1e-3 * static_cast<double>(ns); }
double percent(u64 part, u64 whole) {
    return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

/// The pairs with the largest values, the largest first.
template <class Map>
auto largest(const Map& map) {
    using Pair = std::pair<typename Map::key_type, u64>;
    std::vector<Pair> rows(map.begin(), map.end());
    std::ranges::sort(rows, [](const Pair& a, const Pair& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    rows.resize(std::min(rows.size(), most_rows));
    return rows;
}

}  // namespace

void Report::add(const run::SeenUnit& seen) {
    const Unit unit{.pc = seen.pc,
                    .compiled = run::info(seen.reason).where == run::TierMove::compiled,
                    .instructions = seen.instructions,
                    .nanoseconds = seen.nanoseconds,
                    .bytes = seen.bytes};
    units_[unit.pc.raw] = unit;
    const auto place =
        std::ranges::upper_bound(slowest_, unit.nanoseconds, std::ranges::greater{}, &Unit::nanoseconds);
    if (place - slowest_.begin() >= static_cast<ptrdiff_t>(most_rows)) return;
    slowest_.insert(place, unit);
    slowest_.resize(std::min(slowest_.size(), most_rows));
}

void Report::add_sample(GuestAddr pc, u64 instructions) {
    samples_[pc.raw] += instructions;
    sampled_ += instructions;
    ++taken_;
}

std::string Report::text(std::string_view program, Symbols& symbols) const {
    std::string out;
    const auto line = [&]<class... T>(fmt::format_string<T...> format, T&&... values) {
        fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
        out += '\n';
    };
    const auto described = [&](const Unit& unit) {
        return fmt::format("{} {:#x}, {}, {} instructions, {} bytes", symbols.find(unit.pc).text(),
                           unit.pc.raw, unit.compiled ? "compiled" : "interpreted", unit.instructions,
                           unit.bytes);
    };

    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](timeval time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    line("kiln: {}, process {}", program, getpid());
    line("{:>12.3f} s   user time", seconds(usage.ru_utime));
    line("{:>12.3f} s   system time", seconds(usage.ru_stime));
    line("{:>12} M   guest instructions", value(Counter::guest_instructions) / 1'000'000);

    line("units made");
    for (const auto duration :
         {Duration::unit_interpreted, Duration::unit_compiled, Duration::region_compiled}) {
        const DurationSummary s = summary(duration);
        if (s.count == 0) continue;
        line("{:>12}     {}: {:.1f} us on average, {:.1f} median, {:.0f} for 99 of 100, {:.1f} ms in all",
             s.count, info(duration).sentence, us(s.total_ns / s.count), us(s.median_ns), us(s.p99_ns),
             ms(s.total_ns));
    }

    const u64 engine_ns = value(Counter::engine_ns);
    u64 rest = engine_ns;
    line("time of guest threads outside of system calls: {:.1f} ms", ms(engine_ns));
    const auto share = [&](u64 ns, std::string_view what) {
        if (ns != 0) line("{:>12.1f} %   {}", percent(ns, engine_ns), what);
    };
    for (const Share& s : shares) {
        share(value(s.counter), s.what);
        rest -= std::min(rest, value(s.counter));
    }
    share(rest, "finding units, linking, and the rest of the run loop");

    line("slowest units to make");
    for (const Unit& unit : slowest_) line("{:>12.1f} us  {}", us(unit.nanoseconds), described(unit));

    std::map<std::string, u64> functions;
    for (const auto& [pc, instructions] : samples_) {
        const std::string name = symbols.find(GuestAddr(pc)).name;
        functions[name.empty() ? "(no name)" : name] += instructions;
    }
    line("hottest functions, by instructions, in {} samples", taken_);
    for (const auto& [name, instructions] : largest(functions))
        line("{:>12.1f} %   {}", percent(instructions, sampled_), name);
    line("hottest units");
    for (const auto& [pc, instructions] : largest(samples_)) {
        const auto unit = units_.find(pc);
        line("{:>12.1f} %   {}", percent(instructions, sampled_),
             described(unit != units_.end() ? unit->second : Unit{.pc = GuestAddr(pc)}));
    }
    return out;
}

}  // namespace kiln::debug

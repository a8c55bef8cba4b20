// `kiln cache`: what the store (store/upkeep.h) has, and doing away with it; its words are ccache's where that has any.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <thread>

#include "base/json.h"
#include "cli/cache_verify.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/workers.h"
#include "store/archive.h"

namespace kiln::cli {
namespace {

/// What the words say.
struct Request {
    const Personality& who;
    const Options& options;
    const store::Upkeep& upkeep;
    std::vector<std::string> operands;
    bool verbose = false, json = false;
    std::optional<u64> older_than;  ///< seconds
};

struct Action {
    std::string_view word, letter, operand;
    int (*function)(const Request& request);
    std::string_view sentence;
};

// ---- Figures for people ----

std::string size(u64 bytes) {
    constexpr double mib = 1 << 20;
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / mib);
}

std::string_view images(u64 count) { return count == 1 ? "image" : "images"; }

std::string date(time_t when) {
    char text[16];
    tm parts{};
    localtime_r(&when, &parts);
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &parts)};
}

/// 30d, 12h, 15m, 20s, 2w; without a letter, seconds.
std::optional<u64> read_age(std::string_view text) {
    constexpr std::pair<std::string_view, u64> scales[] = {{"", 1},     {"s", 1},     {"m", 60},
                                                           {"h", 3600}, {"d", 86400}, {"w", 604800}};
    u64 number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto scale = std::ranges::find(scales, std::string_view(rest, text.data() + text.size()),
                                         &std::pair<std::string_view, u64>::first);
    if (error != std::errc{} || scale == std::end(scales) || number > (u64{1} << 40)) return std::nullopt;
    return number * scale->second;
}

// ---- Actions ----

int show_stats(const Request& request) {
    const std::vector<store::ImageFacts> list = request.upkeep.list();
    const store::Statistics sum = request.upkeep.statistics();
    const store::BuildId own = request.upkeep.build();
    u64 bytes = 0, units = 0, of_this_build = 0;
    for (const store::ImageFacts& image : list) {
        bytes += image.bytes;
        units += image.units;
        of_this_build += image.identity && image.identity->build == own;
    }
    if (request.json) {
        std::string out = fmt::format(
            "{{\n  \"directory\": {},\n  \"images\": {},\n  \"images_of_this_build\": {},\n  \"units\": {},\n"
            "  \"bytes\": {},\n  \"max_bytes\": {},\n  \"processes\": {},\n  \"hit_rate_percent\": {:.3f}",
            quoted(request.upkeep.path()), list.size(), of_this_build, units, bytes, request.upkeep.limit(),
            sum.processes, sum.hit_rate());
        for (std::size_t i = 0; i < store::statistic_count; ++i) {
            const auto row = static_cast<store::Statistic>(i);
            out += fmt::format(",\n  \"{}\": {}", info(row).name, sum[row]);
        }
        return print(out + "\n}\n");
    }
    std::string out = fmt::format(
        "directory  {}\nimages     {} ({} of this build), {} units\nsize       {}, at most {}\n",
        request.upkeep.path(), list.size(), of_this_build, units, size(bytes), size(request.upkeep.limit()));
    out += fmt::format("programs   {}\nhit rate   {:.1f} % of the units that they came to were there\n",
                       sum.processes, sum.hit_rate());
    if (!request.verbose) return print(out);
    for (std::size_t i = 0; i < store::statistic_count; ++i) {
        const auto row = static_cast<store::Statistic>(i);
        out += fmt::format("{:>14}  {}\n", sum[row], info(row).sentence);
    }
    return print(out);
}

int zero_stats(const Request& request) {
    request.upkeep.zero_statistics();
    return 0;
}

int clear(const Request& request) {
    const u64 removed = request.upkeep.clear();
    return print(fmt::format("removed {} {}\n", removed, images(removed)));
}

int clean_up(const Request& request) {
    const u64 removed = request.upkeep.clean();
    return print(fmt::format("removed {} {}\n", removed, images(removed)));
}

int set_max_size(const Request& request) {
    const std::optional<u64> bytes = read_size(request.operands[0]);
    if (!bytes)
        return complain(request.who,
                        fmt::format("cache: {} is no size, such as 500M or 2G", request.operands[0]), 2);
    if (!request.upkeep.set_limit(*bytes))
        return complain(request.who, fmt::format("cache: {} cannot be written", request.upkeep.path()), 1);
    return print(fmt::format("at most {} from now on\n", size(*bytes)));
}

int show_config(const Request& request) {
    const Options& options = request.options;
    constexpr std::string_view modes[] = {"off", "ro", "rw"};
    std::string out = fmt::format("directory  {}\nmode       {}\nmax-size   {}\n", request.upkeep.path(),
                                  modes[static_cast<u8>(options.store)], request.upkeep.limit());
    for (const std::string& layer : options.store_layers) out += fmt::format("layer      {}\n", layer);
    return print(out + fmt::format("verify     {}\n", options.store_verify ? "yes" : "no"));
}

int list(const Request& request) {
    std::string out;
    const store::BuildId own = request.upkeep.build();
    for (const store::ImageFacts& image : request.upkeep.list()) {
        const bool is_own = image.identity && image.identity->build == own;
        if (request.json)
            out += fmt::format(
                "{}\n  {{\"name\": {}, \"path\": {}, \"begin\": {}, \"end\": {}, \"bytes\": {}, "
                "\"units\": {}, \"chapters\": {}, \"used\": {}, \"whole_header\": {}, \"this_build\": {}}}",
                out.empty() ? "[" : ",", quoted(image.name), quoted(image.origin.path), image.origin.begin,
                image.origin.end, image.bytes, image.units, image.chapters, image.used,
                image.identity.has_value(), is_own);
        else
            out += fmt::format(
                "{:>11}  {:>7} units  {}  {:#x}  {}{}{}\n", size(image.bytes), image.units, date(image.used),
                image.origin.begin, image.identity ? image.origin.path : "no image of this version",
                image.identity && !is_own ? " (other build)" : "", request.verbose ? "  " + image.name : "");
    }
    return print(request.json ? (out.empty() ? "[" : out) + "\n]\n" : out);
}

int verify(const Request& request) {
    const std::vector<store::ImageFacts> list = request.upkeep.list();
    const run::EngineOptions engine = engine_options(request.options);
    constexpr std::string_view words[] = {"the same", "stale", "not checked", "damaged", "different"};
    u64 counts[std::size(words)] = {}, units = 0;
    const auto job = [&](std::size_t number) {
        const Verified verified = verify_image(request.upkeep, list[number].name, engine);
        return JobReport{static_cast<int>(verified.verdict), verified.why, {verified.units}};
    };
    const auto done = [&](std::size_t number, const JobReport& report) {
        const store::ImageFacts& image = list[number];
        const bool crashed = report.verdict == job_crashed;
        const Verdict verdict = crashed ? Verdict::different : static_cast<Verdict>(report.verdict);
        const std::string_view why = crashed ? std::string_view("compiling it crashes") : report.text;
        ++counts[static_cast<u8>(verdict)];
        units += report.figures[0];
        const bool bad = verdict >= Verdict::damaged;
        if (bad) request.upkeep.remove(image.name);
        if (bad || request.verbose)
            print(fmt::format("{}: {} ({}){}{}\n", words[static_cast<u8>(verdict)], image.name,
                              image.identity ? image.origin.path : "?", why.empty() ? "" : ": ", why));
    };
    if (!run_jobs(list.size(), std::thread::hardware_concurrency(), job, done))
        return complain(request.who, "cache: verify: there is no memory for another process", 1);
    std::string out = fmt::format("{} units compiled again;", units);
    for (std::size_t i = 0; i < std::size(words); ++i)
        out += fmt::format("{} {} {}", i == 0 ? " images:" : ",", counts[i], words[i]);
    const u64 bad = counts[static_cast<u8>(Verdict::damaged)] + counts[static_cast<u8>(Verdict::different)];
    print(out + (bad == 0 ? "\n" : "; damaged and different ones were removed\n"));
    return bad == 0 ? 0 : 1;
}

int report_exchange(const Request& request, const Result<store::Exchanged>& done, std::string_view verb) {
    if (!done) return complain(request.who, "cache: " + done.error().message, 1);
    print(fmt::format("{} {} {} ({})\n", verb, done->images, images(done->images), size(done->bytes)));
    if (done->refused == 0) return 0;
    return complain(request.who,
                    fmt::format("cache: {} {} left out: damaged, of another version, or not to be written",
                                done->refused, images(done->refused)),
                    1);
}

int export_to(const Request& request) {
    return report_exchange(request, store::export_images(request.upkeep, request.operands[0]), "exported");
}

int import_from(const Request& request) {
    return report_exchange(request, store::import_images(request.upkeep, request.operands[0]), "imported");
}

int evict(const Request& request) {
    if (!request.older_than)
        return complain(request.who, "cache: evict needs --older-than=AGE, such as 30d", 2);
    const u64 removed = request.upkeep.evict_unused(static_cast<time_t>(*request.older_than));
    return print(fmt::format("removed {} {}\n", removed, images(removed)));
}

constexpr Action actions[] = {
    {"--show-stats", "-s", "", show_stats, "how much there is, and how often it was found; -v: all counts"},
    {"--zero-stats", "-z", "", zero_stats, "count from 0 again"},
    {"--clear", "-C", "", clear, "remove all images; programs that run keep what they have"},
    {"--cleanup", "-c", "", clean_up, "remove what is too much, and what ended writers left behind"},
    {"--max-size", "-M", "SIZE", set_max_size,
     "let the images take so much at most; k, M and G may follow the number"},
    {"--show-config", "-p", "", show_config,
     "where the images are (KILN_CACHE_DIR says it), and what is set"},
    {"list", "", "", list, "the images: size, units, last use, address and guest file; -v: their names"},
    {"verify", "", "", verify,
     "compile all units again from their guest files and compare; what is not right is removed"},
    {"export", "", "FILE", export_to, "write all images to a .tar.zst for other machines"},
    {"import", "", "FILE", import_from,
     "take the images of such a file over; it is code: only from whom you trust"},
    {"evict", "", "", evict,
     "remove images that were not used for so long: --older-than=30d (s, m, h, d, w)"},
};

/// Sorts the words into the request; gives what is wrong with them.
std::optional<std::string> read_words(Words words, Request& request, const Action*& action) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        const std::size_t equals = word.starts_with("--") ? word.find('=') : word.npos;
        std::optional<std::string_view> value;
        if (equals != word.npos) value = word.substr(equals + 1);
        word = word.substr(0, equals);
        const auto next = [&]() -> std::optional<std::string_view> {
            if (value) return value;
            return i + 1 < words.size() ? std::optional<std::string_view>(words[++i]) : std::nullopt;
        };
        if (word == "-v" || word == "--verbose") {
            request.verbose = true;
        } else if (word == "--json") {
            request.json = true;
        } else if (word == "--older-than") {
            const auto age = next();
            request.older_than = age ? read_age(*age) : std::nullopt;
            if (!request.older_than) return "--older-than needs an age, such as 30d";
        } else {
            const auto row = std::ranges::find_if(actions, [&](const Action& a) {
                return word == a.word || (!a.letter.empty() && word == a.letter);
            });
            if (row == std::end(actions)) return fmt::format("unknown action {}", word);
            if (action != nullptr) return "one action, please";
            action = &*row;
            if (row->operand.empty()) continue;
            const auto operand = next();
            if (!operand) return fmt::format("{} needs a {}", row->word, row->operand);
            request.operands.emplace_back(*operand);
        }
    }
    return action == nullptr ? std::optional<std::string>("say what to do") : std::nullopt;
}

}  // namespace

std::string cache_help() {
    std::string text =
        "usage: kiln cache ACTION [-v] [--json]\n\nCompiled code is kept on disk for the next process "
        "(docs/store.md).\n\n";
    for (const Action& action : actions) {
        const std::string_view comma = action.letter.empty() ? "" : ", ";
        const std::string words = fmt::format("{}{}{} {}", action.letter, comma, action.word, action.operand);
        text += in_columns({{2, words}, {26, action.sentence}});
    }
    return text;
}

int cache(const Personality& who, Words words) {
    if (words.size() == 1 && (std::string_view(words[0]) == "--help" || std::string_view(words[0]) == "-h"))
        return print(cache_help());
    Options options;
    if (auto read = read_environment(options, environ, who.dialect); !read)
        return complain(who, read.error().message, usage_status(who));
    const auto place = store::place_of(options.store_dir);
    if (!place) return complain(who, "cache: there is no HOME; KILN_CACHE_DIR says where the store is", 1);
    const store::Upkeep upkeep(*place);
    Request request{who, options, upkeep};
    const Action* action = nullptr;
    if (const auto wrong = read_words(words, request, action))
        return complain(who, fmt::format("cache: {}; kiln help cache explains", *wrong), usage_status(who));
    return action->function(request);
}

}  // namespace kiln::cli

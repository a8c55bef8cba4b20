// `kiln aot`: translating guest programs before they first run, into the store that running fills too.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/aot_build.h"
#include "cli/command.h"
#include "cli/help.h"
#include "store/upkeep.h"

namespace kiln::cli {
namespace {

/// What the words say.
struct Request {
    const Personality& who;
    Options options;
    std::vector<std::string> operands;
    unsigned parallel = std::max(1u, std::thread::hardware_concurrency());
};

struct Action {
    std::string_view word, operand;
    int (*function)(const Request& request);
    std::string_view sentence;
};

double mebibytes(u64 bytes) { return static_cast<double>(bytes) / (1 << 20); }

void show_skipped(const AotFiles& files, const Personality& who) {
    for (const std::string& line : files.skipped) complain(who, "aot: " + line, 0);
}

// ---- Actions ----

int build(const Request& request) {
    const auto begin = std::chrono::steady_clock::now();
    AotFiles files = find_aot_files(request.operands, request.options);
    const AotResult result = build_aot_files(files, request.options, request.parallel);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    show_skipped(files, request.who);
    print(
        fmt::format("translated {} files of {} programs and libraries: {} units, {} of them there before; "
                    "{:.1f} MiB of code in {:.1f} s\n",
                    result.files - result.failed, files.programs, result.found - result.refused, result.there,
                    mebibytes(result.host_bytes), seconds.count()));
    if (result.refused != 0)
        print(fmt::format("not translated: {} units, which are interpreted\n", result.refused));
    if (!files.skipped.empty()) print(fmt::format("skipped: {}, named above\n", files.skipped.size()));
    return files.complete && result.failed == 0 ? 0 : 1;
}

/// The images of files that the operands name; all images if there are none. `complete`: all operands are something.
std::vector<store::ImageFacts> images_of(const Request& request, const store::Upkeep& upkeep,
                                         bool& complete) {
    std::vector<store::ImageFacts> images = upkeep.list();
    complete = true;
    if (request.operands.empty()) return images;
    const AotFiles files = find_aot_files(request.operands, request.options);
    show_skipped(files, request.who);
    complete = files.complete;
    std::erase_if(images, [&](const store::ImageFacts& image) {
        return std::ranges::find(files.files, image.origin.path, &user::LinkedFile::path) ==
               files.files.end();
    });
    return images;
}

int info(const Request& request) {
    const store::Upkeep upkeep(*store::place_of(request.options.store_dir));
    const AotFiles files = find_aot_files(request.operands, request.options);
    show_skipped(files, request.who);
    const std::vector<store::ImageFacts> images = upkeep.list();
    for (const user::LinkedFile& file : files.files) {
        u64 units = 0, bytes = 0;
        for (const store::ImageFacts& image : images) {
            const bool is_own = image.identity && image.identity->build == upkeep.build();
            if (!is_own || image.origin.path != file.path) continue;
            units += image.units;
            bytes += image.bytes;
        }
        print(fmt::format("{:>9} units  {:>7.1f} MiB  {:#x}  {}\n", units, mebibytes(bytes), file.bias,
                          file.path));
    }
    return files.complete ? 0 : 1;
}

int clear(const Request& request) {
    const store::Upkeep upkeep(*store::place_of(request.options.store_dir));
    bool complete;
    u64 removed = 0;
    for (const store::ImageFacts& image : images_of(request, upkeep, complete))
        removed += upkeep.remove(image.name);
    print(fmt::format("removed {} {}\n", removed, removed == 1 ? "image" : "images"));
    return complete ? 0 : 1;
}

// What is built ahead of time is in the store like all else.
int as_cache(const Request& request, const char* action) {
    const char* const words[] = {action};
    if (!request.options.store_dir.empty()) setenv("KILN_CACHE_DIR", request.options.store_dir.c_str(), 1);
    return cache(request.who, words);
}
int list(const Request& request) { return as_cache(request, "list"); }
int verify(const Request& request) { return as_cache(request, "verify"); }

constexpr Action actions[] = {
    {"build", "PROG|DIR...", build,
     "translate programs and libraries, those in directories, and the libraries that they name"},
    {"info", "PROG|DIR...", info, "their files: units in the store, its size, what is added to addresses"},
    {"list", "", list, "as kiln cache list"},
    {"verify", "", verify, "as kiln cache verify: compile all of it again, and compare"},
    {"clear", "[PROG|DIR...]", clear, "remove what the store has of them and their libraries, or everything"},
};

/// Takes `-j N`, `-jN`, `--jobs N` and `--jobs=N` out of the words; gives what is wrong with them.
std::optional<std::string> read_jobs(std::vector<const char*>& words, unsigned& jobs) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        if (word == "--") break;
        std::string_view value;
        if (word == "-j" || word == "--jobs") {
            if (i + 1 == words.size()) return fmt::format("{} needs a number", word);
            value = words[i + 1];
            words.erase(words.begin() + static_cast<std::ptrdiff_t>(i));
        } else if (word.starts_with("--jobs=")) {
            value = word.substr(word.find('=') + 1);
        } else if (word.starts_with("-j")) {
            value = word.substr(2);
        } else {
            continue;
        }
        constexpr unsigned most = 1024;
        const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), jobs);
        if (error != std::errc{} || rest != value.data() + value.size() || jobs == 0 || jobs > most)
            return fmt::format("-j needs a number from 1 to {}", most);
        words.erase(words.begin() + static_cast<std::ptrdiff_t>(i--));
    }
    return std::nullopt;
}

/// Options and operands, in any order.
Result<void> read_words(std::vector<const char*> words, Request& request) {
    if (const auto wrong = read_jobs(words, request.parallel)) return fail(*wrong);
    for (std::size_t i = 0; i < words.size();) {
        const auto used = read_arguments(request.options, std::span(words).subspan(i));
        if (!used) return tl::unexpected(used.error());
        i += *used;
        if (i < words.size()) request.operands.emplace_back(words[i++]);
    }
    return {};
}

}  // namespace

std::string aot_help() {
    std::string text =
        "usage: kiln aot ACTION [-j N] [options of kiln run] [PROG|DIR...]\n\nTranslates programs before "
        "they "
        "first run (docs/store.md). Options that shape code, -L and --cache-dir\nmust be those that the "
        "programs "
        "will run with; --stats is one of them.\n\n";
    for (const Action& action : actions)
        text += in_columns(
            {{2, fmt::format("kiln aot {} {}", action.word, action.operand)}, {34, action.sentence}});
    return text +
           in_columns({{2, "-j N"}, {34, "so many processes at a time; without it, one for each processor"}});
}

int aot(const Personality& who, Words words) {
    if (words.size() == 1 && (std::string_view(words[0]) == "--help" || std::string_view(words[0]) == "-h"))
        return print(aot_help());
    Request request{.who = who, .options = {}, .operands = {}};
    const auto complain_about = [&](const std::string& wrong) {
        return complain(who, fmt::format("aot: {}; kiln help aot explains", wrong), usage_status(who));
    };
    if (words.empty()) return complain_about("say what to do");
    const auto action = std::ranges::find(actions, std::string_view(words[0]), &Action::word);
    if (action == std::end(actions)) return complain_about(fmt::format("unknown action {}", words[0]));
    if (auto read = read_environment(request.options, environ, who.dialect); !read)
        return complain(who, read.error().message, usage_status(who));
    if (auto read = read_words({words.begin() + 1, words.end()}, request); !read)
        return complain_about(read.error().message);
    if (action->operand.starts_with("PROG") && request.operands.empty())
        return complain_about(fmt::format("{} needs a program, a library or a directory", action->word));
    if (!store::place_of(request.options.store_dir))
        return complain(who, "aot: there is no HOME; --cache-dir or KILN_CACHE_DIR says where the store is",
                        1);
    return action->function(request);
}

}  // namespace kiln::cli

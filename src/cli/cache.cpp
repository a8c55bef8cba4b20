// `kiln cache`: what the store (store/directory.h) has, and doing away with it.
#include <fmt/format.h>

#include <unistd.h>

#include "cli/command.h"
#include "cli/help.h"
#include "store/directory.h"

namespace kiln::cli {
namespace {

struct Action {
    std::string_view word, letter;
    int (*function)(store::Directory& directory, const std::string& path);
    std::string_view sentence;
};

std::string size(u64 bytes) {
    constexpr double mib = 1 << 20;
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / mib);
}

int show(store::Directory& directory, const std::string& path) {
    const store::Directory::Usage usage = directory.usage();
    return print(fmt::format("directory  {}\nimages     {}\nsize       {}, at most {}\n", path, usage.images,
                             size(usage.bytes), size(store::DirectoryOptions{}.most_bytes)));
}

int clear(store::Directory& directory, const std::string&) {
    return print(fmt::format("removed {} images\n", directory.clear()));
}

int path_only(store::Directory&, const std::string& path) { return print(path + '\n'); }

constexpr Action actions[] = {
    {"--show", "-s", show,
     "how many images there are (one for each program or library, and way of compiling)"},
    {"--clear", "-C", clear, "remove all images; programs that run keep what they have"},
    {"--print-directory", "-p", path_only,
     "where they are: KILN_CACHE_DIR says it, else ~/.cache/kiln/units"},
};

}  // namespace

std::string cache_help() {
    std::string text =
        "usage: kiln cache ACTION\n\nCompiled code is kept on disk for the next process (docs/store.md).\n\n";
    for (const Action& action : actions)
        text += in_columns({{2, fmt::format("{}, {}", action.letter, action.word)}, {26, action.sentence}});
    return text;
}

int cache(const Personality& who, Words words) {
    if (words.size() == 1 && (std::string_view(words[0]) == "--help" || std::string_view(words[0]) == "-h"))
        return print(cache_help());
    if (words.size() != 1)
        return complain(who, "cache: one action, please; kiln help cache explains", usage_status(who));
    Options options;
    if (auto read = read_environment(options, environ, who.dialect); !read)
        return complain(who, read.error().message, usage_status(who));
    for (const Action& action : actions) {
        if (words[0] != action.word && words[0] != action.letter) continue;
        const auto place = store::place_of(options.store_dir);
        if (!place)
            return complain(who, "cache: there is no HOME; KILN_CACHE_DIR says where the store is", 1);
        store::Directory directory(*place);
        return action.function(directory, place->path);
    }
    return complain(who, fmt::format("cache: unknown action {}; kiln help cache explains", words[0]),
                    usage_status(who));
}

}  // namespace kiln::cli

#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/build_id.h"

namespace kiln::cli {

namespace {

constexpr size_t page_width = 100;

std::string_view title(OptionGroup group) {
    switch (group) {
        case OptionGroup::guest: return "The program and what it sees";
        case OptionGroup::engine: return "The engine";
        case OptionGroup::proof: return "Proving it right";
        case OptionGroup::watch: return "Watching it";
        case OptionGroup::compat: return "Accepted as qemu-user's, without effect";
        case OptionGroup::about: return "About Kiln";
    }
    return {};
}
constexpr OptionGroup groups[] = {OptionGroup::guest, OptionGroup::engine, OptionGroup::proof,
                                  OptionGroup::watch, OptionGroup::compat, OptionGroup::about};

/// `text` on lines of at most page_width columns; all but the first are indented by `indent`, where the first
/// begins.
std::string wrapped(std::string_view text, size_t indent) {
    std::string out;
    size_t column = indent;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column != indent && column + 1 + word.size() > page_width) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
        } else if (column != indent) {
            out += ' ';
            column++;
        }
        out += word;
        column += word.size();
    }
    return out;
}

/// What stands for an option's value; empty when it has none.
std::string value_name(OptionId id) {
    if (!info(id).value.empty()) return std::string(info(id).value);
    std::string names;
    for (const NamedValue& value : option_values(id)) (names += names.empty() ? "" : "|") += value.name;
    return names;
}

/// "--stats[=off|text|json]".
std::string long_form(OptionId id) {
    const OptionInfo& option = info(id);
    const std::string value = value_name(id);
    std::string suffix;
    if (!value.empty()) suffix = option.needs_value() ? "=" + value : "[=" + value + "]";
    return fmt::format("--{}{}", option.name, suffix);
}

/// The sentence, with the default where there is one worth naming.
std::string sentence(OptionId id) {
    const std::string initial = Options::default_text(id);
    if (initial.empty() || info(id).is_flag()) return std::string(info(id).sentence);
    return fmt::format("{} (default: {})", info(id).sentence, initial);
}

template <class Row>
std::string grouped(Row row_of) {
    std::string out;
    for (OptionGroup group : groups) {
        fmt::format_to(std::back_inserter(out), "\n{}:\n", title(group));
        for (size_t i = 0; i < option_count; i++)
            if (info(static_cast<OptionId>(i)).group == group) out += row_of(static_cast<OptionId>(i));
    }
    return out;
}

std::string option_list() {
    return grouped([](OptionId id) {
        const OptionInfo& option = info(id);
        const std::string short_form = option.qemu.size() == 1 ? fmt::format("-{},", option.qemu) : "";
        const std::string variable = option.has_variable ? variable_name(option) : "";
        return in_columns({{2, short_form}, {6, long_form(id)}, {31, variable}, {49, sentence(id)}});
    });
}

constexpr std::string_view environment_note =
    "An option's variable sets it too; the command line wins. A nested program, one that the guest\n"
    "starts, runs under the same options.\n";

}  // namespace

std::string in_columns(std::initializer_list<std::pair<size_t, std::string_view>> cells) {
    std::string text;
    size_t begin = 0;  // of the last line
    for (const auto& [column, cell] : cells) {
        if (text.size() >= begin + column) {
            text += '\n';
            begin = text.size();
        }
        text.resize(begin + column, ' ');
        text += wrapped(cell, column);
    }
    return text + '\n';
}

std::string version_line(const Personality& who) {
    const std::string build = build_id().substr(0, 16);
    const std::string kiln =
        fmt::format("kiln {} (build {})", KILN_VERSION, build.empty() ? "without an id" : build);
    return who.dialect == Dialect::qemu ? fmt::format("{}: {}\n", who.name, kiln) : kiln + "\n";
}

std::string short_usage() {
    std::string out = "usage:";
    for (const Command& command : commands)
        fmt::format_to(std::back_inserter(out), "{} kiln {} {}\n", out.size() > 6 ? "      " : "",
                       command.name, command.arguments);
    return out + "       kiln --help | --version\n";
}

std::string overview() {
    std::string out =
        "Kiln runs Linux programs that were built for another processor (riscv64) on this one.\n"
        "It needs no set-up: give it a program.\n\nCommands:\n";
    for (const Command& command : commands)
        out += in_columns(
            {{2, fmt::format("kiln {} {}", command.name, command.arguments)}, {46, command.sentence}});
    out +=
        "  `run` may be left out before an option or a path with a slash in it: kiln ./hello\n"
        "\nExamples:\n"
        "  kiln ./hello                                run a static riscv64 program\n"
        "  kiln run -L /srv/riscv64 /bin/ls -l /       a dynamic one, its libraries in a directory tree\n"
        "  kiln run --stats --strace ./hello           show its system calls, then what the engine did\n"
        "\nCalled as qemu-riscv64 (a link to kiln does it), Kiln takes qemu-user's options and variables.\n"
        "\nOptions of `kiln run`, with the environment variables that set them too (the command line "
        "wins):\n";
    return out + option_list();
}

std::string run_help() {
    std::string out =
        "usage: kiln run [options] [--] program [arguments]\n\n"
        "Runs a riscv64 Linux program in this process and ends with its exit status; if a signal ends the\n"
        "program, kiln dies by that signal. When there is nothing to run: 127, no such program; 126, it "
        "cannot\n"
        "be run; 2, wrong usage.\n\n";
    out += environment_note;
    return out + option_list();
}

std::string options_help() {
    std::string out =
        "Every option of `kiln run`, by all its names. Each can be written --name=VALUE or --name VALUE.\n\n";
    out += environment_note;
    return out + grouped([](OptionId id) {
               const OptionInfo& option = info(id);
               std::string text = in_columns({{2, long_form(id)}});
               const auto fact = [&](std::string_view key, std::string_view value) {
                   if (!value.empty()) text += in_columns({{6, key}, {18, value}});
               };
               text += in_columns({{6, option.sentence}});
               if (option.has_variable) fact("variable", variable_name(option));
               if (!option.qemu.empty())
                   fact("qemu-user", fmt::format("-{} {}", option.qemu, option.qemu_variable));
               if (!option.is_flag()) fact("default", Options::default_text(id));
               for (const NamedValue& value : option_values(id))
                   text += in_columns({{6, value.name}, {18, value.sentence}});
               return text;
           });
}

std::string qemu_help(const Personality& who) {
    std::string out = fmt::format(
        "usage: {} [options] program [arguments...]\n\n"
        "This is Kiln, with the options and variables of qemu-user; `kiln help options` has more names.\n"
        "An option's value is the word after it. Lists are separated by commas, or the option is repeated.\n",
        who.name);
    return out + grouped([](OptionId id) {
               const OptionInfo& option = info(id);
               const std::string value = value_name(id);
               const std::string name =
                   option.qemu.empty() ? long_form(id)
                                       : fmt::format("-{}{}{}", option.qemu, value.empty() ? "" : " ", value);
               const std::string variable = !option.qemu_variable.empty() ? std::string(option.qemu_variable)
                                            : option.has_variable         ? variable_name(option)
                                                                          : "";
               return in_columns({{2, name}, {28, variable}, {47, sentence(id)}});
           });
}

std::string values_help(OptionId id) {
    std::string out = fmt::format("--{}:\n", info(id).name);
    for (const NamedValue& value : option_values(id))
        out += in_columns({{2, value.name}, {14, value.sentence}});
    return out;
}

int help(const Personality& who, Words words) {
    if (words.empty()) return print(overview());
    const std::string_view topic = words[0];
    if (topic == "run") return print(run_help());
    if (topic == "options") return print(options_help());
    if (topic == "binfmt") return print(binfmt_help());
    if (topic == "cache") return print(cache_help());
    if (topic == "aot") return print(aot_help());
    if (topic == "help" || topic == "--help" || topic == "-h") return print(short_usage());
    return complain(
        who, fmt::format("there is no help on {}; there is on run, options, binfmt, cache and aot", topic),
        usage_status(who));
}

}  // namespace kiln::cli

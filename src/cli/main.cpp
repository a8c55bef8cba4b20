// The executable's entry: who was called, which command is meant. Commands are rows of `commands`; the names
// by which kiln acts as something else are rows of `personalities`.
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/log.h"
#include "cli/command.h"
#include "cli/help.h"

namespace kiln::cli {

namespace {

constexpr Personality kiln_itself{"kiln", Dialect::kiln, "riscv64", Caller::person};
constexpr Personality personalities[] = {
    {"qemu-riscv64", Dialect::qemu, "riscv64", Caller::person},
    {"qemu-riscv64-static", Dialect::qemu, "riscv64", Caller::person},
    // Debian's link for binfmt_misc, for kernels that do not say themselves who calls.
    {"riscv64-binfmt-P", Dialect::qemu, "riscv64", Caller::binfmt_with_argv0},
};

/// AT_FLAGS says that binfmt_misc kept the program's argv[0] (include/uapi/linux/binfmts.h).
constexpr unsigned long at_flags_preserve_argv0 = 1;

Personality personality(std::string_view called) {
    const std::string_view name = called.substr(called.find_last_of('/') + 1);
    const auto row = std::ranges::find(personalities, name, &Personality::name);
    Personality who = row == std::end(personalities) ? kiln_itself : *row;
    if (getauxval(AT_FLAGS) & at_flags_preserve_argv0)
        who.caller = Caller::binfmt_with_argv0;
    else if (who.caller == Caller::person && opened_by_kernel() >= 0)
        who.caller = Caller::binfmt;
    return who;
}

/// `kiln` without or with a word that is no command: `run` may be left out before an option and before a
/// path.
int without_command(const Personality& who, Words words) {
    if (words.empty()) {
        write_all(STDERR_FILENO, short_usage());
        return usage_status(who);
    }
    const std::string_view word = words[0];
    if (word == "--help" || word == "-h") return help(who, {});
    if (word.starts_with('-') || word.find('/') != word.npos) return run(who, words);

    std::string message = "there is no command " + std::string(word);
    std::string_view names[std::size(commands)];
    std::ranges::transform(commands, names, &Command::name);
    if (const std::string_view near = nearest(word, names); !near.empty())
        message += "; did you mean kiln " + std::string(near) + "?";
    else
        message += "; to run a program: kiln run " + std::string(word);
    return complain(who, message, usage_status(who));
}

int start(int argc, const char* const* argv) {
    const Words words(argv + 1, argc > 0 ? static_cast<size_t>(argc) - 1 : 0);
    const Personality who = personality(argc > 0 ? argv[0] : "");
    if (who.dialect == Dialect::qemu || who.caller != Caller::person) return run(who, words);

    const auto row = words.empty() ? std::end(commands)
                                   : std::ranges::find(commands, std::string_view(words[0]), &Command::name);
    if (row == std::end(commands)) return without_command(who, words);
    return row->function(who, words.subspan(1));
}

}  // namespace

int complain(const Personality& who, std::string_view message, int status) {
    std::string line(who.name);
    ((line += ": ") += message) += '\n';
    write_all(STDERR_FILENO, line);
    return status;
}

int opened_by_kernel() {
    errno = 0;
    const unsigned long descriptor = getauxval(AT_EXECFD);
    return errno == 0 ? static_cast<int>(descriptor) : -1;
}

int print(std::string_view text) { return write_all(STDOUT_FILENO, text) ? 0 : 1; }

}  // namespace kiln::cli

int main(int argc, char** argv) { return kiln::cli::start(argc, argv); }

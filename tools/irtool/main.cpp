// irtool: a workbench for the IR. `irtool help` lists the commands (commands.def).
//
// Exceptions are used here and nowhere in the engine: a command that cannot go on throws Unusable.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "arguments.h"
#include "opt/passes.h"

namespace kiln::irtool {
namespace {

struct Command {
    std::string_view name, arguments, meaning;
    int (*run)(const Arguments&);
};

constexpr Command commands[] = {
#define COMMAND(name, arguments, meaning) {#name, arguments, meaning, name},
#include "commands.def"
#undef COMMAND
};

int dispatch(std::span<char* const> words) {
    std::string_view name = words.empty() ? "help" : words[0];
    const auto asks_for_help = [](std::string_view word) { return word == "--help" || word == "-h"; };
    if (std::ranges::any_of(words, asks_for_help)) name = "help";
    for (const Command& command : commands)
        if (command.name == name) return command.run(Arguments(words.subspan(words.empty() ? 0 : 1)));
    throw Unusable{fmt::format("no command is called '{}'; see irtool help", name)};
}

}  // namespace

int help(const Arguments&) {
    fmt::print("irtool: look at, check, change and run Kiln's intermediate representation.\n\nusage:\n");
    for (const Command& command : commands)
        fmt::print("  irtool {} {}\n      {}\n", command.name, command.arguments, command.meaning);
    fmt::print(
        "\nFILE holds functions in the text form of src/ir/print.h, for riscv64; - is the standard input.\n"
        "LEVEL is none, tier0 or full (src/opt/pipeline.h). Passes:\n");
    for (const opt::Pass& pass : opt::passes()) fmt::print("  {:<24}{}\n", pass.name, pass.meaning);
    fmt::print(
        "\nrun and diff give the guest memory from 0x100000 to 0x101000, and the soft MMU shows it three "
        "times from\n"
        "0x200000, the last time for reading alone; all else faults. Slots are riscv64's and two of every "
        "type:\n"
        "i8_a, i8_b, v128_a, ... A function that does not end is given up after --seconds, 10 if not said.\n"
        "Exit codes: 0 good; 1 the answer is no; 2 bad arguments or unreadable input.\n"
        "\nexamples:\n"
        "  irtool lift 13050500 --level=full\n"
        "  irtool lift --elf=a.out --symbol=main | irtool opt - --passes=copy_propagation,fold\n"
        "  irtool diff unit.ir --level=full --states=1000\n"
        "  irtool reduce unit.ir --test='! irtool diff {{}} --level=full' > small.ir\n");
    return exit_good;
}

}  // namespace kiln::irtool

int main(int argc, char** argv) {
    try {
        return kiln::irtool::dispatch({argv + 1, static_cast<std::size_t>(argc - 1)});
    } catch (const kiln::irtool::Unusable& problem) {
        fmt::print(stderr, "irtool: {}\n", problem.message);
        return kiln::irtool::exit_unusable;
    }
}

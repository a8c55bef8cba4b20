// run, emit and diff.
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "emit/translate.h"
#include "input.h"
#include "ir/print.h"
#include "run_ir.h"

namespace kiln::irtool {
namespace {

Outcome run_on(Runner& runner, const ir::Function& f, const GuestState& initial) {
    Result<Outcome> outcome = runner.run(f, initial);
    if (!outcome) throw Unusable{outcome.error().message};
    return std::move(*outcome);
}

GuestState initial_state(const Arguments& arguments) {
    GuestState state;
    for (const std::string& setting : split(arguments.find("set").value_or(""))) {
        const std::size_t equals = setting.find('=');
        const std::string name = setting.substr(0, equals);
        const auto slot = env.layout->find(name);
        if (!slot || equals == std::string::npos)
            throw Unusable{
                fmt::format("'{}' is not SLOT=VALUE with a slot of {}", setting, env.layout->name)};
        state.slots[word_of(*slot)] = parse_number(setting.substr(equals + 1));
    }
    return state;
}

/// Loops within a function do not poll: only a signal gets out of one that does not end.
void give_up_after(const Arguments& arguments) {
    std::signal(SIGALRM, [](int) {
        constexpr std::string_view message = "irtool: the function does not end; --seconds gives it longer\n";
        if (write(STDERR_FILENO, message.data(), message.size()) < 0) _exit(exit_unusable);
        _exit(exit_unusable);
    });
    alarm(static_cast<unsigned>(arguments.number("seconds", 10, 1)));
}

}  // namespace

int run(const Arguments& arguments) {
    arguments.allow({"set", "level", "passes", "verify-each", "seconds"});
    ir::Function f = read_one(arguments.operands(1)[0]);
    optimize(f, arguments);
    give_up_after(arguments);
    Runner runner;
    const Outcome outcome = run_on(runner, f, initial_state(arguments));
    fmt::print("exit: {}\n", describe_exit(outcome));
    fmt::print("instructions: {}\n", outcome.instructions);
    for_each_word([&](std::string_view name, unsigned i) {
        if (outcome.state.slots[i] != 0) fmt::print("{:<10}{:#x}\n", name, outcome.state.slots[i]);
    });
    if (outcome.state.fp_flags != 0) fmt::print("{:<10}{:#x}\n", "fp flags", outcome.state.fp_flags);
    return exit_good;
}

int emit(const Arguments& arguments) {
    arguments.allow({"level", "passes", "verify-each"});
    ir::Function f = read_one(arguments.operands(1)[0]);
    optimize(f, arguments);
    emit::Translator translator(emit::host_features(), {.listing = true});
    abi::UnitCode code;
    const bool region = arguments.find("level") == "region";
    if (const auto made = region ? translator.translate_region(f, code) : translator.translate(f, code);
        !made) {
        fmt::print("no code for {}\n", made.error().message);
        return exit_negative;
    }
    fmt::print("{}", code.listing);
    return exit_good;
}

int diff(const Arguments& arguments) {
    arguments.allow({"passes", "level", "verify-each", "states", "seed", "seconds"});
    const auto& paths = arguments.operands();
    if (paths.empty() || paths.size() > 2) throw Unusable{"one or two files expected"};
    if (paths.size() == 1 && !arguments.flag("passes") && !arguments.flag("level"))
        throw Unusable{"one file is compared with what --passes or --level make of it"};
    const ir::Function first = read_one(paths[0]);
    ir::Function second = read_one(paths.back());
    optimize(second, arguments);

    give_up_after(arguments);
    Runner runner;
    std::mt19937_64 random(arguments.number("seed", 1));
    const u64 states = arguments.number("states", 100, 1);
    for (u64 i = 0; i < states; ++i) {
        const GuestState initial = random_state(random);
        const auto found =
            difference(initial, run_on(runner, first, initial), run_on(runner, second, initial));
        if (!found) continue;
        fmt::print("state {} of {}:\n{}\nfirst:\n{}\nsecond:\n{}", i + 1, states, *found, ir::print(first),
                   ir::print(second));
        return exit_negative;
    }
    fmt::print("the same on {} states\n", states);
    return exit_good;
}

}  // namespace kiln::irtool

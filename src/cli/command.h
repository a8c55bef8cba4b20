// What the commands of the executable share: who was called, and how it speaks.
#pragma once

#include <span>
#include <string_view>

#include "base/options.h"

namespace kiln::run {
struct EngineOptions;
}

namespace kiln::cli {

/// Who writes the words: somebody who knows options, or the kernel's binfmt_misc, which hands over a program
/// and its words and nothing else; with its flag P the program's own argv[0] stands between the two.
enum class Caller : u8 { person, binfmt, binfmt_with_argv0 };

/// A name that the executable is called by.
struct Personality {
    std::string_view name;  ///< argv[0] without directories; what messages begin with
    Dialect dialect;
    std::string_view machine;  ///< the guest's, as uname -m says it
    Caller caller;
};

/// The words after a command's name.
using Words = std::span<const char* const>;

/// The exit status of wrong usage: as qemu-user's, or as is usual for commands.
constexpr int usage_status(const Personality& who) { return who.dialect == Dialect::qemu ? 1 : 2; }

/// Prints "<name>: <message>" to standard error and returns `status`.
int complain(const Personality& who, std::string_view message, int status);

/// Prints to standard output and returns the status 0, or 1 when that fails.
int print(std::string_view text);

/// The program's file, which binfmt_misc opened for us (AT_EXECFD, its flag O); -1: none.
int opened_by_kernel();

/// What options say of the engine (run.cpp).
run::EngineOptions engine_options(const Options& options);

// The commands; each takes the words after its name and returns the exit status.
int run(const Personality& who, Words words);     // run.cpp; also all that the qemu-user personalities do
int help(const Personality& who, Words words);    // help.cpp
int binfmt(const Personality& who, Words words);  // binfmt.cpp
int cache(const Personality& who, Words words);   // cache.cpp
int aot(const Personality& who, Words words);     // aot.cpp

struct Command {
    std::string_view name;
    int (*function)(const Personality& who, Words words);
    std::string_view arguments;
    std::string_view sentence;
};
inline constexpr Command commands[] = {
    {"run", run, "[options] program [arguments]", "run a Linux program that was built for another processor"},
    {"binfmt", binfmt, "--install | --uninstall | --status | ...",
     "make the kernel start programs of another processor with kiln"},
    {"cache", cache, "--show-stats | list | verify | ...", "look after the code that is kept on disk"},
    {"aot", aot, "build PROG|DIR... | info | ...", "translate programs before they first run"},
    {"help", help, "[run | options | binfmt | cache | aot]",
     "explain a command, or every option with all its names and values"},
};

}  // namespace kiln::cli

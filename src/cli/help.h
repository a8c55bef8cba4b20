// The help texts. What they say about options comes from options.def alone.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "cli/command.h"

namespace kiln::cli {

/// One line: the version and the build.
std::string version_line(const Personality& who);

/// What the wrong call of `kiln` is answered with.
std::string short_usage();

/// kiln --help.
std::string overview();
/// kiln run --help.
std::string run_help();
/// kiln help options: every option with its variable, qemu-user's names, its values and its default.
std::string options_help();
/// qemu-riscv64 -h.
std::string qemu_help(const Personality& who);

/// kiln binfmt --help (binfmt.cpp).
std::string binfmt_help();
/// kiln cache --help (cache.cpp).
std::string cache_help();
/// kiln aot --help (aot.cpp).
std::string aot_help();

/// Cells side by side: each begins in its column, on a line of its own when the one before is too long for
/// that. Ends with a new line.
std::string in_columns(std::initializer_list<std::pair<size_t, std::string_view>> cells);

/// The values that an option can have, a line each.
std::string values_help(OptionId id);

}  // namespace kiln::cli

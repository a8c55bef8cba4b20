// Translating whole guest files for the store, ahead of time: which files, in which order, by how many processes.
#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "linux/linked_files.h"

namespace kiln::cli {

/// Files that belong to what somebody named, and why others do not.
struct AotFiles {
    std::vector<user::LinkedFile> files;  ///< ascending, each place of each file once
    std::vector<std::string> skipped;     ///< a line each, for people
    u64 programs = 0;                     ///< and libraries, that were named or are in directories that were
    bool complete = true;                 ///< everything that was named is something to translate
};

/// `operands` are guest paths of programs, libraries and directories.
AotFiles find_aot_files(const std::vector<std::string>& operands, const Options& options);

struct AotResult {
    u64 files = 0, failed = 0;
    u64 found = 0, there = 0, refused = 0, host_bytes = 0;  ///< run::BuiltAhead's, summed
};

/// Translates the files, by `parallel` processes at a time, and shows how it goes on standard error. The failures' lines are
/// added to AotFiles::skipped.
AotResult build_aot_files(AotFiles& files, const Options& options, unsigned parallel);

}  // namespace kiln::cli

// Reading IR, and the choice of passes that several commands share.
#pragma once

#include "arguments.h"
#include "ir/function.h"

namespace kiln::irtool {

/// A file's bytes; "-" is the standard input.
std::string read_file(const std::string& path);
/// Every function of a file. Errors are `path:line: what`.
std::vector<ir::Function> read_functions(const std::string& path);
/// The only function of a file, verified.
ir::Function read_one(const std::string& path);

/// Runs what --passes or --level say; nothing when neither is given. With --verify-each, aborts with the IR
/// after the first pass that breaks an invariant.
void optimize(ir::Function& f, const Arguments& arguments);

}  // namespace kiln::irtool

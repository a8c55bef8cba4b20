// execve(2): programs of the guest's architecture run under another kiln, all others as they are.
#pragma once

#include <string>
#include <vector>

namespace kiln::user {

/// The working memory of one execve(2).
struct ExecWork {
    std::vector<std::string> args;
    std::vector<std::string> environment;
    std::string path;                  ///< as the guest knows it
    std::string host_path;             ///< where the host finds it
    std::vector<std::string> command;  ///< what the host is given
    std::vector<char*> argv, envp;
};

/// Opens kiln's own program file, for exec; once, at the start. Closed by exec, and above what guests get.
void open_own_executable();
/// The descriptor; -1: none (then /proc/self/exe serves).
int own_executable();

}  // namespace kiln::user

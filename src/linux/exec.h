// execve(2): programs of the guest's architecture run under another kiln, all others as they are.
#pragma once

#include <string>
#include <vector>

namespace kiln::user {

/// The working memory of one execve(2).
struct ExecWork {
    std::vector<std::string> args;
    std::vector<std::string> environment;
    std::string exec_name;             ///< what was asked for: a program or a script
    std::string path;                  ///< the program, as the guest knows it
    std::string host_path;             ///< where the host finds it
    std::vector<std::string> command;  ///< what kiln is given
    std::vector<char*> argv, envp;
};

/// Opens kiln's own program file, for exec; once, at the start. Closed by exec, and above what guests get.
void open_own_executable(bool started_by_binfmt);
/// The descriptor; -1: none, then nested guests start where binfmt_misc has an entry for them.
int own_executable();
/// From now on it is this one.
void move_own_executable(int fd);

}  // namespace kiln::user

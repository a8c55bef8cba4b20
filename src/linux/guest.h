// Running a Linux program of another architecture in this process. What -strace and -d print goes through
// base/log.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "linux/arch.h"
#include "run/debuggee.h"
#include "run/engine.h"

namespace kiln::user {

/// What run_program needs to know. Strings are as a shell gives them; nothing is read from the environment.
struct RunRequest {
    /// The guest program: a path looked up in the sysroot first when absolute.
    std::string program;
    /// What execve(2) was called with: the program, or a script that it interprets.
    std::string exec_name;
    /// Its file if it is open already (binfmt_misc's O flag, a program without a path), else -1. Closed when it is loaded.
    int program_file = -1;
    /// Whether binfmt_misc started this process for the program.
    bool started_by_binfmt = false;
    /// The guest's argv, argv[0] included.
    std::vector<std::string> args;
    /// The guest's environment, NAME=value.
    std::vector<std::string> environment;
    /// Where absolute guest paths are looked up first; empty: nowhere.
    std::string sysroot;
    run::EngineOptions engine;
    /// Guest address 0 at this host address; without it where there is room, 0 preferred.
    std::optional<u64> guest_base;
    /// The size of the guest's stack in bytes; 0: as the soft limit says.
    u64 stack_bytes = 0;
    /// Limits on memory that the guest has from the start, as MemoryLimits::begin() takes them.
    std::vector<std::string> limits;
    /// Seconds between two times that compiled units go to the store while the program runs; 0: only when it ends.
    u64 save_every = 0;
    /// Makes the AT_RANDOM bytes the same in every run.
    std::optional<u64> seed;
    /// uname(2)'s release; empty: the host's if it is 6 or newer, else 6.1.0.
    std::string release;
    /// Serves whoever debugs the guest; null: nobody. Must outlive the process's last guest thread.
    run::Debugger* debugger = nullptr;
    /// A guest that the guest starts runs as: kiln <nested_options> -0 argv0 -- program args...
    std::vector<std::string> nested_options;
    /// Called in the process that ends, just before it does so by exit_group(2) or a fatal signal; not when
    /// the kernel ends it. For statistics.
    void (*at_exit)(const class Process&) = nullptr;
};

/// Why no program ran: `error.message` for a person, and the exit status a shell would give (126, 127 or 1).
struct StartFailure {
    Error error;
    int exit_status;
};

/// Runs the program until it ends and returns its exit status; if a signal ends it, the process dies by that
/// signal and this does not return. When no program could be started `failure` is set and the result is its
/// exit status. Once for each process, on its main thread.
int run_program(const RunRequest& request, std::optional<StartFailure>& failure);

}  // namespace kiln::user

// What the threads of the guest process share.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/log.h"
#include "linux/guest.h"
#include "linux/limits.h"
#include "linux/loader.h"
#include "linux/robust_list.h"
#include "linux/signal_table.h"
#include "linux/syscalls.h"
#include "mem/address_space.h"

namespace kiln::user {

class DebuggedProcess;

class Process {
  public:
    Process(const RunRequest& run_request, const Arch& guest_arch, mem::AddressSpace& space,
            run::Engine& run_engine, const Sysroot& root)
        : request(run_request), arch(guest_arch), memory(space), engine(run_engine), sysroot(root) {}

    const RunRequest& request;
    const Arch& arch;
    mem::AddressSpace& memory;
    run::Engine& engine;
    const Sysroot& sysroot;

    SignalTable signals;
    /// What runs, as it was loaded.
    LoadedProgram program;

    MemoryLimits limits;
    std::mutex limits_mutex;

    RobustLists robust_lists;

    /// Null unless the process is debugged.
    DebuggedProcess* debugged = nullptr;
    /// Whether keep_units() does anything, here and in what this process starts.
    std::atomic<bool> saves_units = true;
    /// When units are next given to the store although the process goes on, in seconds of the monotonic clock; 0: nothing was
    /// made yet.
    std::atomic<i64> save_due = 0;
    /// Guest threads alive in this process.
    std::atomic<unsigned> threads = 0;
    /// How often each system call was made. Relaxed: only ever read for statistics.
    std::array<std::atomic<u64>, call_numbers> calls{};
    /// The numbers that `-d unimp` has named; those without a row share the last.
    std::array<Once, call_numbers + 1> unimplemented_said;
    /// System calls by name, those that were made, for the report.
    std::vector<NamedCount> call_counts() const;
};

/// Makes the address space keep the guest's limits as they are now. Under limits_mutex, once there is a second
/// thread.
void bind_memory(Process& process);

}  // namespace kiln::user

// What the threads of the guest process share.
#pragma once

#include <atomic>
#include <bitset>
#include <mutex>
#include <string>
#include <vector>

#include "linux/guest.h"
#include "linux/loader.h"
#include "linux/signal_table.h"
#include "linux/syscalls.h"
#include "mem/address_space.h"

namespace kiln::user {

class Process {
  public:
    Process(const RunRequest& run_request, const Arch& guest_arch, mem::AddressSpace& space, run::Engine& run_engine,
            const Sysroot& root)
        : request(run_request), arch(guest_arch), memory(space), engine(run_engine), sysroot(root) {}

    const RunRequest& request;
    const Arch& arch;
    mem::AddressSpace& memory;
    run::Engine& engine;
    const Sysroot& sysroot;

    SignalTable signals;
    /// The page with arch.return_code().
    GuestAddr return_code;
    /// The program that runs, as the host finds it: what /proc/self/exe names.
    std::string executable;
    /// The auxiliary vector's bytes, for /proc/self/auxv.
    std::vector<u8> auxv;

    /// Guest threads alive in this process.
    std::atomic<unsigned> threads = 0;
    /// How often each system call was made. Relaxed: only ever read for statistics.
    std::array<std::atomic<u64>, call_numbers> calls{};
    /// The numbers that `-d unimp` has named, a bit each.
    std::array<std::atomic<u64>, call_numbers / 64 + 1> unimplemented_seen{};
};

/// A line for the log (-D file or standard error), written at once so that lines of threads do not mix.
void log_line(const Process& process, std::string_view line);

}  // namespace kiln::user

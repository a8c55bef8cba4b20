// A static riscv64 program that runs streams, each from each of its inputs, and writes what they leave.
//
// The program has no library and needs write, exit, sigaltstack and rt_sigaction of the system. Its parts are
// at fixed addresses, so that a register that holds an address holds the same one everywhere.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "fuzz/riscv64/stream.h"

namespace kiln::fuzz {

/// Where the program's parts are.
struct Layout {
    static constexpr u64 text = 0x10000;
    static constexpr u64 blocks = 0x1000000;      ///< one Block for each run of a stream
    static constexpr u64 runtime = 0x35a57000;    ///< variables and the signal stack
    static constexpr u64 read_only = 0x40000000;  ///< two pages without write permission
    static constexpr u64 edge = 0x48000000;       ///< the program's last page, nothing is mapped behind it
    static constexpr u64 page = 4096;
    /// The bytes at the edge page's end are zero when a run begins.
    static constexpr u64 edge_bytes = 64;
};

/// The state that a run begins with, and after it the state that it left: what the program writes, one for
/// each run.
struct Block {
    u64 x[32];  ///< x0's is not used
    u64 f[32];
    u64 fcsr;
    u64 signal;       ///< of the fault that ended the run; 0: none
    u64 signal_code;  ///< si_code
    u64 signal_address;
    u64 signal_pc;
    u64 context_hash;  ///< over the registers in the signal's context
    u64 edge[Layout::edge_bytes / 8];
    u64 enter, leave;  ///< for the stream's anchor: what loads the state and what keeps it
    u64 head;          ///< where the stream begins
    u64 reserved[15];
    u64 window[window_bytes / 8];  ///< the memory that is the run's own
};
static_assert(sizeof(Block) == 1024 && offsetof(Block, window) % 64 == 0);

/// A run in the program's order: streams[stream] from inputs[input].
struct RunId {
    size_t stream, input;
};

struct Program {
    std::string elf;
    u64 blocks_offset = 0;              ///< of the first block in `elf`
    std::vector<RunId> runs;            ///< in the order of the blocks
    std::vector<u64> stream_addresses;  ///< of each stream's first item
};

/// What fits the reach of the program's jumps.
constexpr size_t max_streams = 4000;

/// The program that runs all of `streams`.
Program build_program(const std::vector<Stream>& streams);

/// The bytes that the program writes: the edge page, then the blocks.
inline size_t output_bytes(size_t runs) { return Layout::page + runs * sizeof(Block); }

}  // namespace kiln::fuzz

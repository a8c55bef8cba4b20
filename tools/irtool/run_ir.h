// Running one riscv64 IR function in the interpreter on a made-up state, and comparing what came out.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "abi/riscv64/state.h"
#include "ir/function.h"

namespace kiln::irtool {

/// The guest memory that exists: everything else faults.
inline constexpr u64 window_begin = 0x100000, window_bytes = 0x1000;
/// Bytes reserved around guest address 0, so that small addresses of either sign hit nothing of ours.
inline constexpr u64 reserved_below = u64{1} << 32, reserved_above = u64{1} << 32;

/// A state before or after a run: slots in the layout's order.
struct GuestState {
    std::array<u64, 67> slots{};
    u64 fp_flags = 0;
    std::vector<u8> memory = std::vector<u8>(window_bytes);
};

struct Outcome {
    abi::ExitReason reason{};
    GuestState state;
    abi::Fault fault;      ///< of ExitReason::fault
    u64 side_exit = 0;     ///< of ExitReason::side_exit
    u64 instructions = 0;  ///< guest instructions counted
};

/// A state of numbers that matter: small ones, addresses in and around the window, boxed floats, extremes.
GuestState random_state(std::mt19937_64& random);

class Runner {
  public:
    Runner();
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// Runs `f`, which is well formed, once. The error says why the interpreter cannot.
    Result<Outcome> run(const ir::Function& f, const GuestState& initial);

  private:
    struct Machine;
    std::unique_ptr<Machine> machine_;
};

/// Nothing when the two are the same; else a table with a row for each thing, the differing ones marked `*`.
/// Rows that agree with each other and with `initial` are left out.
std::optional<std::string> difference(const GuestState& initial, const Outcome& a, const Outcome& b);
/// The exit as text: reason and what belongs to it.
std::string describe_exit(const Outcome& outcome);

}  // namespace kiln::irtool

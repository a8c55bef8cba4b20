// Running one IR function in the interpreter on a made-up state, and comparing what came out. Functions are
// for `env`: riscv64's slots, and besides two of every type, so that all of the IR can be tried.
#pragma once

#include <array>
#include <functional>
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
/// Bytes reserved around guest address 0, so that small addresses of either sign hit nothing of ours; above that is all of
/// 32 bits and the offset of an access to the last of them.
inline constexpr u64 reserved_below = u64{1} << 32, reserved_above = u64{1} << 33;

/// The guest virtual memory of the Runner's soft MMU: pages that all show the window, the last one for
/// reading alone.
inline constexpr u64 mmu_begin = 0x200000, mmu_pages = 3;

/// riscv64's layout, its SlotIds too, and then `i8_a`, `i8_b`, `v128_a`, ... of every type.
extern const ir::Env env;
/// The first of the two slots of `type`; the other has the next number.
ir::SlotId typed_slot(ir::Type type);
/// How many words a slot has.
constexpr unsigned words_of(ir::Type type) { return ir::byte_size(type) > 8 ? 2 : 1; }

inline constexpr unsigned riscv64_words = 67, typed_words = 2 * 2 * (ir::type_count - 1);
/// The number in GuestState::slots of the first word of a slot; that of riscv64's are the SlotIds.
unsigned word_of(ir::SlotId slot);

/// A state before or after a run: the words of slots, in the layout's order.
struct GuestState {
    std::array<u64, riscv64_words + typed_words> slots{};
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

/// Calls f(name, number) for each word of a GuestState that a slot has.
void for_each_word(const std::function<void(std::string_view, unsigned)>& f);

/// A state of numbers that matter: small ones, addresses in and around the window, boxed floats, extremes.
GuestState random_state(std::mt19937_64& random);

/// What runs a function.
enum class RunOn : u8 {
    interpreter,
    compiler,  ///< tier 1; what it has no code for, the interpreter
    regions,   ///< tier 2, with the passes before it; what it has no code for, the interpreter
};

class Runner {
  public:
    /// On what the environment variable KILN_RUN_ON names, else the interpreter.
    Runner();
    explicit Runner(RunOn on);
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// Runs `f`, which is well formed, once. The error says why the interpreter cannot.
    Result<Outcome> run(const ir::Function& f, const GuestState& initial);
    /// Whether it runs on the compiler what that has code for.
    bool compiles() const;
    /// How many runs were on the compiler, and why the latest that was not could not be.
    u64 compiled() const;
    const std::string& not_compiled() const;

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

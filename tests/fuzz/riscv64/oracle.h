// Running one program under several engines, and what differs between them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "fuzz/riscv64/program.h"

namespace kiln::fuzz {

/// Something that runs riscv64 programs.
struct Engine {
    std::string name;                  ///< for a person, of at most ten letters
    std::vector<std::string> command;  ///< the program's path is put behind it
};

/// What a program did under an engine.
struct Outcome {
    std::string output;
    std::string failure;  ///< why the output is not complete; empty: it is

    const Block& block(size_t run) const {
        return reinterpret_cast<const Block*>(output.data() + Layout::page)[run];
    }
};

/// Runs programs under the engines, the first of which is the reference. Not for several threads at once:
/// each has its own, with a file of its own for the program.
class Oracle {
  public:
    /// `directory` exists and takes executable files.
    Oracle(std::vector<Engine> engines, const std::string& directory);
    ~Oracle();
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;

    const std::vector<Engine>& engines() const { return engines_; }

    /// One outcome for each engine.
    std::vector<Outcome> run(const Program& program);

    /// Whether all engines run the streams to their end with the same results.
    bool agrees(const std::vector<Stream>& streams);

    /// Whether the reference runs the streams to their end, and another engine does not or disagrees.
    bool differs(const std::vector<Stream>& streams);

  private:
    Outcome run_under(const Engine& engine, size_t expected_bytes);

    std::vector<Engine> engines_;
    std::string path_;
};

/// The runs, by number, whose blocks are not the same in all outcomes. Every outcome must be complete.
std::vector<size_t> differing_runs(const std::vector<Outcome>& outcomes, size_t runs);

/// Whether every outcome is complete and all are the same.
bool all_agree(const std::vector<Outcome>& outcomes);

}  // namespace kiln::fuzz

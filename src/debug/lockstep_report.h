// What --lockstep says of a difference: both states with the rows that differ marked, accesses, guest code, IR, host code.
#pragma once

#include "run/lockstep.h"

namespace kiln::debug {

/// The exit status of a process that --lockstep has ended.
inline constexpr int lockstep_exit_status = 125;

std::string lockstep_report(const run::Difference& difference);

/// Writes the report to standard error and ends the process.
class LockstepReport final : public run::LockstepWitness {
  public:
    [[noreturn]] void see_difference(const run::Difference& difference) override;
};

}  // namespace kiln::debug

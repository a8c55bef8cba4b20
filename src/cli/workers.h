// Work done by processes, several at a time: one that crashes spoils its own job only.
#pragma once

#include <functional>
#include <string>

#include "base/types.h"

namespace kiln::cli {

/// What a job says when it is done.
struct JobReport {
    int verdict = 0;  ///< from 0 on; what it means is the job's matter
    std::string text;
    u64 figures[4] = {};
};

/// Its process did not come to its end.
inline constexpr int job_crashed = -1;

/// Does `job(0)` to `job(count - 1)`, each in a process of its own and at most `parallel` at a time, and hands over what
/// they say as they end. False when no process can be made.
bool run_jobs(std::size_t count, unsigned parallel, const std::function<JobReport(std::size_t)>& job,
              const std::function<void(std::size_t, const JobReport&)>& done);

}  // namespace kiln::cli

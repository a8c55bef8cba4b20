// The report of --report: where the time went, which units took long to make, and where the guest spent its
// instructions, by the guest's own names. From samples (run/observer.h), the counters and the times of base/durations.h.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "debug/symbols.h"
#include "run/observer.h"

namespace kiln::debug {

class Report {
  public:
    void add(const run::SeenUnit& unit);
    void add_sample(GuestAddr pc, u64 instructions);
    /// Up to now, for people. Counts of threads must have been settled.
    std::string text(std::string_view program, Symbols& symbols) const;

  private:
    struct Unit {
        GuestAddr pc;
        bool compiled = false;
        u32 instructions = 0;
        u64 nanoseconds = 0, bytes = 0;
    };
    std::vector<Unit> slowest_;             // those that took longest to make, the longest first
    std::unordered_map<u64, Unit> units_;   // the latest made, by pc
    std::unordered_map<u64, u64> samples_;  // instructions, by pc
    u64 sampled_ = 0, taken_ = 0;           // instructions, samples
};

}  // namespace kiln::debug

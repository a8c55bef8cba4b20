// When a unit has been entered often enough to be compiled.
//
// Compiled too late, a unit was interpreted in vain; too early, it may never run again. Without knowing what comes, no
// rule does better than to compile when as much has been spent on interpreting a unit as compiling it takes.
// --hot-after is that number of entries as measured on real programs. With --adaptive it follows from what compiling and
// interpreting an instruction takes in this process: moving averages, in which the newest figure weighs --ewma-alpha.
// Entries of long ago may count less: --decay is what is left of them after each epoch, a number of searches of the
// unit map.
//
// The engine's lock guards it.
#pragma once

#include <algorithm>

#include "run/cached_unit.h"

namespace kiln::run {

struct PolicyOptions {
    u32 hot_after = 64;  ///< with `adaptive`, until enough is known
    bool adaptive = false;
    double alpha = 0.2;
    double decay = 1;  ///< 1: entries are never forgotten
};

class Policy {
  public:
    explicit Policy(const PolicyOptions& options) : options_(options), hot_after_(options.hot_after) {}

    /// A unit entered so often is to be compiled.
    u32 hot_after() const { return hot_after_; }

    bool is_hot(const CachedUnit& cold) const { return cold.counted >= hot_after_; }
    /// Whether count_search() wants to be told.
    bool counts_searches() const { return options_.decay < 1; }
    void count_search() { ++searches_; }
    void count_entries(CachedUnit& cold, u32 entries) {
        if (counts_searches()) fade(cold);
        cold.counted += entries;
    }
    /// How many more entries a cold unit that is not hot may count by itself.
    u16 ask_after(const CachedUnit& cold) const {
        const u32 most = options_.decay < 1 || options_.adaptive ? look_again_after : 0xffff;
        return static_cast<u16>(std::min(hot_after_ - cold.counted, most));
    }

    /// Whether note_compiled() and note_interpreted() want to be told.
    bool adapts() const { return options_.adaptive; }
    /// Compiling a unit of so many guest instructions, or interpreting them, took so long.
    void note_compiled(u64 instructions, u64 nanoseconds);
    void note_interpreted(u64 instructions, u64 nanoseconds);

  private:
    static constexpr u64 searches_per_epoch = 4096;
    static constexpr u32 look_again_after = 8;  // entries, where what is hot changes

    void fade(CachedUnit& unit) const;
    void adapt(double& average, u64 instructions, u64 nanoseconds);

    const PolicyOptions options_;
    u32 hot_after_;
    u64 searches_ = 0;
    double compile_ns_ = 0, interpret_ns_ = 0;  // a guest instruction; 0: not known yet
};

}  // namespace kiln::run

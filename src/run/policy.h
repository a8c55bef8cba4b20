// When a unit has been entered often enough to be compiled.
//
// Compiled too late, a unit was interpreted in vain; too early, it may never run again. Without knowing what comes, no
// rule does better than to compile when as much has been spent on interpreting a unit as compiling it takes.
// --hot-after is that number of entries as measured on real programs. With --adaptive it follows from what compiling and
// interpreting an instruction takes in this process: moving averages, in which the newest figure weighs --ewma-alpha.
// Entries of long ago may count less: --decay is what is left of them after each epoch, a number of searches of the
// unit map.
//
// The engine's lock guards it, but for what says so.
#pragma once

#include <algorithm>
#include <atomic>

#include "run/cached_unit.h"

namespace kiln::run {

struct PolicyOptions {
    u32 hot_after = 64;  ///< with `adaptive`, until enough is known
    /// The same for cold units that are compiled code already, from a store: there is far less to gain.
    u32 compiled_hot_after = 2048;
    u32 region_after = 0;  ///< samples; 0: no regions
    /// Whether regions may take a tenth of the guest's time only.
    bool limits_regions = true;
    bool adaptive = false;
    double alpha = 0.2;
    double decay = 1;  ///< 1: entries are never forgotten
};

class Policy {
  public:
    explicit Policy(const PolicyOptions& options = {}) { follow(options); }

    /// Goes by these from now on; averages stay.
    void follow(const PolicyOptions& options);

    /// A unit entered so often is to be compiled.
    u32 hot_after() const { return hot_after_; }

    /// A sample found the guest at the start of a unit, so many instructions after the one before: whether the region around
    /// it is to be compiled now. Regions take no more than a tenth of the time that the guest has run, as far as is known.
    bool note_sample(CachedUnit& unit, u64 instructions) {
        instructions_ += instructions;
        return ++unit.samples >= options_.region_after &&
               (!options_.limits_regions || instructions_ >= region_ns_ * instructions_per_region_ns);
    }
    /// A sample found the guest in a region.
    void note_sample_in(CachedUnit& region, u64 instructions) {
        instructions_ += instructions;
        region.trial_instructions += instructions;
    }
    /// A region on trial comes back when it has been entered so often.
    static constexpr u16 trial_round = 0xffff;
    /// It was entered so often again: whether it stays a region.
    bool may_stay(CachedUnit& region) const;
    /// Compiling a region, or finding out that there is none, took so long.
    void note_region(u64 nanoseconds) { region_ns_ += nanoseconds; }

    /// The same for one of a store.
    u32 stored_hot_after() const {
        return hot_after_ == 0 ? 0 : std::max(hot_after_, options_.compiled_hot_after);
    }

    bool is_hot(const CachedUnit& cold) const { return cold.counted >= hot_after(cold); }
    /// Whether count_search() wants to be told. Any thread, without the lock.
    bool counts_searches() const { return counts_searches_.load(std::memory_order_relaxed); }
    void count_search() { ++searches_; }
    void count_entries(CachedUnit& cold, u32 entries) {
        if (counts_searches()) fade(cold);
        cold.counted += entries;
    }
    /// How many more entries a cold unit that is not hot may count by itself.
    u16 ask_after(const CachedUnit& cold) const {
        const u32 most = counts_searches() || adapts() ? look_again_after : 0xffff;
        return static_cast<u16>(std::min(hot_after(cold) - cold.counted, most));
    }

    /// Whether note_compiled() and note_interpreted() want to be told. Any thread, without the lock.
    bool adapts() const { return adapts_.load(std::memory_order_relaxed); }
    /// Compiling a unit of so many guest instructions, or interpreting them, took so long.
    void note_compiled(u64 instructions, u64 nanoseconds);
    void note_interpreted(u64 instructions, u64 nanoseconds);

  private:
    /// A guess: three in a nanosecond.
    static constexpr u64 instructions_per_region_ns = 30;
    static constexpr u64 searches_per_epoch = 4096;
    /// To come into a region and to leave it takes as much as some instructions: one that is left sooner, on average, gains nothing.
    static constexpr u64 least_stay = 12;
    /// As many entries as it takes to be sure, with samples as far apart as they are.
    static constexpr u32 trial_rounds = 3;
    static constexpr u32 look_again_after = 8;  // entries, where what is hot changes

    u32 hot_after(const CachedUnit& cold) const {
        return cold.chapter != nullptr ? stored_hot_after() : hot_after_;
    }
    void fade(CachedUnit& unit) const;
    void adapt(double& average, u64 instructions, u64 nanoseconds);

    PolicyOptions options_;
    u32 hot_after_ = 0;
    std::atomic<bool> counts_searches_{false}, adapts_{false};
    u64 searches_ = 0;
    u64 instructions_ = 0, region_ns_ = 0;
    double compile_ns_ = 0, interpret_ns_ = 0;  // a guest instruction; 0: not known yet
};

}  // namespace kiln::run

// What all processes together have done with a store: each adds a record to a file of the directory when it ends.
//
// The file is a sequence of Record, appended to by one write each; whoever finds it long sums it up. Records that are not
// whole do not count, and one that is added while the file is summed up may be lost: they are statistics.
#pragma once

#include <string_view>

#include "base/counters.h"

namespace kiln::store {

enum class Statistic : u8 {
#define STATISTIC(name, counter, sentence) name,
#include "store/statistics.def"
#undef STATISTIC
};
inline constexpr std::size_t statistic_count = 0
#define STATISTIC(name, counter, sentence) +1
#include "store/statistics.def"
#undef STATISTIC
    ;

struct StatisticInfo {
    std::string_view name;
    Counter counter;
    std::string_view sentence;
};
const StatisticInfo& info(Statistic statistic);

struct Statistics {
    u64 processes = 0;  ///< guest programs that have ended
    u64 values[statistic_count] = {};

    u64 operator[](Statistic statistic) const { return values[static_cast<u8>(statistic)]; }
    /// Of the units that programs came to, how many were there, in percent; 0 when there were none.
    double hit_rate() const;
    bool empty() const;
};

/// What this process's counters say now.
Statistics counted_so_far();
/// The same since then; with `processes` 0.
Statistics operator-(const Statistics& now, const Statistics& then);

/// Adds a record in the directory.
void add_statistics(int directory, const Statistics& statistics);
/// The sum of all records.
Statistics read_statistics(int directory);
/// Makes one record of all, when there are very many.
void sum_up_statistics(int directory);
void zero_statistics(int directory);

}  // namespace kiln::store

#include "store/statistics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "store/files.h"

namespace kiln::store {
namespace {

const std::string file_name = "statistics";

/// From this size on the file is summed up.
constexpr off_t long_file = 64 << 10;

struct Record {
    u64 check;
    Statistics statistics;
};

/// Other statistics than these have other records.
u64 check_of(const Statistics& statistics) {
    constexpr u64 seed = 1 << 8 | statistic_count;
    return hash_bytes({reinterpret_cast<const u8*>(&statistics), sizeof statistics}, seed);
}

std::string_view bytes_of(const Record& record) {
    return {reinterpret_cast<const char*>(&record), sizeof record};
}

Statistics sum_of(std::string_view file) {
    Statistics sum;
    for (; file.size() >= sizeof(Record); file.remove_prefix(sizeof(Record))) {
        Record record;
        std::memcpy(&record, file.data(), sizeof record);
        if (record.check != check_of(record.statistics)) continue;
        sum.processes += record.statistics.processes;
        for (std::size_t i = 0; i < statistic_count; ++i) sum.values[i] += record.statistics.values[i];
    }
    return sum;
}

constexpr StatisticInfo infos[] = {
#define STATISTIC(name, counter, sentence) {#name, Counter::counter, sentence},
#include "store/statistics.def"
#undef STATISTIC
};

}  // namespace

const StatisticInfo& info(Statistic statistic) { return infos[static_cast<u8>(statistic)]; }

double Statistics::hit_rate() const {
    const u64 found = (*this)[Statistic::units_found];
    const u64 made = (*this)[Statistic::units_made], hot = (*this)[Statistic::units_compiled];
    const u64 all = found + made - std::min(made, hot);
    return all == 0 ? 0 : 100.0 * static_cast<double>(found) / static_cast<double>(all);
}

bool Statistics::empty() const {
    return processes == 0 && std::ranges::all_of(values, [](u64 value) { return value == 0; });
}

Statistics counted_so_far() {
    Statistics now;
    for (std::size_t i = 0; i < statistic_count; ++i) now.values[i] = value(infos[i].counter);
    return now;
}

Statistics operator-(const Statistics& now, const Statistics& then) {
    Statistics between;
    for (std::size_t i = 0; i < statistic_count; ++i) between.values[i] = now.values[i] - then.values[i];
    return between;
}

void add_statistics(int directory, const Statistics& statistics) {
    const Descriptor file(openat(directory, file_name.c_str(),
                                 O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat facts;
    if (!file || fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return;
    // A record that a full disk cut off spoils those behind it.
    if (facts.st_size % static_cast<off_t>(sizeof(Record)) != 0) return zero_statistics(directory);
    const Record record{check_of(statistics), statistics};
    (void)!write(file.get(), &record, sizeof record);
}

Statistics read_statistics(int directory) { return sum_of(read_file(directory, file_name)); }

void sum_up_statistics(int directory) {
    struct stat facts;
    if (fstatat(directory, file_name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0 || facts.st_size < long_file)
        return;
    const Statistics sum = read_statistics(directory);
    replace_file(directory, file_name, bytes_of({check_of(sum), sum}));
}

void zero_statistics(int directory) { unlinkat(directory, file_name.c_str(), 0); }

}  // namespace kiln::store

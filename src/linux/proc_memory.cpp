#include "linux/proc_memory.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <vector>

#include "linux/proc_files.h"

namespace kiln::user {
namespace {

/// What the kernel counts for an area, by the names it gives the counts, in its order.
struct Count {
    std::string_view name;
    u64 value;
};

/// One of the host's areas. Everything is a piece of the text it was read from.
struct Area {
    u64 begin, end;
    std::vector<Count> counts;
    std::string_view words;  ///< smaps: its flags; numa_maps: its policy
};

std::string_view take_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ')));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

std::optional<u64> number(std::string_view word, int base) {
    u64 value;
    const auto [end, error] = std::from_chars(word.begin(), word.end(), value, base);
    return error == std::errc{} && end == word.end() ? std::optional(value) : std::nullopt;
}

constexpr std::string_view flags_name = "VmFlags:";

std::vector<Area> read_smaps(std::string_view text) {
    std::vector<Area> areas;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        const std::string_view whole = line, name = take_word(line);
        const std::size_t dash = name.find('-');
        if (!name.ends_with(':') && dash != name.npos) {
            areas.push_back({number(name.substr(0, dash), 16).value_or(0),
                             number(name.substr(dash + 1), 16).value_or(0),
                             {},
                             {}});
        } else if (areas.empty()) {
            continue;
        } else if (name == flags_name) {
            areas.back().words = whole.substr(flags_name.size());
        } else if (const auto value = number(take_word(line), 10); value && take_word(line) == "kB") {
            areas.back().counts.push_back({name, *value});
        }
    }
    return areas;
}

/// A line of numa_maps has the beginning, the policy, and words of which those with a number behind = are counts. Where the
/// areas end is not said: `smaps` knows.
std::vector<Area> read_numa_maps(std::string_view text, std::span<const Area> smaps) {
    std::vector<Area> areas;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        const auto begin = number(take_word(line), 16);
        const auto known = std::ranges::find(smaps, begin.value_or(0), &Area::begin);
        if (known == smaps.end()) continue;
        Area area{known->begin, known->end, {}, take_word(line)};
        for (std::string_view word; !(word = take_word(line)).empty();) {
            const std::size_t equals = std::min(word.find('='), word.size());
            if (const auto value = number(word.substr(std::min(equals + 1, word.size())), 10))
                area.counts.push_back({word.substr(0, equals), *value});
        }
        areas.push_back(std::move(area));
    }
    return areas;
}

/// What falls to one region; `words` are those of the area that it begins in.
struct Share {
    std::vector<Count> counts;
    std::string_view words;
};

Share share_of(const Process& process, const mem::Region& region, std::span<const Area> areas) {
    const u64 begin = reinterpret_cast<u64>(process.memory.host(region.begin));
    const u64 end = begin + region.bytes();
    Share share;
    auto area = std::ranges::upper_bound(areas, begin, {}, &Area::end);
    for (; area != areas.end() && area->begin < end; ++area) {
        if (share.words.empty()) share.words = area->words;
        const u64 overlap = std::min(end, area->end) - std::max(begin, area->begin);
        for (const Count& count : area->counts) {
            const u64 part = static_cast<u64>(static_cast<unsigned __int128>(count.value) * overlap /
                                              (area->end - area->begin));
            const auto known = std::ranges::find(share.counts, count.name, &Count::name);
            if (known != share.counts.end())
                known->value += part;
            else
                share.counts.push_back({count.name, part});
        }
    }
    return share;
}

std::string maps_line(const mem::Region& region) {
    char line[160];
    const mem::Backing& backing = *region.backing;
    const int length = std::snprintf(
        line, sizeof line, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu", region.begin.raw, region.end.raw,
        region.prot & PROT_READ ? 'r' : '-', region.prot & PROT_WRITE ? 'w' : '-',
        region.prot & PROT_EXEC ? 'x' : '-', region.shared ? 's' : 'p', region.offset, major(backing.device),
        minor(backing.device), backing.inode);
    std::string text(line, static_cast<std::size_t>(length));
    // proc(5) aligns names at column 73.
    if (!backing.name.empty()) text.append(std::max(73 - length, 1), ' ').append(backing.name);
    return text + '\n';
}

std::string maps_text(const Process& process) {
    std::string text;
    for (const mem::Region& region : process.memory.regions()) text += maps_line(region);
    return text;
}

std::string count_line(const Count& count) {
    char line[80];
    const int length = std::snprintf(line, sizeof line, "%-15.*s %8" PRIu64 " kB\n",
                                     static_cast<int>(count.name.size()), count.name.data(), count.value);
    return std::string(line, static_cast<std::size_t>(length));
}

/// Counts that are the same for every page, or not the area's but the region's.
bool is_given(std::string_view name) {
    return name == "Size:" || name == "KernelPageSize:" || name == "MMUPageSize:";
}

std::string flags_line(const mem::Region& region, std::string_view host_flags) {
    std::string text(flags_name);
    if (region.prot & PROT_READ) text += " rd";
    if (region.prot & PROT_WRITE) text += " wr";
    if (region.prot & PROT_EXEC) text += " ex";
    for (std::string_view flag; !(flag = take_word(host_flags)).empty();)
        if (flag != "rd" && flag != "wr" && flag != "ex") text.append(" ").append(flag);
    return text + " \n";
}

std::string smaps_text(const Process& process, std::span<const Area> areas) {
    constexpr u64 page_kib = mem::page_bytes >> 10;
    std::string text;
    for (const mem::Region& region : process.memory.regions()) {
        const Share share = share_of(process, region, areas);
        text += maps_line(region);
        text += count_line({"Size:", region.bytes() >> 10});
        text += count_line({"KernelPageSize:", page_kib}) + count_line({"MMUPageSize:", page_kib});
        for (const Count& count : share.counts)
            if (!is_given(count.name)) text += count_line(count);
        text += flags_line(region, share.words);
    }
    return text;
}

/// Without the host's counts by kinds of pages (Pss_Anon and its like): for its areas one by one it has none.
std::string rollup_text(const Process& process, std::span<const Area> areas) {
    const std::vector<mem::Region> regions = process.memory.regions();
    if (regions.empty()) return {};
    std::vector<Count> sums;
    for (const mem::Region& region : regions)
        for (const Count& count : share_of(process, region, areas).counts) {
            const auto known = std::ranges::find(sums, count.name, &Count::name);
            if (known != sums.end())
                known->value += count.value;
            else
                sums.push_back(count);
        }
    char line[96];
    std::snprintf(line, sizeof line, "%08lx-%08lx ---p 00000000 00:00 0 %25s[rollup]\n",
                  regions.front().begin.raw, regions.back().end.raw, "");
    std::string text = line;
    for (const Count& count : sums)
        if (!is_given(count.name)) text += count_line(count);
    return text;
}

std::string numa_text(const Process& process, std::span<const Area> areas) {
    constexpr std::string_view page_size = "kernelpagesize_kB";
    std::string text;
    for (const mem::Region& region : process.memory.regions()) {
        const Share share = share_of(process, region, areas);
        char begin[24];
        std::snprintf(begin, sizeof begin, "%08lx ", region.begin.raw);
        text.append(begin).append(share.words.empty() ? "default" : share.words);
        const std::string& name = region.backing->name;
        if (name == "[heap]") text += " heap";
        if (name == "[stack]") text += " stack";
        if (name.starts_with('/')) text += " file=" + name;
        bool pages = false;
        for (const Count& count : share.counts) {
            if (count.value == 0 || count.name == page_size) continue;
            text.append(" ").append(count.name).append("=").append(std::to_string(count.value));
            pages = true;
        }
        if (pages)
            text.append(" ").append(page_size).append("=").append(std::to_string(mem::page_bytes >> 10));
        text.push_back('\n');
    }
    return text;
}

}  // namespace

std::optional<std::string> memory_listing(const Process& process, std::string_view entry) {
    if (entry == "maps") return maps_text(process);
    if (entry != "smaps" && entry != "smaps_rollup" && entry != "numa_maps") return std::nullopt;
    const std::string smaps = file_contents("/proc/self/smaps");
    const std::string numa_maps = entry == "numa_maps" ? file_contents("/proc/self/numa_maps") : "";
    if (smaps.empty() || (entry == "numa_maps" && numa_maps.empty())) return std::nullopt;
    const std::vector<Area> areas = read_smaps(smaps);
    if (entry == "smaps") return smaps_text(process, areas);
    if (entry == "smaps_rollup") return rollup_text(process, areas);
    return numa_text(process, read_numa_maps(numa_maps, areas));
}

}  // namespace kiln::user

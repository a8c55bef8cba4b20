#include "linux/limits.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace kiln::user {
namespace {

struct Row {
    int resource;
    std::string_view name;
    /// How far kiln's own soft limit is widened. A stack without any limit would change where the kernel puts
    /// things in the next program.
    rlim_t enough;
};
constexpr Row rows[] = {
    {RLIMIT_AS, "as", RLIM_INFINITY},
    {RLIMIT_DATA, "data", RLIM_INFINITY},
    {RLIMIT_STACK, "stack", rlim_t{8} << 20},
};

std::size_t index_of(int resource) { return std::ranges::find(rows, resource, &Row::resource) - rows; }

rlimit of_host(const Row& row) {
    rlimit limit;
    getrlimit(static_cast<__rlimit_resource>(row.resource), &limit);
    return limit;
}

void set_host(const Row& row, const rlimit& limit) {
    setrlimit(static_cast<__rlimit_resource>(row.resource), &limit);
}

std::string text(rlim_t limit) { return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit); }

bool read(std::string_view text, rlim_t& limit) {
    if (text == "unlimited") return limit = RLIM_INFINITY, true;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), limit);
    return error == std::errc{} && end == text.end();
}

bool same(const rlimit& a, const rlimit& b) { return a.rlim_cur == b.rlim_cur && a.rlim_max == b.rlim_max; }

}  // namespace

bool MemoryLimits::covers(int resource) { return index_of(resource) < std::size(rows); }

Result<void> MemoryLimits::begin(std::span<const std::string> words) {
    static_assert(std::size(rows) == count);
    for (const Row& row : rows) {
        rlimit limit = of_host(row);
        limits_[&row - rows] = limit;
        const rlim_t wide = std::min(limit.rlim_max, row.enough);
        if (limit.rlim_cur >= wide) continue;
        limit.rlim_cur = wide;
        set_host(row, limit);
    }
    for (std::string_view word : words) {
        const std::size_t name_end = word.find('='), soft_end = word.find(':', name_end);
        const auto row = std::ranges::find(rows, word.substr(0, name_end), &Row::name);
        rlimit limit;
        if (row == std::end(rows) || soft_end == word.npos ||
            !read(word.substr(name_end + 1, soft_end - name_end - 1), limit.rlim_cur) ||
            !read(word.substr(soft_end + 1), limit.rlim_max) || limit.rlim_cur > limit.rlim_max)
            return fail("--limits: " + std::string(word) +
                            ": expected as, data or stack, and two limits: as=SOFT:HARD, in bytes",
                        EINVAL);
        limits_[row - rows] = limit;
    }
    return {};
}

rlimit MemoryLimits::get(int resource) const { return limits_[index_of(resource)]; }

i64 MemoryLimits::set(int resource, const rlimit& limit) {
    rlimit& own = limits_[index_of(resource)];
    if (limit.rlim_cur > limit.rlim_max) return -EINVAL;
    if (limit.rlim_max > own.rlim_max && geteuid() != 0) return -EPERM;
    own = limit;
    return 0;
}

std::string MemoryLimits::word() const {
    std::string list;
    for (const Row& row : rows) {
        const rlimit& own = limits_[&row - rows];
        if (same(own, of_host(row))) continue;
        list.append(list.empty() ? "--limits=" : ",").append(row.name).append("=");
        list.append(text(own.rlim_cur)).append(":").append(text(own.rlim_max));
    }
    return list;
}

HostBound::HostBound(const MemoryLimits& limits) {
    for (const Row& row : rows) {
        rlimit bound = before_[&row - rows] = of_host(row);
        bound.rlim_cur = std::min(limits.limits_[&row - rows].rlim_cur, bound.rlim_max);
        set_host(row, bound);
    }
}

HostBound::~HostBound() {
    for (const Row& row : rows) set_host(row, before_[&row - rows]);
}

}  // namespace kiln::user

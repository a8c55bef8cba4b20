// The limits on memory, which bind the guest and not kiln: RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK. The host's own
// stay as wide as they may be, because kiln and what it translates live in the same process; the address
// space holds the guest to its limits (mem/address_space.h). All other limits are the host's.
#pragma once

#include <sys/resource.h>

#include <array>
#include <span>
#include <string>

#include "base/types.h"

namespace kiln::user {

class MemoryLimits {
  public:
    /// Whether a resource (RLIMIT_...) is one of them.
    static bool covers(int resource);

    /// Takes over the host's limits for the guest, widens kiln's own as far as allowed, and then sets what
    /// `words` say: NAME=SOFT:HARD, in bytes or "unlimited". Once, at the start.
    Result<void> begin(std::span<const std::string> words);

    rlimit get(int resource) const;
    /// 0 or minus an errno, as setrlimit(2).
    i64 set(int resource, const rlimit& limit);

    /// What begin() of a nested guest needs to be told; empty if the host's limits say it all.
    std::string word() const;

  private:
    friend class HostBound;
    static constexpr std::size_t count = 3;
    std::array<rlimit, count> limits_;
};

/// While it lives, the host holds this process to the guest's limits: for the programs that the host runs
/// itself. To the soft ones only: without privileges, hard ones could not be raised again when there is no such program.
class HostBound {
  public:
    explicit HostBound(const MemoryLimits& limits);
    ~HostBound();
    HostBound(const HostBound&) = delete;
    HostBound& operator=(const HostBound&) = delete;

  private:
    std::array<rlimit, MemoryLimits::count> before_;
};

}  // namespace kiln::user

// The files of /proc/self that list memory, with the guest's mappings in them: maps, smaps, smaps_rollup, numa_maps.
//
// The guest's regions are not the host's areas: kiln maps code without the right to execute it and protects pages that
// it watches, and the kernel merges what it sees no difference between. What the kernel counts for an area is divided
// among the regions in it by their sizes; it is exact where an area lies in one region, as most do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "linux/process.h"

namespace kiln::user {

/// The text of `entry` of /proc/self, where that is one of these files; none: it is another, or the host has none such.
std::optional<std::string> memory_listing(const Process& process, std::string_view entry);

}  // namespace kiln::user

// Hashing of bytes, for telling whether they changed; not against an adversary.
#pragma once

#include <span>

#include "base/types.h"

namespace kiln {

/// XXH3's 64-bit hash of `bytes`.
u64 hash_bytes(std::span<const u8> bytes, u64 seed = 0);

}  // namespace kiln

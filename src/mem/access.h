// Copies between the engine and guest memory that survive bad guest addresses. Built on abi/guest_access.h.
#pragma once

#include "abi/guest_access.h"

namespace kiln::mem {

/// Copies `bytes` from guest memory at host address `from`; false when not all of it can be read.
inline bool copy_from(void* to, const u8* from, std::size_t bytes) {
    return abi::guest_copy(static_cast<u8*>(to), from, bytes) == 0;
}

/// Copies `bytes` to guest memory at host address `to`; false when not all of it can be written.
inline bool copy_to(u8* to, const void* from, std::size_t bytes) {
    return abi::guest_copy(to, static_cast<const u8*>(from), bytes) == 0;
}

}  // namespace kiln::mem

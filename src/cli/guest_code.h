// Guest code in memory without a program that runs, for compiling it.
#pragma once

#include <memory>

#include "abi/context.h"
#include "abi/unit_store.h"
#include "mem/address_space.h"

namespace kiln::cli {

/// Maps the guest file where an image's code has its place: that code, and the first page, which is part of the image's
/// key. False when it is not there.
bool map_guest_code(mem::AddressSpace& space, const abi::ImageOrigin& origin);

/// Guest state that nothing runs on.
std::unique_ptr<abi::Context, void (*)(abi::Context*)> new_guest_state();

}  // namespace kiln::cli

#pragma once

#include <string_view>

#include "base/types.h"

namespace kiln::user {

/// The name of an ioctl(2) request that ioctls.def has; empty for others.
std::string_view ioctl_name(u32 request);

}  // namespace kiln::user

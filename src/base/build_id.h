// Which build of Kiln this is: it changes whenever the code of the executable does.
#pragma once

#include <string>

namespace kiln {

/// The executable's GNU build id in lower-case hexadecimal; empty when it was linked without one.
std::string build_id();

}  // namespace kiln

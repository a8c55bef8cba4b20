// Checks of the engine's own invariants. A failed check is a bug in Kiln: it says where and aborts.
// What the guest or the environment can cause is never a check: it is a guest fault or a Result.
#pragma once

namespace kiln {

/// Prints "kiln: internal error: ..." with the place to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace kiln

#define KILN_CHECK(condition) \
    (static_cast<bool>(condition) ? void(0) : ::kiln::check_failed(__FILE__, __LINE__, #condition))
#define KILN_UNREACHABLE() ::kiln::check_failed(__FILE__, __LINE__, "unreachable")

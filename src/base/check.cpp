#include "base/check.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace kiln {

void check_failed(const char* file, int line, const char* condition) {
    std::fprintf(stderr, "kiln: internal error: %s:%d: %s\n", file, line, condition);
    // A guest's own handling of SIGABRT must not see this one.
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
}

}  // namespace kiln

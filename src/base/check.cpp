#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace kiln {

void check_failed(const char* file, int line, const char* condition) {
    std::fprintf(stderr, "kiln: internal error: %s:%d: %s\n", file, line, condition);
    std::abort();
}

}  // namespace kiln

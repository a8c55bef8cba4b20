#include "emit/host_features.h"

namespace kiln::emit {

HostFeatures host_features() {
    return {
        .bmi = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
               __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("popcnt"),
        .avx = __builtin_cpu_supports("avx") != 0,
        .fma = __builtin_cpu_supports("fma") != 0,
        .sse41 = __builtin_cpu_supports("sse4.1") != 0,
        .clmul = __builtin_cpu_supports("pclmul") != 0,
        .avx512 = __builtin_cpu_supports("avx512f") != 0,
    };
}

}  // namespace kiln::emit

#include "emit/host_features.h"

#include <sys/platform/x86.h>

namespace kiln::emit {

// What the C library knows already: see base/host_fp.h, host_has_fma().
HostFeatures host_features() {
    return {
        .bmi = CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) && CPU_FEATURE_ACTIVE(LZCNT) &&
               CPU_FEATURE_ACTIVE(POPCNT),
        .avx = CPU_FEATURE_ACTIVE(AVX),
        .fma = CPU_FEATURE_ACTIVE(FMA),
        .sse41 = CPU_FEATURE_ACTIVE(SSE4_1),
        .clmul = CPU_FEATURE_ACTIVE(PCLMULQDQ),
        .aes = CPU_FEATURE_ACTIVE(AES),
        .avx512 = CPU_FEATURE_ACTIVE(AVX512F),
    };
}

}  // namespace kiln::emit

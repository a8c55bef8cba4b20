#include "emit/host_features.h"

#include <sys/platform/x86.h>

namespace kiln::emit {

// What the C library knows already: see base/host_fp.h, host_has_fma().
HostFeatures host_features(HostFeatureSet without) {
    HostFeatures has{
        .bmi = CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2) && CPU_FEATURE_ACTIVE(LZCNT) &&
               CPU_FEATURE_ACTIVE(POPCNT),
        .avx = CPU_FEATURE_ACTIVE(AVX),
        .fma = CPU_FEATURE_ACTIVE(FMA),
        .sse41 = CPU_FEATURE_ACTIVE(SSE4_1),
        .clmul = CPU_FEATURE_ACTIVE(PCLMULQDQ),
        .aes = CPU_FEATURE_ACTIVE(AES),
        .avx512 = CPU_FEATURE_ACTIVE(AVX512F),
    };
#define HOST_FEATURE(name, sentence) has.name &= !without.has(HostFeature::name);
#include "base/host_features.def"
#undef HOST_FEATURE
    // Their instructions are AVX's by the way they are encoded, and stand among others of AVX.
    has.fma &= has.avx;
    has.avx512 &= has.avx;
    return has;
}

}  // namespace kiln::emit

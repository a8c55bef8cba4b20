// What the host's processor has of the instruction set extensions that selection can use.
#pragma once

#include "base/types.h"

namespace kiln::emit {

/// Units made for one set of features run wherever all of these are.
struct HostFeatures {
    bool bmi = false;     ///< BMI1, BMI2, LZCNT and POPCNT
    bool avx = false;     ///< AVX
    bool fma = false;     ///< FMA3
    bool sse41 = false;   ///< SSE4.1: ROUNDSD
    bool clmul = false;   ///< PCLMULQDQ
    bool aes = false;     ///< AES
    bool avx512 = false;  ///< AVX-512F: conversions of unsigned integers

    bool operator==(const HostFeatures&) const = default;
};

/// Those of this machine, as far as the kernel lets them be used.
HostFeatures host_features();

}  // namespace kiln::emit

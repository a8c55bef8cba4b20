// Floating-point classification, and the conversion that no host has.
#include <immintrin.h>

#include "abi/helpers.h"
#include "base/softfp.h"

namespace kiln::abi::helpers {

u64 fclass16(Context&, u64 a, u64) { return softfp::classify(softfp::Format::f16, a); }
u64 fclass32(Context&, u64 a, u64) { return softfp::classify(softfp::Format::f32, a); }
u64 fclass64(Context&, u64 a, u64) { return softfp::classify(softfp::Format::f64, a); }

u64 fcvtmod_w_d(Context&, u64 a, u64) {
    softfp::Context context;
    const u32 result = static_cast<u32>(softfp::to_int32_modular(a, context));
    // A conversion to an integer raises one of these or nothing.
    unsigned raised = 0;
    if (context.flags & softfp::invalid) raised |= _MM_EXCEPT_INVALID;
    if (context.flags & softfp::inexact) raised |= _MM_EXCEPT_INEXACT;
    if (raised != 0) _mm_setcsr(_mm_getcsr() | raised);
    return static_cast<u64>(i64{static_cast<i32>(result)});
}

}  // namespace kiln::abi::helpers

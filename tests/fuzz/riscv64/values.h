// Values that are likely to find mistakes.
#pragma once

#include "fuzz/riscv64/random.h"
#include "fuzz/riscv64/stream.h"

namespace kiln::fuzz {

/// For an integer register: zeros, ones, sign boundaries, single bits, small and random numbers, bits of
/// floating-point numbers.
u64 integer_value(Random& random);

/// For a floating-point register: a half or single, NaN-boxed or (seldom) not, or a double; special values,
/// boundaries of formats and of integers, rounding ties, random ones.
u64 float_value(Random& random);

/// A valid rounding mode and any flags.
u64 fcsr_value(Random& random);

/// A whole state. Some registers repeat another's value, exactly or nearly, so that comparisons and sums meet
/// their edges.
Input input_state(Random& random);

/// An address that cannot be accessed, or not in every way: unmapped, not canonical, read only, at the end of
/// a mapping. Not canonical for Scope::all only: qemu 7.2 says that the address of such a fault is 0, because
/// the host's processor does not tell, where the kernel's si_addr is the address.
u64 bad_address(Random& random, Scope scope);

}  // namespace kiln::fuzz

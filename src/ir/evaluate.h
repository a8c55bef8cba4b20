// Computing one pure integer operation on constants, by the definitions of ir/semantics.h.
#pragma once

#include <optional>

#include "ir/function.h"

namespace kiln::ir {

/// The value of `inst`, a pure operation whose operands are the constants `a`, `b` (of type `operand`, zero
/// above its width) as far as its shape takes them. Nothing when the operation is not one on integers up to
/// 64 bits.
std::optional<u64> evaluate(const Inst& inst, Type operand, u64 a, u64 b);

/// The same for an operation on vectors: nothing for any other. `a` may be a lane (vsplat), and the result too (vextract).
std::optional<u128> evaluate_vector(const Inst& inst, u128 a, u128 b, u128 c);

}  // namespace kiln::ir

// The invariants of a well-formed function. verify() checks every one; passes may rely on them and must keep
// them.
//
//  1. There is at least one block; block b0 is the entry, has no parameters and no edge into it.
//  2. Every block ends with a terminator, and has no other.
//  3. An operand names an instruction that is in a block and defines a value; the definition dominates the
//  use.
//     (A block no path reaches is exempt from dominance, not from the rest.)
//  4. The instruction's type is one that ops.def allows, its attributes are values of their groups. Only an
//     access to memory has a space other than flat.
//  5. Operand types are those of the operation's shape (op.h); an address is a ptr in Space::host and else an
//     i64; what is loaded or stored is a ptr or boxed in Space::host only; a lane that is set or read exists; `trunc`, `zext`, `sext` go the way they say,
//     `bitcast` keeps the width, `nan_box` makes an i64 from f16 or f32, `nan_unbox` the reverse; conversions
//     between floats and integers use i32 and i64; rounding attributes of a `fround` are any of theirs.
//  6. An edge's target exists and gets one value of the right type per parameter. No two cases of a switch
//     have the same value.
//  7. A state slot exists and has the instruction's type; a frame entry's value has its slot's type, and a
//     frame names a slot at most once.
//  8. A call gives its helper the arguments, and has the type, that the helper's row says; none is wider than
//     a word.
//  9. An instruction that may fault, a syscall and a trap have an origin: the guest pc an observer would see.
// 10. An `iconst` and a switch's cases have no bits set above their type's width.
#pragma once

#include <string>

#include "ir/function.h"

namespace kiln::ir {

/// Nothing when `f` is well formed; else the first violation: block, instruction, and what is wrong with it.
Result<void> verify(const Function& f);

}  // namespace kiln::ir

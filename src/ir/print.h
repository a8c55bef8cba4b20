// The text form of IR. What print() writes, parse() (parse.h) reads back to an equal function.
//
//   function LAYOUT 0x10000 {
//   b0:
//   @0x10000:
//     %0 = get_state.i64 x5
//     %1 = iconst.i64 0x10
//     %2 = add.i64 %0, %1
//   @0x10004:
//     %3 = load.i32.relaxed %2, 8 [x6=%1]
//     %4 = icmp.i32.eq %3, %3
//     br_if %4, b1(%2), b2
//   b1(%5: i64):
//     goto_pc.plain 0x10010
//   b2:
//     switch.i32 %3, b3, 0x1: b4, 0x5: b1(%0)
//     ...
//   }
//
// `@pc:` starts the next origin: the lines below it come from the guest instruction there. Origins are
// counted from 0; `@pc #n:` goes on with origin n. `@none:` says that the lines come from no guest
// instruction, as at the start of a block. A switch's first way is taken when no case has the value. A
// negative constant is cut to its type. ';' starts a comment.
#pragma once

#include <string>

#include "ir/function.h"

namespace kiln::ir {

/// Values are numbered in order of appearance, so equal functions print equally whatever their ids.
std::string print(const Function& f);
/// One instruction as it stands in print(), with its own id as its number.
std::string print(const Function& f, ValueId id);

}  // namespace kiln::ir

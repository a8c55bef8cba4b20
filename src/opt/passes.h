// The passes: free functions from a well-formed function to a well-formed function (ir/verify.h) that does
// the same to state, memory, floating-point flags and exits. Each says whether it changed anything.
//
// Laws that all of them keep: an instruction that may fault, has the effect E or X, or writes memory is never
// moved, merged or removed; a slot holds its program-order value wherever it can be observed, or the
// observer's frame state does. Block order and origins are kept.
//
// A pass's working memory is thread-local and reused, so that a pass over a unit allocates nothing: any
// thread may run any pass, but a pass may not be entered from a signal handler.
#pragma once

#include <span>
#include <string_view>

#include "ir/function.h"

namespace kiln::opt {

#define OPT_PASS(name, meaning) bool name(ir::Function& f);
#include "opt/passes.def"
#undef OPT_PASS

/// A pass by name, for tools and tests.
struct Pass {
    std::string_view name;
    bool (*run)(ir::Function& f);
    std::string_view meaning;
};

/// The rows of passes.def.
std::span<const Pass> passes();
/// The row of that name; nullptr when there is none.
const Pass* find_pass(std::string_view name);

}  // namespace kiln::opt

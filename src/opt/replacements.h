// Replacing all uses of values in one walk. A pass notes "use that instead of this" and, walking blocks in an
// order in which definitions come before what they dominate, rewrites each instruction's operands when it
// gets there; so a replacement is final when it is noted, and one look-up resolves a use.
#pragma once

#include <vector>

#include "ir/function.h"

namespace kiln::opt {

class Replacements {
  public:
    /// Forgets all; for the values `f` has now.
    void start(const ir::Function& f) {
        to_.resize(f.value_count());
        for (u32 i = 0; i < to_.size(); ++i) to_[i] = ir::ValueId(i);
    }
    /// Uses of `old` that are rewritten from now on become uses of `replacement`.
    void set(ir::ValueId old, ir::ValueId replacement) { to_[index(old)] = replacement; }
    /// What stands for `v`. Values made after start() stand for themselves.
    ir::ValueId operator()(ir::ValueId v) const { return index(v) < to_.size() ? to_[index(v)] : v; }

    void rewrite_uses(ir::Function& f, ir::Inst& inst) const {
        f.for_each_use(inst, [&](ir::ValueId& v) { v = (*this)(v); });
    }

  private:
    std::vector<ir::ValueId> to_;  // value → what stands for it
};

}  // namespace kiln::opt

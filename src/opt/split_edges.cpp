// Every way from a branch to a block that others lead to, too, or that takes parameters, gets a block of its own: a place
// for what happens on that way alone.
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

bool split_edges(Function& f) {
    bool changed = unreachable_blocks(f);
    const u32 count = f.block_count();
    std::vector<u32> ways(count, 0);
    for (u32 b = 0; b < count; ++b)
        for (EdgeId e : f.edges_of(f[f[BlockId(b)].last])) ++ways[index(f[e].target)];
    for (u32 b = 0; b < count; ++b) {
        const ValueId last = f[BlockId(b)].last;
        const auto edges = f.edges_of(f[last]);
        if (edges.size() < 2) continue;
        for (std::size_t i = 0; i < edges.size(); ++i) {
            const EdgeId edge = f.edges_of(f[last])[i];
            if (ways[index(f[edge].target)] == 1 && f[edge].args.count == 0) continue;
            const BlockId between = f.add_block();
            Inst onward(Op::br);
            onward.origin = f[last].origin;
            const Edge whole = f[edge];
            const auto args = f.values(whole.args);
            onward.edges[0] = f.add_edge(whole.target, std::vector<ValueId>(args.begin(), args.end()));
            onward.edges[1] = EdgeId::none;
            f.append(between, onward);
            f[edge] = {between, {}};
            changed = true;
        }
    }
    return changed;
}

}  // namespace kiln::opt

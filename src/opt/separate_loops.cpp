// An outer loop that begins with the header of an inner one gets a header of its own in front of that: so what only the outer
// loop changes is no parameter of the inner one, and stays where it is while that runs.
#include <algorithm>

#include "ir/loops.h"
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

namespace {

/// Puts a block in front of the header, to which all ways into it lead but those from `inside`.
BlockId put_in_front(Function& f, BlockId header, std::span<const BlockId> inside) {
    const BlockId front = f.add_block();
    for (u32 b = 0; b < index(front); ++b) {
        if (std::ranges::find(inside, BlockId(b)) != inside.end()) continue;
        for (EdgeId e : f.edges_of(f[f[BlockId(b)].last]))
            if (f[e].target == header) f[e].target = front;
    }
    Inst onward(Op::br);
    onward.edges[0] = f.add_edge(header, {});
    onward.edges[1] = EdgeId::none;
    f.append(front, onward);
    return front;
}

}  // namespace

bool separate_loops(Function& f) {
    bool changed = unreachable_blocks(f);
    const std::vector<Loop> loops = natural_loops(f, Dominators(f));
    for (std::size_t i = 0; i + 1 < loops.size(); ++i) {
        BlockId header = loops[i].header;
        if (!f[header].params.empty()) continue;
        // Each loop's ways back stay with its own header; the next one outwards goes in front of it.
        for (; i + 1 < loops.size() && loops[i + 1].header == loops[i].header; ++i) {
            header = put_in_front(f, header, loops[i].latches);
            changed = true;
        }
    }
    return changed;
}

}  // namespace kiln::opt

// Removes what only computes a value that nothing uses: pure values, state reads, block parameters. Loads
// stay (they may fault), and so do floating-point operations (they raise flags). Unreachable blocks go first.
//
// Uses follow definitions in every order that BlockOrder gives, so one backward walk meets all uses of a
// value before the value itself, except those that an edge back to an earlier block makes: then the marking
// walk is repeated until it marks nothing new.
#include "opt/block_order.h"
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

namespace {

struct Scratch {
    BlockOrder order;
    std::vector<u8> used;  // value → whether something that stays uses it
};

bool removable(const Function& f, ValueId id, const Inst& inst) {
    return f.effects(id).pure || inst.op == Op::get_state;
}

/// Marks what `inst`, which stays, uses; an edge uses an argument only for a parameter that is used. Whether
/// anything was newly marked.
bool mark_uses(Function& f, Inst& inst, std::vector<u8>& used) {
    bool changed = false;
    const auto mark = [&](ValueId v) {
        changed |= !used[index(v)];
        used[index(v)] = 1;
    };
    const auto edges = f.edges_of(inst);
    if (edges.empty()) {
        f.for_each_use(inst, mark);
        return changed;
    }
    for (unsigned i = 0; i < info(inst.op).args; ++i) mark(inst.args[i]);
    for (EdgeId e : edges) {
        const auto args = f.values(f[e].args);
        const auto& params = f[f[e].target].params;
        for (std::size_t i = 0; i < args.size(); ++i)
            if (used[index(params[i])]) mark(args[i]);
    }
    return changed;
}

bool remove_unused_parameters(Function& f, const std::vector<u8>& used) {
    bool changed = false;
    const auto unused = [&](ValueId p) { return !used[index(p)]; };
    for (u32 b = 0; b < f.block_count(); ++b) {
        for (EdgeId e : f.edges_of(f[f[BlockId(b)].last])) {
            const auto& params = f[f[e].target].params;
            const auto args = f.values(f[e].args);
            u32 kept = 0;
            for (std::size_t i = 0; i < args.size(); ++i)
                if (!unused(params[i])) args[kept++] = args[i];
            f[e].args.count = kept;
        }
    }
    for (u32 b = 0; b < f.block_count(); ++b) {
        auto& params = f[BlockId(b)].params;
        for (ValueId p : params) {
            if (!unused(p)) continue;
            f[p].block = BlockId::none;
            changed = true;
        }
        std::erase_if(params, unused);
    }
    return changed;
}

}  // namespace

bool dead_code(Function& f) {
    thread_local Scratch scratch;
    auto& [order, used] = scratch;
    bool changed = unreachable_blocks(f);
    order.compute(f);
    used.assign(f.value_count(), 0);

    const auto blocks = order.blocks();
    const auto mark_all = [&] {
        bool marked = false;
        for (std::size_t i = blocks.size(); i-- > 0;)
            for (ValueId id = f[blocks[i]].last; id != ValueId::none; id = f[id].prev)
                if (used[index(id)] || !removable(f, id, f[id])) marked |= mark_uses(f, f[id], used);
        return marked;
    };
    while (mark_all() && !order.forward()) {
    }
    for (BlockId block : blocks) {
        f.for_each(block, [&](ValueId id, Inst& inst) {
            if (used[index(id)] || !removable(f, id, inst)) return;
            f.remove(id);
            changed = true;
        });
    }
    return remove_unused_parameters(f, used) || changed;
}

}  // namespace kiln::opt

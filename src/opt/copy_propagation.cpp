// Copies are values that are another value under a second name:
//   - a block parameter that gets the same value (or itself) over every edge;
//   - a read of a state slot whose content is known from a write or read before it, in the same block or on
//     the only way into it. A write of what the slot already holds is removed by the same knowledge.
// The slots known at a block's start are those known at the end of its only predecessor; a block with several
// predecessors starts with none.
#include <algorithm>

#include "opt/block_order.h"
#include "opt/observers.h"
#include "opt/passes.h"
#include "opt/replacements.h"

namespace kiln::opt {

using namespace ir;

namespace {

struct Scratch {
    BlockOrder order;
    Replacements replacements;
    std::vector<ValueId> known;  // [block × slots + slot]: what the slot holds at the block's end
};

bool has_parameters(const Function& f) {
    for (u32 b = 1; b < f.block_count(); ++b)
        if (!f[BlockId(b)].params.empty()) return true;
    return false;
}

/// Takes parameter number `i` off `block` and its argument off every edge in `incoming`.
void remove_parameter(Function& f, BlockId block, std::size_t i, std::span<const EdgeId> incoming) {
    auto& params = f[block].params;
    f[params[i]].block = BlockId::none;
    params.erase(params.begin() + static_cast<std::ptrdiff_t>(i));
    for (EdgeId e : incoming) {
        const auto args = f.values(f[e].args);
        std::copy(args.begin() + static_cast<std::ptrdiff_t>(i) + 1, args.end(),
                  args.begin() + static_cast<std::ptrdiff_t>(i));
        --f[e].args.count;
    }
}

/// Removes parameters that are copies until none is left, rewriting every use.
bool propagate_parameters(Function& f) {
    std::vector<std::vector<EdgeId>> incoming(f.block_count());
    for (u32 b = 0; b < f.block_count(); ++b)
        for (EdgeId e : f.edges_of(f[f[BlockId(b)].last])) incoming[index(f[e].target)].push_back(e);

    std::vector<ValueId> copy_of(f.value_count(), ValueId::none);
    const auto resolve = [&](ValueId v) {
        while (copy_of[index(v)] != ValueId::none) v = copy_of[index(v)];
        return v;
    };
    bool any = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 b = 1; b < f.block_count(); ++b) {
            auto& params = f[BlockId(b)].params;
            for (std::size_t i = params.size(); i-- > 0;) {
                ValueId only = ValueId::none;
                bool copy = true;
                for (EdgeId e : incoming[b]) {
                    const ValueId v = resolve(f.values(f[e].args)[i]);
                    if (v == params[i] || v == only) continue;
                    copy = copy && only == ValueId::none;
                    only = v;
                }
                if (!copy || only == ValueId::none) continue;
                copy_of[index(params[i])] = only;
                remove_parameter(f, BlockId(b), i, incoming[b]);
                changed = any = true;
            }
        }
    }
    if (any)
        for (u32 b = 0; b < f.block_count(); ++b)
            f.for_each(BlockId(b), [&](ValueId, Inst& inst) {
                f.for_each_use(inst, [&](ValueId& v) { v = resolve(v); });
            });
    return any;
}

}  // namespace

bool copy_propagation(Function& f) {
    thread_local Scratch scratch;
    auto& [order, replacements, known_at_end] = scratch;
    order.compute(f);
    bool changed = has_parameters(f) && propagate_parameters(f);

    replacements.start(f);
    const std::size_t slots = f.env().layout->slots.size();
    known_at_end.resize(slots * f.block_count());
    for (BlockId block : order.blocks()) {
        ValueId* const known = known_at_end.data() + slots * index(block);
        const BlockId before = order.sole_predecessor(block);
        if (before == BlockId::none)
            std::fill_n(known, slots, ValueId::none);
        else
            std::copy_n(known_at_end.data() + slots * index(before), slots, known);

        f.for_each(block, [&](ValueId id, Inst& inst) {
            replacements.rewrite_uses(f, inst);
            if (inst.op == Op::get_state) {
                ValueId& content = known[static_cast<u16>(inst.slot)];
                if (content == ValueId::none) {
                    content = id;
                    return;
                }
                replacements.set(id, content);
                f.remove(id);
                changed = true;
            } else if (inst.op == Op::put_state) {
                ValueId& content = known[static_cast<u16>(inst.slot)];
                if (content != inst.args[0]) {
                    content = inst.args[0];
                    return;
                }
                f.remove(id);
                changed = true;
            } else if (clobbers_state(f.effects(id))) {
                std::fill_n(known, slots, ValueId::none);
            }
        });
    }
    return changed;
}

}  // namespace kiln::opt

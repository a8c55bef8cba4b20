// Copies are values that are another value under a second name:
//   - a block parameter that gets the same value (or itself) over every edge;
//   - a read of a state slot whose content is known from a write or read before it, in the same block or on
//     the only way into it. A write of what the slot already holds is removed by the same knowledge.
// The slots known at a block's start are those known at the end of its only predecessor; a block with several
// predecessors starts with none. local_copy_propagation takes constants alone from block to block: for an
// engine that reads slots at no cost, a value that lives on across blocks is a value to be kept somewhere
// besides.
#include <algorithm>

#include "opt/observers.h"
#include "opt/passes.h"
#include "opt/rewriting_walk.h"

namespace kiln::opt {

using namespace ir;

namespace {

enum class AcrossBlocks { constants, everything };

struct Scratch {
    RewritingWalk walk;
    std::vector<ValueId> carried_at_end;  // [block × slots + slot]: what the slot holds, for the next block
    std::vector<ValueId> local;           // slot → what it holds, for this block alone
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

bool propagate(Function& f, AcrossBlocks across) {
    thread_local Scratch scratch;
    auto& [walk, carried_at_end, local] = scratch;
    walk.start(f);
    bool changed = has_parameters(f) && propagate_parameters(f);

    const bool everything = across == AcrossBlocks::everything;
    const std::size_t slots = f.env().layout->slots.size();
    carried_at_end.resize(slots * f.block_count());
    local.resize(slots);
    for (BlockId block : walk.order().blocks()) {
        // What the slots hold, and the part of that which goes on into the next block.
        ValueId* const carried = carried_at_end.data() + slots * index(block);
        ValueId* const known = everything ? carried : local.data();
        const BlockId before = walk.order().sole_predecessor(block);
        if (before == BlockId::none)
            std::fill_n(carried, slots, ValueId::none);
        else
            std::copy_n(carried_at_end.data() + slots * index(before), slots, carried);
        if (!everything) std::copy_n(carried, slots, known);

        walk.block(block, [&](ValueId id, Inst& inst) {
            if (inst.op == Op::get_state) {
                ValueId& content = known[static_cast<u16>(inst.slot)];
                if (content == ValueId::none) {
                    content = id;
                    return;
                }
                walk.replace(id, content);
                changed = true;
            } else if (inst.op == Op::put_state) {
                const ValueId value = inst.args[0];
                ValueId& content = known[static_cast<u16>(inst.slot)];
                if (content == value) {
                    f.remove(id);
                    changed = true;
                    return;
                }
                carried[static_cast<u16>(inst.slot)] = f[value].op == Op::iconst ? value : ValueId::none;
                content = value;
            } else if (clobbers_state(f.effects(id))) {
                std::fill_n(known, slots, ValueId::none);
                std::fill_n(carried, slots, ValueId::none);
            }
        });
    }
    return changed;
}

}  // namespace

bool copy_propagation(Function& f) { return propagate(f, AcrossBlocks::everything); }
bool local_copy_propagation(Function& f) { return propagate(f, AcrossBlocks::constants); }

}  // namespace kiln::opt

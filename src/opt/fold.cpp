// Constants and identities over the whole function, in one forward walk. What one value becomes is
// simplify.h's; here are the instructions that are not values: addresses, branches, guards and jumps.
#include <utility>

#include "opt/block_order.h"
#include "opt/passes.h"
#include "opt/replacements.h"
#include "opt/simplify.h"

namespace kiln::opt {

using namespace ir;

namespace {

struct Scratch {
    BlockOrder order;
    Replacements replacements;
    Simplifier simplifier;
};

/// A constant added to an address goes to the access's offset: both wrap modulo 2^64. Only when the sum has
/// no other use, as in simplify.h.
bool fold_address(Function& f, Inst& inst, Simplifier& simplifier) {
    const Inst& address = f[inst.args[0]];
    if (address.op != Op::add || simplifier.uses(inst.args[0]) != 1) return false;
    const u64* offset = simplifier.constant(address.args[1]);
    if (!offset) return false;
    inst.imm += *offset;
    inst.args[0] = address.args[0];
    simplifier.add_use(inst.args[0]);
    return true;
}

void become_br(Inst& inst, EdgeId edge) {
    inst.op = Op::br;
    inst.args[0] = ValueId::none;
    inst.edges[0] = edge;
    inst.edges[1] = EdgeId::none;
}

bool fold_br_if(Function& f, Inst& inst, Simplifier& simplifier) {
    if (const u64* c = simplifier.constant(inst.args[0])) {
        become_br(inst, inst.edges[*c ? 0 : 1]);
        return true;
    }
    const Edge &taken = f[inst.edges[0]], &other = f[inst.edges[1]];
    if (taken.target == other.target && taken.args.count == 0) {
        become_br(inst, inst.edges[0]);
        return true;
    }
    const Inst& condition = f[inst.args[0]];
    if (condition.op == Op::xor_ && simplifier.is_constant(condition.args[1], 1)) {
        inst.args[0] = condition.args[0];
        simplifier.add_use(inst.args[0]);
        std::swap(inst.edges[0], inst.edges[1]);
        return true;
    }
    return false;
}

bool fold_goto_ind(Inst& inst, Simplifier& simplifier) {
    const u64* target = simplifier.constant(inst.args[0]);
    if (!target) return false;
    inst.imm = *target;
    inst.op = Op::goto_pc;
    inst.args[0] = ValueId::none;
    return true;
}

}  // namespace

bool fold(Function& f) {
    thread_local Scratch scratch;
    auto& [order, replacements, simplifier] = scratch;
    order.compute(f);
    simplifier.start(f);
    replacements.start(f);

    bool changed = false;
    for (BlockId block : order.blocks()) {
        f.for_each(block, [&](ValueId id, Inst& inst) {
            replacements.rewrite_uses(f, inst);
            if (inst.op == Op::load || inst.op == Op::store) {
                changed |= fold_address(f, inst, simplifier);
            } else if (inst.op == Op::br_if) {
                changed |= fold_br_if(f, inst, simplifier);
            } else if (inst.op == Op::goto_ind) {
                changed |= fold_goto_ind(inst, simplifier);
            } else if (inst.op == Op::guard) {
                if (!simplifier.is_constant(inst.args[0], 1)) return;
                f.remove(id);
                changed = true;
            } else if (info(inst.op).effects.pure) {
                const ValueId value = simplifier.simplify(id);  // may move the instructions: inst is stale
                if (value == id) return;
                simplifier.transfer_uses(id, value);
                replacements.set(id, value);
                f.remove(id);
                changed = true;
            }
        });
    }
    return changed || simplifier.changed();
}

}  // namespace kiln::opt

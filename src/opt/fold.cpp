// Constants and identities over the whole function, in one forward walk. What one value becomes is
// simplify.h's; here are the instructions that are not values: addresses, branches, guards and jumps.
#include <algorithm>
#include <utility>

#include "opt/passes.h"
#include "opt/rewriting_walk.h"
#include "opt/simplify.h"

namespace kiln::opt {

using namespace ir;

namespace {

struct Scratch {
    RewritingWalk walk;
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
    inst.type = Type::none;
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

bool fold_switch(const Function& f, Inst& inst, Simplifier& simplifier) {
    const auto edges = f.edges_of(inst);
    const auto cases = f.case_values(inst);
    if (const u64* c = simplifier.constant(inst.args[0])) {
        const auto found = std::ranges::find(cases, *c);
        become_br(inst, found == cases.end() ? edges[0] : edges[1 + (found - cases.begin())]);
        return true;
    }
    const bool one_way = std::ranges::all_of(
        edges, [&](EdgeId e) { return f[e].target == f[edges[0]].target && f[e].args.count == 0; });
    if (one_way) become_br(inst, edges[0]);
    return one_way;
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
    auto& [walk, simplifier] = scratch;
    walk.start(f);
    simplifier.start(f);

    bool changed = false;
    walk.run([&](ValueId id, Inst& inst) {
        if (inst.op == Op::load || inst.op == Op::store) {
            changed |= fold_address(f, inst, simplifier);
        } else if (inst.op == Op::br_if) {
            changed |= fold_br_if(f, inst, simplifier);
        } else if (inst.op == Op::switch_) {
            changed |= fold_switch(f, inst, simplifier);
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
            walk.replace(id, value);
            changed = true;
        }
    });
    return changed || simplifier.changed();
}

}  // namespace kiln::opt

// Pure values that were computed before, in the same block or one that dominates it, are not computed again.
// Values count as the same when operation, type, attributes, operands and immediate agree; fold.cpp brings
// equal values into equal form beforehand. Reads of state slots are copy_propagation.cpp's, which knows what
// the slots hold.
#include <algorithm>
#include <bit>

#include "opt/passes.h"
#include "opt/rewriting_walk.h"

namespace kiln::opt {

using namespace ir;

namespace {

struct Scratch {
    RewritingWalk walk;
    std::vector<ValueId> heads;  // bucket → the latest value in it
    std::vector<ValueId> next;   // value → the one before it in its bucket
};

u32 hash(const Function& f, const Inst& inst) {
    u64 h = u64(inst.op) | u64(inst.type) << 8 | u64(inst.attr0) << 16 | u64(inst.attr1) << 24;
    const auto mix = [&](u64 v) { h = (std::rotl(h, 23) ^ v) * 0x9e3779b97f4a7c15; };
    mix(inst.imm);
    if (inst.op == Op::call) {
        mix(static_cast<u16>(inst.helper));
        for (ValueId v : f.values(inst.list)) mix(index(v));
    } else {
        mix(u64(index(inst.args[0])) | u64(index(inst.args[1])) << 32);
        mix(index(inst.args[2]));
    }
    return static_cast<u32>(h >> 32);
}

bool same(const Function& f, const Inst& a, const Inst& b) {
    if (a.op != b.op || a.type != b.type || a.attr0 != b.attr0 || a.attr1 != b.attr1 || a.imm != b.imm)
        return false;
    if (a.op == Op::call)
        return a.helper == b.helper && std::ranges::equal(f.values(a.list), f.values(b.list));
    return std::ranges::equal(a.args, b.args);
}

}  // namespace

bool common_subexpressions(Function& f) {
    thread_local Scratch scratch;
    auto& [walk, heads, next] = scratch;
    walk.start(f);
    heads.assign(std::bit_ceil(std::max(f.value_count(), 16u)), ValueId::none);
    next.resize(f.value_count());
    const u32 mask = static_cast<u32>(heads.size()) - 1;

    bool changed = false;
    walk.run([&](ValueId id, Inst& inst) {
        if (!f.effects(id).pure) return;
        ValueId& head = heads[hash(f, inst) & mask];
        for (ValueId earlier = head; earlier != ValueId::none; earlier = next[index(earlier)]) {
            if (!same(f, f[earlier], inst) || !walk.order().dominates(f[earlier].block, inst.block)) continue;
            walk.replace(id, earlier);
            changed = true;
            return;
        }
        next[index(id)] = head;
        head = id;
    });
    return changed;
}

}  // namespace kiln::opt

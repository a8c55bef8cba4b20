#include "run/watch.h"

#include "abi/helpers.h"
#include "abi/watch.h"

namespace kiln::run {
namespace {

using namespace ir;

ValueId constant(Function& f, ValueId before, u64 value) {
    Inst inst(Op::iconst, Type::i64);
    inst.imm = value;
    return f.insert_before(before, inst);
}

/// The address that the load or store `access` adds its offset to; an atomic has none.
ValueId address_of(Function& f, ValueId access) {
    const ValueId base = f[access].args[0];
    const u64 offset = f[access].imm;
    const bool has_offset = f[access].op == Op::load || f[access].op == Op::store;
    if (!has_offset || offset == 0) return base;
    Inst sum(Op::add, Type::i64);
    sum.args[0] = base;
    sum.args[1] = constant(f, access, offset);
    return f.insert_before(access, sum);
}

}  // namespace

void watch_accesses(Function& f) {
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(BlockId(block), [&](ValueId id, Inst& inst) {
            const Effects& effects = info(inst.op).effects;
            const u8 kinds = static_cast<u8>((effects.reads_memory ? abi::access_read : 0) |
                                             (effects.writes_memory ? abi::access_write : 0));
            if (kinds == 0) return;
            const u64 bytes = byte_size(inst.type);
            const ValueId args[] = {address_of(f, id), constant(f, id, bytes << 2 | kinds)};
            Inst call(Op::call, Type::none);
            call.helper = abi::helper::watch_access;
            call.list = f.add_values(args);
            f.insert_before(id, call);
        });
}

}  // namespace kiln::run

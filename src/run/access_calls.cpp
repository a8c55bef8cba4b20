#include "run/access_calls.h"

namespace kiln::run {

using namespace ir;

namespace {

/// The address that the load or store `access` adds its offset to; an atomic has none.
ValueId address_of(Function& f, ValueId access) {
    const ValueId base = f[access].args[0];
    const u64 offset = f[access].imm;
    const bool has_offset = f[access].op == Op::load || f[access].op == Op::store;
    if (!has_offset || offset == 0) return base;
    Inst sum(Op::add, Type::i64);
    sum.args[0] = base;
    sum.args[1] = constant_before(f, access, offset);
    return f.insert_before(access, sum);
}

}  // namespace

ValueId constant_before(Function& f, ValueId before, u64 value) {
    Inst inst(Op::iconst, Type::i64);
    inst.imm = value;
    return f.insert_before(before, inst);
}

void call_before(Function& f, ValueId before, HelperId helper, ValueId address, u64 what) {
    const ValueId args[] = {address, constant_before(f, before, what)};
    Inst call(Op::call, Type::none);
    call.helper = helper;
    call.list = f.add_values(args);
    f.insert_before(before, call);
}

void call_before_access(Function& f, ValueId access, HelperId helper, u64 what) {
    call_before(f, access, helper, address_of(f, access), what);
}

}  // namespace kiln::run

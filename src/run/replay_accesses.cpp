#include "run/replay_accesses.h"

#include <optional>

#include "abi/access_log.h"
#include "abi/helpers.h"
#include "run/access_calls.h"

namespace kiln::run {

using namespace ir;

namespace {

std::optional<abi::AccessKind> kind_of(const Inst& inst) {
    switch (inst.op) {
        case Op::load: return abi::AccessKind::load;
        case Op::store: return abi::AccessKind::store;
        case Op::atomic_cas: return abi::AccessKind::cas;
        case Op::atomic_rmw: return abi::kind_of(inst.rmw());
        default: return std::nullopt;
    }
}

constexpr u64 what(u64 bytes, abi::AccessKind kind) { return bytes << 8 | static_cast<u8>(kind); }

/// Makes the call `id` a load of what the log says the helper gave.
void replay_result(Function& f, ValueId id) {
    const ValueId number = constant_before(f, id, static_cast<u16>(f[id].helper));
    call_before(f, id, abi::helper::replay_access, number, what(8, abi::AccessKind::result));
    Inst& call = f[id];
    call.op = Op::load;
    call.space = Space::mmu;
    call.args[0] = number;
    call.helper = {};
    call.frame = {};
}

}  // namespace

void replay_accesses(Function& f) {
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(BlockId(block), [&](ValueId id, const Inst& inst) {
            if (inst.op == Op::call && abi::is_logged(f.env()[inst.helper])) return replay_result(f, id);
            const auto kind = kind_of(inst);
            if (!kind) return;
            call_before_access(f, id, abi::helper::replay_access, what(byte_size(inst.type), *kind));
            f[id].space = Space::mmu;
        });
}

}  // namespace kiln::run

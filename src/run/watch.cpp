#include "run/watch.h"

#include "abi/helpers.h"
#include "abi/watch.h"
#include "run/access_calls.h"

namespace kiln::run {

using namespace ir;

void watch_accesses(Function& f) {
    for (u32 block = 0; block < f.block_count(); ++block)
        f.for_each(BlockId(block), [&](ValueId id, Inst& inst) {
            const Effects& effects = info(inst.op).effects;
            const u8 kinds = static_cast<u8>((effects.reads_memory ? abi::access_read : 0) |
                                             (effects.writes_memory ? abi::access_write : 0));
            if (kinds == 0) return;
            const u64 bytes = byte_size(inst.type);
            call_before_access(f, id, abi::helper::watch_access, bytes << 2 | kinds);
        });
}

}  // namespace kiln::run

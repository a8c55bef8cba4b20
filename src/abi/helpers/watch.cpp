// Watchpoints: the check before a watched unit's accesses.
#include <algorithm>

#include "abi/helpers.h"
#include "abi/watch.h"

namespace kiln::abi::helpers {

u64 watch_access(Context& context, u64 a, u64 b) {
    if (context.watch == nullptr) return 0;
    const GuestAddr address(a);
    const u64 bytes = b >> 2;
    const u8 kinds = b & 3;
    for (const WatchedRange& range : context.watch->ranges) {
        if (!range.touched_by(address, bytes, kinds)) continue;
        context.watch->hit = true;
        context.watch->range = range;
        context.watch->address = std::max(address, range.begin);
        request_attention(context);
        break;
    }
    return 0;
}

}  // namespace kiln::abi::helpers

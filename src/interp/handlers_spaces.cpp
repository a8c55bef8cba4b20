// Handlers of accesses outside flat guest memory. They stand before a cell for flat memory and give it an
// address; only what may lie across two pages of a soft MMU is done here as a whole.
#include <algorithm>

#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

/// The host address of guest virtual address `address`; null when it faults, then Context::fault says why.
u8* translate(u8* state, u64 address, abi::MmuAccess access) {
    abi::Context& context = context_of(state);
    if (context.translate != nullptr) return context.translate(context, address, access);
    context.fault = {GuestAddr(address), abi::FaultKind::unmapped};
    return nullptr;
}

/// Both parts of an access that may lie across a page's end.
struct Parts {
    u8* first;
    u8* second;  ///< as far as there is one
    u64 first_bytes;
};

/// False when either part faults: then no byte is accessed.
bool translate(u8* state, u64 address, u64 bytes, abi::MmuAccess access, Parts& parts) {
    parts.first_bytes = std::min(bytes, abi::mmu_page_bytes - address % abi::mmu_page_bytes);
    parts.first = translate(state, address, access);
    if (parts.first == nullptr) return false;
    if (parts.first_bytes == bytes) return true;
    parts.second = translate(state, address + parts.first_bytes, access);
    return parts.second != nullptr;
}

// A whole access within a page is one of the host, as in flat memory: other threads see no part of it.
template <class Copy>
void copy_whole(u64 bytes, Copy&& copy) {
    switch (bytes) {
        case 1: return copy(u8{});
        case 2: return copy(u16{});
        case 4: return copy(u32{});
        case 8: return copy(u64{});
        default: return copy(u128{});
    }
}

KILN_HANDLER(host_address) {
    word(state, ip->dst) = word(state, ip->a) - reinterpret_cast<u64>(memory);
    KILN_NEXT;
}

KILN_HANDLER(mmu_address) {
    u8* const at = translate(state, word(state, ip->a), abi::MmuAccess::write);
    if (at == nullptr) [[unlikely]] {
        stop_at(ip, state);
        return abi::ExitReason::fault;
    }
    word(state, ip->dst) = reinterpret_cast<u64>(at) - reinterpret_cast<u64>(memory);
    KILN_NEXT;
}

KILN_HANDLER(mmu_load) {
    const u64 bytes = ip->c;
    Parts parts;
    if (!translate(state, word(state, ip->a) + ip->imm, bytes, abi::MmuAccess::read, parts)) [[unlikely]] {
        stop_at(ip, state);
        return abi::ExitReason::fault;
    }
    u128 value = 0;
    if (parts.first_bytes == bytes) [[likely]] {
        copy_whole(bytes, [&](auto whole) {
            std::memcpy(&whole, parts.first, sizeof(whole));
            value = whole;
        });
    } else {
        std::memcpy(&value, parts.first, parts.first_bytes);
        std::memcpy(reinterpret_cast<u8*>(&value) + parts.first_bytes, parts.second,
                    bytes - parts.first_bytes);
    }
    if (bytes > 8)
        give_pair(state, ip->dst, value);
    else
        word(state, ip->dst) = static_cast<u64>(value);
    KILN_NEXT;
}

KILN_HANDLER(mmu_store) {
    const u64 bytes = ip->c;
    Parts parts;
    if (!translate(state, word(state, ip->a) + ip->imm, bytes, abi::MmuAccess::write, parts)) [[unlikely]] {
        stop_at(ip, state);
        return abi::ExitReason::fault;
    }
    const u128 value = bytes > 8 ? pair(state, ip->b) : word(state, ip->b);
    if (parts.first_bytes == bytes) [[likely]] {
        copy_whole(bytes, [&](auto whole) {
            whole = static_cast<decltype(whole)>(value);
            std::memcpy(parts.first, &whole, sizeof(whole));
        });
    } else {
        std::memcpy(parts.first, &value, parts.first_bytes);
        std::memcpy(parts.second, reinterpret_cast<const u8*>(&value) + parts.first_bytes,
                    bytes - parts.first_bytes);
    }
    KILN_NEXT;
}

}  // namespace

Handler host_address_handler() { return host_address; }
Handler mmu_address_handler() { return mmu_address; }
Handler mmu_load_handler() { return mmu_load; }
Handler mmu_store_handler() { return mmu_store; }

}  // namespace kiln::interp

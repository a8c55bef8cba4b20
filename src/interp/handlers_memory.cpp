// Handlers of memory accesses and atomics. x86-64 orders ordinary loads and stores more strongly than acquire
// and release ask for; only a seq_cst store needs a fence.
#include <atomic>

#include "interp/dispatch.h"
#include "interp/handlers.h"

namespace kiln::interp {
namespace {

using ir::Type;

constexpr bool is_boxed(Type type) { return type == Type::f16 || type == Type::f32; }

// The unsigned integer as wide as a type in memory.
template <Type type>
using Memory = std::conditional_t<ir::byte_size(type) == 1, u8,
                                  std::conditional_t<ir::byte_size(type) == 2, u16,
                                                     std::conditional_t<ir::byte_size(type) == 4, u32, u64>>>;

// The host address of a guest address, which may be anything: integers wrap, pointers must not.
u8* host(u8* memory, u64 address) { return reinterpret_cast<u8*>(reinterpret_cast<u64>(memory) + address); }

KILN_HANDLER(check_aligned) {
    const u64 address = word(state, ip->a) + ip->imm;
    if (address % ip->c != 0) [[unlikely]]
        return misaligned_fault(ip, state, address);
    KILN_NEXT;
}

template <Type type, Extend extend>
KILN_HANDLER(load) {
    using U = Memory<type>;
    const u64 address = word(state, ip->a) + ip->imm;
    U value;
    if (!abi::guest_load(host(memory, address), value)) [[unlikely]]
        return access_fault(ip, state, address);
    if constexpr (is_boxed(type))
        word(state, ip->dst) = value | ~ir::type_mask(type == Type::f16 ? Type::i16 : Type::i32);
    else if constexpr (extend == Extend::sign)
        word(state, ip->dst) = static_cast<u64>(static_cast<i64>(static_cast<std::make_signed_t<U>>(value)));
    else
        word(state, ip->dst) = value;
    KILN_NEXT;
}

template <Type type, bool fenced>
KILN_HANDLER(store) {
    const u64 address = word(state, ip->a) + ip->imm;
    if (!abi::guest_store(host(memory, address), part<Memory<type>>(state, ip->b))) [[unlikely]]
        return access_fault(ip, state, address);
    if constexpr (fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
    KILN_NEXT;
}

KILN_HANDLER(load_pair) {
    const u64 address = word(state, ip->a) + ip->imm;
    u128 value;
    if (!abi::guest_load(host(memory, address), value)) [[unlikely]]
        return access_fault(ip, state, address);
    give_pair(state, ip->dst, value);
    KILN_NEXT;
}

template <bool fenced>
KILN_HANDLER(store_pair) {
    const u64 address = word(state, ip->a) + ip->imm;
    if (!abi::guest_store(host(memory, address), pair(state, ip->b))) [[unlikely]]
        return access_fault(ip, state, address);
    if constexpr (fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
    KILN_NEXT;
}

template <ir::Rmw rmw, Type type>
KILN_HANDLER(atomic_rmw) {
    using U = Memory<type>;
    const u64 address = word(state, ip->a);
    if (address % sizeof(U) != 0) [[unlikely]]
        return misaligned_fault(ip, state, address);
    const U operand = part<U>(state, ip->b);
    U seen;
    if (!abi::guest_load(host(memory, address), seen)) [[unlikely]]
        return access_fault(ip, state, address);
    for (U old;;) {
        old = seen;
        if (!abi::guest_compare_exchange<U>(host(memory, address), seen, ir::combine(rmw, old, operand)))
            [[unlikely]]
            return access_fault(ip, state, address);
        if (seen == old) break;
    }
    word(state, ip->dst) = seen;
    KILN_NEXT;
}

template <Type type>
KILN_HANDLER(atomic_cas) {
    using U = Memory<type>;
    const u64 address = word(state, ip->a);
    if (address % sizeof(U) != 0) [[unlikely]]
        return misaligned_fault(ip, state, address);
    U seen = part<U>(state, ip->b);
    if (!abi::guest_compare_exchange<U>(host(memory, address), seen, part<U>(state, ip->c))) [[unlikely]]
        return access_fault(ip, state, address);
    word(state, ip->dst) = seen;
    KILN_NEXT;
}

KILN_HANDLER(atomic_cas_pair) {
    const u64 address = word(state, ip->a);
    if (address % 16 != 0) [[unlikely]]
        return misaligned_fault(ip, state, address);
    u128 seen = pair(state, ip->b);
    if (!abi::guest_compare_exchange(host(memory, address), seen, pair(state, ip->c))) [[unlikely]]
        return access_fault(ip, state, address);
    give_pair(state, ip->dst, seen);
    KILN_NEXT;
}

KILN_HANDLER(fence) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    KILN_NEXT;
}

template <ir::Rmw rmw>
Handler pick_rmw(Type type) {
    switch (type) {
        case Type::i8: return atomic_rmw<rmw, Type::i8>;
        case Type::i16: return atomic_rmw<rmw, Type::i16>;
        case Type::i32: return atomic_rmw<rmw, Type::i32>;
        case Type::i64: return atomic_rmw<rmw, Type::i64>;
        default: return nullptr;
    }
}

template <bool fenced>
Handler pick_store(Type type) {
    switch (type) {
        case Type::i8: return store<Type::i8, fenced>;
        case Type::i16:
        case Type::f16: return store<Type::i16, fenced>;
        case Type::i32:
        case Type::f32: return store<Type::i32, fenced>;
        case Type::i64:
        case Type::f64:
        case Type::ptr:
        case Type::boxed: return store<Type::i64, fenced>;
        case Type::i128:
        case Type::v128: return store_pair<fenced>;
        case Type::none:
        case Type::i1: return nullptr;
    }
    return nullptr;
}

}  // namespace

Handler check_aligned_handler() { return check_aligned; }

Handler load_handler(Type type, Extend extend) {
    const bool sign = extend == Extend::sign;
    switch (type) {
        case Type::i8: return sign ? load<Type::i8, Extend::sign> : load<Type::i8, Extend::zero>;
        case Type::i16: return sign ? load<Type::i16, Extend::sign> : load<Type::i16, Extend::zero>;
        case Type::i32: return sign ? load<Type::i32, Extend::sign> : load<Type::i32, Extend::zero>;
        case Type::i64:
        case Type::f64:
        case Type::ptr:
        case Type::boxed: return load<Type::i64, Extend::zero>;
        case Type::f16: return load<Type::f16, Extend::zero>;
        case Type::f32: return load<Type::f32, Extend::zero>;
        case Type::i128:
        case Type::v128: return load_pair;
        case Type::none:
        case Type::i1: return nullptr;
    }
    return nullptr;
}

Handler store_handler(Type type, ir::Order order) {
    return order == ir::Order::seq_cst ? pick_store<true>(type) : pick_store<false>(type);
}

Handler rmw_handler(ir::Rmw rmw, Type type) {
    switch (rmw) {
        case ir::Rmw::swap: return pick_rmw<ir::Rmw::swap>(type);
        case ir::Rmw::add: return pick_rmw<ir::Rmw::add>(type);
        case ir::Rmw::and_: return pick_rmw<ir::Rmw::and_>(type);
        case ir::Rmw::or_: return pick_rmw<ir::Rmw::or_>(type);
        case ir::Rmw::xor_: return pick_rmw<ir::Rmw::xor_>(type);
        case ir::Rmw::min_s: return pick_rmw<ir::Rmw::min_s>(type);
        case ir::Rmw::max_s: return pick_rmw<ir::Rmw::max_s>(type);
        case ir::Rmw::min_u: return pick_rmw<ir::Rmw::min_u>(type);
        case ir::Rmw::max_u: return pick_rmw<ir::Rmw::max_u>(type);
    }
    return nullptr;
}

Handler cas_handler(Type type) {
    switch (type) {
        case Type::i8: return atomic_cas<Type::i8>;
        case Type::i16: return atomic_cas<Type::i16>;
        case Type::i32: return atomic_cas<Type::i32>;
        case Type::i64: return atomic_cas<Type::i64>;
        case Type::i128: return atomic_cas_pair;
        default: return nullptr;
    }
}

Handler fence_handler() { return fence; }

}  // namespace kiln::interp

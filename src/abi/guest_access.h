// Raw access to guest memory: the only place where the engine itself touches it.
//
// Every access here is one machine instruction that may fault. Its address stands in the table of
// recovery points (linker section kiln_recovery) beside the address where execution continues after a fault;
// the host's SIGSEGV and SIGBUS handler (mem/fault.h) looks the faulting pc up there, notes in `last_fault`
// what happened and resumes at the recovery point. So an access costs nothing while it succeeds, and a failed
// one is a value: `false`.
//
// Rule: every guest access of C++ code goes through these functions; `at` is a host address that was computed
// as Context::memory + guest address and may be anything at all.
#pragma once

#include "abi/context.h"

namespace kiln::abi {

/// What the fault handler saw at this thread's latest failed access. `address` is a host address; it is not
/// known (exact false) when the host does not report it, as for addresses that are not canonical.
struct HostFault {
    const u8* address;
    FaultKind kind;
    bool exact;
};
extern thread_local HostFault last_fault;

/// One row of the table of recovery points: offsets from the fields' own addresses.
struct RecoveryPoint {
    i32 access;
    i32 resume;
};

// The '?' puts the row into the section group of the function it belongs to, so that both are dropped
// together.
#define KILN_RECOVERY_POINT(access, resume)             \
    ".pushsection kiln_recovery, \"a?\", @progbits\n\t" \
    ".long " access                                     \
    " - .\n\t"                                          \
    ".long " resume                                     \
    " - .\n\t"                                          \
    ".popsection\n\t"

/// Loads the T (u8 to u64) at `at`; false when it faults, then `value` is unspecified. Need not be aligned.
template <class T>
[[gnu::always_inline]] inline bool guest_load(const u8* at, T& value) {
    T loaded;
    if constexpr (sizeof(T) == 1) {
        u32 wide;
        asm goto("1: movzbl %1, %0\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
                 : "=r"(wide)
                 : "m"(*at)
                 : "memory"
                 : faulted);
        loaded = static_cast<T>(wide);
    } else if constexpr (sizeof(T) == 2) {
        u32 wide;
        asm goto("1: movzwl %1, %0\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
                 : "=r"(wide)
                 : "m"(*reinterpret_cast<const T*>(at))
                 : "memory"
                 : faulted);
        loaded = static_cast<T>(wide);
    } else {
        asm goto("1: mov %1, %0\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
                 : "=r"(loaded)
                 : "m"(*reinterpret_cast<const T*>(at))
                 : "memory"
                 : faulted);
    }
    value = loaded;
    return true;
faulted:
    return false;
}

/// Stores `value` at `at`; false when it faults, then nothing or a part is stored. Need not be aligned.
template <class T>
[[gnu::always_inline]] inline bool guest_store(u8* at, T value) {
    if constexpr (sizeof(T) == 1)
        asm goto("1: movb %b0, %1\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
                 :
                 : "q"(value), "m"(*at)
                 : "memory"
                 : faulted);
    else
        asm goto("1: mov %0, %1\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
                 :
                 : "r"(value), "m"(*reinterpret_cast<T*>(at))
                 : "memory"
                 : faulted);
    return true;
faulted:
    return false;
}

/// 16 bytes in one access; need not be aligned.
[[gnu::always_inline]] inline bool guest_load(const u8* at, u128& value) {
    using Vector [[gnu::vector_size(16)]] = u64;
    Vector loaded;
    asm goto("1: movups %1, %0\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
             : "=x"(loaded)
             : "m"(*reinterpret_cast<const u8(*)[16]>(at))
             : "memory"
             : faulted);
    value = static_cast<u128>(loaded[1]) << 64 | loaded[0];
    return true;
faulted:
    return false;
}
[[gnu::always_inline]] inline bool guest_store(u8* at, u128 value) {
    using Vector [[gnu::vector_size(16)]] = u64;
    const Vector stored = {static_cast<u64>(value), static_cast<u64>(value >> 64)};
    asm goto("1: movups %0, %1\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
             :
             : "x"(stored), "m"(*reinterpret_cast<u8(*)[16]>(at))
             : "memory"
             : faulted);
    return true;
faulted:
    return false;
}

/// Atomically replaces the T at `at`, which must be aligned, by `desired` if it equals `expected`. `expected`
/// becomes the old value; false when the access faults. Sequentially consistent.
template <class T>
[[gnu::always_inline]] inline bool guest_compare_exchange(u8* at, T& expected, T desired) {
    T old = expected;
    asm goto("1: lock cmpxchg %2, %1\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
             : "+a"(old)
             : "m"(*reinterpret_cast<T*>(at)), "q"(desired)
             : "memory", "cc"
             : faulted);
    expected = old;
    return true;
faulted:
    return false;
}

/// The same for 16 bytes, aligned to 16.
[[gnu::always_inline]] inline bool guest_compare_exchange(u8* at, u128& expected, u128 desired) {
    u64 low = static_cast<u64>(expected), high = static_cast<u64>(expected >> 64);
    asm goto("1: lock cmpxchg16b %2\n\t" KILN_RECOVERY_POINT("1b", "%l[faulted]")
             : "+a"(low), "+d"(high)
             : "m"(*reinterpret_cast<u128*>(at)), "b"(static_cast<u64>(desired)),
               "c"(static_cast<u64>(desired >> 64))
             : "memory", "cc"
             : faulted);
    expected = static_cast<u128>(high) << 64 | low;
    return true;
faulted:
    return false;
}

/// Copies `bytes` from `from` to `to`, either of which may be guest memory; the number of bytes not copied
/// because an access faulted (0: all were).
inline std::size_t guest_copy(u8* to, const u8* from, std::size_t bytes) {
    // A fault leaves rcx at what remains: the recovery point is the next instruction.
    asm volatile(
        "1: rep movsb\n"
        "2:\n\t" KILN_RECOVERY_POINT("1b", "2b")
        : "+D"(to), "+S"(from), "+c"(bytes)
        :
        : "memory");
    return bytes;
}

/// The fault that just made an access of `size` bytes at guest address `address` fail: where exactly (a part
/// of an access may lie in another page) and how. `memory` is Context::memory.
inline Fault faulted_at(GuestAddr address, const u8* memory) {
    if (!last_fault.exact) return {address, last_fault.kind};
    return {GuestAddr(static_cast<u64>(last_fault.address - memory)), last_fault.kind};
}

}  // namespace kiln::abi

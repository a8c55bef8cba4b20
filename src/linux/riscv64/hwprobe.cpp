// riscv_hwprobe(2) and riscv_flush_icache(2): the calls that only riscv64 has
// (arch/riscv/include/uapi/asm/hwprobe.h).
#include <cerrno>

#include "linux/guest_memory.h"
#include "run/engine.h"

namespace kiln::user {
namespace {

struct Pair {
    i64 key;
    u64 value;
};

/// Bits of RISCV_HWPROBE_KEY_IMA_EXT_0 for the extensions that isa/riscv64/extensions.def lists.
constexpr u64 extension_bits() {
    constexpr unsigned present[] = {
        0,   // F and D
        1,   // C
        3,   // Zba
        4,   // Zbb
        5,   // Zbs
        6,   // Zicboz
        7,   // Zbc
        8,   // Zbkb
        9,   // Zbkc
        10,  // Zbkx
        11,  // Zknd
        12,  // Zkne
        13,  // Zknh
        14,  // Zksed
        15,  // Zksh
        16,  // Zkt
        27,  // Zfh
        28,  // Zfhmin
        29,  // Zihintntl
        32,  // Zfa
        34,  // Zacas
        35,  // Zicond
        36,  // Zihintpause
        42,  // Zimop
        43,  // Zca
        44,  // Zcb
        45,  // Zcd
        47,  // Zcmop
        48,  // Zawrs
        50,  // Zicntr
        55,  // Zicbom
        56,  // Zaamo
        57,  // Zalrsc
        58,  // Zabha
    };
    u64 bits = 0;
    for (unsigned bit : present) bits |= u64{1} << bit;
    return bits;
}

void answer(Pair& pair, u64 highest_address) {
    constexpr u64 base_behavior_ima = 1, misaligned_fast = 3, time_base_hz = 10'000'000, block_bytes = 64;
    switch (pair.key) {
        case 0:                          // MVENDORID
        case 1:                          // MARCHID
        case 2: pair.value = 0; return;  // MIMPID
        case 3: pair.value = base_behavior_ima; return;
        case 4: pair.value = extension_bits(); return;
        case 5:                                        // CPUPERF_0
        case 9: pair.value = misaligned_fast; return;  // MISALIGNED_SCALAR_PERF
        case 6:                                        // ZICBOZ_BLOCK_SIZE
        case 12: pair.value = block_bytes; return;     // ZICBOM_BLOCK_SIZE
        case 7: pair.value = highest_address; return;
        case 8: pair.value = time_base_hz; return;
        default: pair = {-1, 0}; return;
    }
}

}  // namespace

i64 calls::riscv_hwprobe(Thread& thread, const Call& call) {
    // Asking which harts have given answers is not supported: all are the same.
    if (call[4] != 0) return -EINVAL;
    if (call[2] == 0 && call[3] != 0) return -EINVAL;
    for (u64 i = 0; i < call[1]; ++i) {
        u64 at = call[0] + i * sizeof(Pair);
        Pair pair;
        if (!load(thread, at, pair)) return -EFAULT;
        answer(pair, thread.process.memory.limit() - 1);
        if (!store(thread, at, pair)) return -EFAULT;
    }
    return 0;
}

i64 calls::riscv_flush_icache(Thread& thread, const Call& call) {
    constexpr u64 local = 1;
    if (call[2] & ~local) return -EINVAL;
    // An empty range is taken for all memory, as Linux takes every range.
    thread.process.engine.sync_code(call.address(0), call[1] > call[0] ? call[1] - call[0] : 0);
    return 0;
}

}  // namespace kiln::user

// riscv_hwprobe(2) and riscv_flush_icache(2): the calls that only riscv64 has
// (arch/riscv/include/uapi/asm/hwprobe.h).
#include <unistd.h>

#include <algorithm>
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

/// Whether a hart that answers `seen` has what `asked` wants: all bits of the keys that are bit sets, the same
/// value for others.
bool satisfies(const Pair& seen, const Pair& asked) {
    constexpr i64 base_behavior = 3, ima_ext_0 = 4, cpuperf_0 = 5;
    const bool bits = asked.key == base_behavior || asked.key == ima_ext_0 || asked.key == cpuperf_0;
    return bits ? (seen.value & asked.value) == asked.value : seen.value == asked.value;
}

/// A set of harts, as long as the guest's but at most 1024.
struct Harts {
    u64 bytes;
    u8 bits[128]{};

    Harts(const Call& call) : bytes(std::min<u64>(call[2], sizeof bits)) {}
    bool none() const {
        return std::ranges::all_of(bits, [](u8 byte) { return byte == 0; });
    }
    /// Drops those that are not there, or takes all that are.
    void keep_online() {
        for_online([](u8& byte, u8 mask) { byte &= mask; });
    }
    void take_online() {
        for_online([](u8& byte, u8 mask) { byte = mask; });
    }

  private:
    template <class Change>
    void for_online(Change&& change) {
        const u64 online = static_cast<u64>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
        for (u64 i = 0; i < sizeof bits; ++i) {
            const u64 here = std::min<u64>(online > i * 8 ? online - i * 8 : 0, 8);
            change(bits[i], static_cast<u8>((1u << here) - 1));
        }
    }
};

/// RISCV_HWPROBE_WHICH_CPUS: leaves those harts in the guest's set that have all it asks for. All are alike.
i64 which_harts(Thread& thread, const Call& call) {
    if (call[2] == 0 || call[3] == 0) return -EINVAL;
    Harts harts(call);
    if (!thread.process.memory.read(call.address(3), harts.bits, harts.bytes)) return -EFAULT;
    harts.none() ? harts.take_online() : harts.keep_online();
    bool all = true;
    for (u64 i = 0; i < call[1]; ++i) {
        const u64 at = call[0] + i * sizeof(Pair);
        Pair asked;
        if (!load(thread, at, asked)) return -EFAULT;
        Pair seen = asked;
        answer(seen, thread.process.memory.limit() - 1);
        if (seen.key < 0 && !store(thread, at, seen)) return -EFAULT;
        all = all && seen.key >= 0 && satisfies(seen, asked);
    }
    if (!all) std::ranges::fill(harts.bits, u8{0});
    return thread.process.memory.write(call.address(3), harts.bits, harts.bytes) ? 0 : -EFAULT;
}

}  // namespace

i64 calls::riscv_hwprobe(Thread& thread, const Call& call) {
    constexpr u64 which_cpus = 1;
    if (call[4] == which_cpus) return which_harts(thread, call);
    if (call[4] != 0) return -EINVAL;
    if (call[2] != 0 || call[3] != 0) {
        Harts harts(call);
        if (!thread.process.memory.read(call.address(3), harts.bits, harts.bytes)) return -EFAULT;
        harts.keep_online();
        if (harts.none()) return -EINVAL;
    }
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

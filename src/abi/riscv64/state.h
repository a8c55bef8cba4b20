// The state of one riscv64 hart as translated code sees it, and its description for passes and tiers.
#pragma once

#include "abi/context.h"
#include "ir/env.h"

namespace kiln::riscv64 {

struct State {
    abi::Context context;
    alignas(abi::slots_begin) u64 x[32] = {};  ///< x[0] is never written
    u64 f[32] = {};                            ///< raw bits, narrower values NaN-boxed
#define RV_SLOT(name, meaning) u64 name = 0;
#include "abi/riscv64/state.def"
#undef RV_SLOT
    alignas(abi::temps_begin) u8 temps[abi::temps_bytes];

    State() { lr_addr = ~u64{0}; }
};
static_assert(offsetof(State, x) == abi::slots_begin);
static_assert(offsetof(State, temps) == abi::temps_begin);

extern const ir::StateLayout layout;
/// riscv64's layout and the whole helper table.
extern const ir::Env env;

/// The slot of x1 to x31.
constexpr ir::SlotId x_slot(unsigned number) { return ir::SlotId(number - 1); }
/// The slot of f0 to f31.
constexpr ir::SlotId f_slot(unsigned number) { return ir::SlotId(31 + number); }

namespace slot {
enum : u16 {
    before_first = 62,  // 31 integer and 32 floating-point registers
#define RV_SLOT(name, meaning) name##_number,
#include "abi/riscv64/state.def"
#undef RV_SLOT
};
#define RV_SLOT(name, meaning) inline constexpr ir::SlotId name{name##_number};
#include "abi/riscv64/state.def"
#undef RV_SLOT
}  // namespace slot

}  // namespace kiln::riscv64

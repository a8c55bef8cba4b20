#include "abi/riscv64/state.h"

#include <array>

#include "abi/helpers.h"

namespace kiln::riscv64 {
namespace {

constexpr std::size_t slot_count = 63 + 0
#define RV_SLOT(name, meaning) +1
#include "abi/riscv64/state.def"
#undef RV_SLOT
    ;

constexpr std::string_view x_names[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
                                        "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
                                        "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
                                        "x24", "x25", "x26", "x27", "x28", "x29", "x30", "x31"};
constexpr std::string_view f_names[] = {"f0",  "f1",  "f2",  "f3",  "f4",  "f5",  "f6",  "f7",
                                        "f8",  "f9",  "f10", "f11", "f12", "f13", "f14", "f15",
                                        "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23",
                                        "f24", "f25", "f26", "f27", "f28", "f29", "f30", "f31"};

constexpr auto slots = [] {
    std::array<ir::Slot, slot_count> table{};
    for (unsigned i = 1; i < 32; ++i)
        table[static_cast<u16>(x_slot(i))] = {x_names[i], ir::Type::i64,
                                              static_cast<u32>(offsetof(State, x) + 8 * i)};
    for (unsigned i = 0; i < 32; ++i)
        table[static_cast<u16>(f_slot(i))] = {f_names[i], ir::Type::i64,
                                              static_cast<u32>(offsetof(State, f) + 8 * i)};
#define RV_SLOT(name, meaning) \
    table[slot::name##_number] = {#name, ir::Type::i64, static_cast<u32>(offsetof(State, name))};
#include "abi/riscv64/state.def"
#undef RV_SLOT
    return table;
}();

// By how often compiled code uses them: arguments and temporaries of the calling convention that compressed
// instructions reach, then the stack pointer.
constexpr ir::SlotId hot_integer[] = {x_slot(15), x_slot(14), x_slot(10), x_slot(13), x_slot(2),
                                      x_slot(8),  x_slot(11), x_slot(12), x_slot(9)};
constexpr ir::SlotId hot_fp[] = {
    f_slot(15), f_slot(14), f_slot(10), f_slot(13), f_slot(11), f_slot(12), f_slot(8),  f_slot(0),
    f_slot(1),  f_slot(9),  f_slot(2),  f_slot(3),  f_slot(4),  f_slot(5),  f_slot(6),  f_slot(7),
    f_slot(16), f_slot(17), f_slot(18), f_slot(19), f_slot(20), f_slot(21), f_slot(22), f_slot(23),
    f_slot(24), f_slot(25), f_slot(26), f_slot(27), f_slot(28), f_slot(29), f_slot(30), f_slot(31)};

}  // namespace

constexpr ir::StateLayout layout = {"rv64", slots, slot::pc, slot::frm, hot_integer, hot_fp};
constexpr ir::Env env = {&layout, abi::helper_signatures};

}  // namespace kiln::riscv64

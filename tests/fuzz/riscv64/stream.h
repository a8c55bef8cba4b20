// A random test: a stream of instructions and the states it is run from. What generator.h makes, program.h
// turns into a guest program, and reduce.h takes apart.
//
// Every stream keeps four laws, so that it ends and touches only its own memory:
//   - control goes to an item that may be a target or to the end, and back only by a branch that is taken while the
//     counter, which an input sets to a small number and only the item before such a branch changes, is above 0; or by
//     calls and returns;
//   - a function is entered at its first item, by JAL, and left at its last, by JALR through the register where that left
//     the return address, which nothing in the function writes; it calls those within it and those before it;
//   - the registers in `pointers` and `bad_pointers`, and the counter but for that, are never written;
//   - an access through a pointer stays in the window; only one through a bad pointer may fault.
#pragma once

#include <array>
#include <vector>

#include "isa/riscv64/decode.h"

namespace kiln::fuzz {

/// What streams are made of.
enum class Scope : u8 {
    qemu,  ///< what qemu 7.2 does as the manual says: all but excluded.def
    all,   ///< everything but what excluded.def keeps from every stream
};

/// One instruction, or a word that is none.
struct Item {
    riscv64::Decoded inst;  ///< raw is what is run, but for the immediate of an item with a target
    int target = -1;        ///< index of the item whose offset from `origin` is the immediate; -1: not such
    int origin = -1;
    bool may_be_target = true;  ///< false inside a sequence that must be run from its start
    int function = 0;           ///< the innermost that it is in, from 1; 0: none
};

/// A register that holds the address `delta` bytes from the middle of the window.
struct Pointer {
    u8 reg;
    i32 delta;
};

/// The registers and the memory that a stream finds. Pointers are filled in by program.h, which knows where
/// the window is.
struct Input {
    std::array<u64, 32> x{};
    std::array<u64, 32> f{};
    u64 fcsr = 0;
    std::array<u64, 32> window{};
};

constexpr i32 window_bytes = sizeof(Input::window);

struct Stream {
    std::vector<Item> items;
    std::vector<Pointer> pointers;  ///< the first is the anchor: delta 0, through which state is kept
    std::vector<u8> bad_pointers;
    u8 counter = 0;  ///< x0: it has no way back
    std::vector<Input> inputs;

    u8 anchor() const { return pointers.front().reg; }
};

/// The offset of each item from the first in bytes, and behind them that of the end.
std::vector<i32> item_offsets(const Stream& stream);

/// The stream's code: items with their targets' offsets in place.
std::vector<u16> stream_code(const Stream& stream);

/// The instruction that is run for stream.items[index], immediate in place.
riscv64::Decoded placed_instruction(const Stream& stream, const std::vector<i32>& offsets, size_t index);

}  // namespace kiln::fuzz

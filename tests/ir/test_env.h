// A small guest for file tests: slots of several types and one helper of each kind. Property tests that run
// code use a real guest instead.
#pragma once

#include "ir/env.h"

namespace kiln::test {

inline constexpr ir::Slot slots[] = {
    {"r0", ir::Type::i64, 128}, {"r1", ir::Type::i64, 136},    {"r2", ir::Type::i64, 144},
    {"r3", ir::Type::i64, 152}, {"w0", ir::Type::i32, 160},    {"flag", ir::Type::i1, 168},
    {"s0", ir::Type::f32, 176}, {"d0", ir::Type::f64, 184},    {"q0", ir::Type::i128, 192},
    {"pc", ir::Type::i64, 208}, {"round", ir::Type::i64, 216}, {"v0", ir::Type::v128, 224},
    {"p0", ir::Type::ptr, 240}, {"o0", ir::Type::boxed, 248},
};
inline constexpr ir::StateLayout layout = {"test", slots, ir::SlotId(9), ir::SlotId(10)};

inline constexpr ir::Type words[] = {ir::Type::i64, ir::Type::i64};
inline constexpr ir::HelperSig helpers[] = {
    {"mix", ir::Type::i64, words, ir::parse_effects("P")},
    {"peek", ir::Type::i64, std::span(words).first(1), ir::parse_effects("S")},
    {"poke", ir::Type::none, std::span(words).first(1), ir::parse_effects("W")},
    {"raise", ir::Type::i64, std::span(words).first(1), ir::parse_effects("E")},
    {"yield", ir::Type::none, {}, ir::parse_effects("X")},
    {"wide", ir::Type::i128, {}, ir::parse_effects("X")},
};
inline constexpr ir::Env env = {&layout, helpers};

}  // namespace kiln::test

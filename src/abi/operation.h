// IR operations as code that translated code may call: what a host has no instructions for (binary16, rounding with
// ties away from zero, vectors and wide integers where they are rare, extensions that this host lacks) a compiling
// tier leaves to the helper `operate`, operands and result being in words of the context's temporaries.
#pragma once

#include "abi/context.h"
#include "ir/function.h"

namespace kiln::abi {

/// Which operation, in one word: the helper's first argument. Its second is the rounding of an operation with
/// Rounding::dyn, which must be one.
struct Operation {
    ir::Op op{};
    ir::Type type{}, operand{};  ///< of the instruction; of its first operand
    u8 attr0 = 0, attr1 = 0;
    u8 lane = 0;  ///< vinsert, vextract: Inst::imm

    constexpr u64 packed() const {
        return u64{static_cast<u8>(op)} | u64{static_cast<u8>(type)} << 8 |
               u64{static_cast<u8>(operand)} << 16 | u64{attr0} << 24 | u64{attr1} << 32 | u64{lane} << 40;
    }
    static constexpr Operation of(u64 packed) {
        const auto byte = [&](unsigned i) { return static_cast<u8>(packed >> 8 * i); };
        return {ir::Op(byte(0)), ir::Type(byte(1)), ir::Type(byte(2)), byte(3), byte(4), byte(5)};
    }
};

/// Up to three operands of two words each, low half first, where the result of two words replaces the first. Integers
/// have zeros above their type; floats may have anything there.
inline constexpr u32 operand_words = temps_begin + 64;
constexpr u32 operand_word(unsigned operand) { return operand_words + 16 * operand; }
inline constexpr u32 operand_bytes = 48;

}  // namespace kiln::abi

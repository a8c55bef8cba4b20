// What a function is compiled against: the guest's state slots and the helpers that code may call.
// ir/ knows neither; abi/ describes both (abi/<guest>/state.def, abi/helpers.def).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ir/op.h"

namespace kiln::ir {

enum class SlotId : u16 { none = 0xffff };
enum class HelperId : u16 {};

/// A slot has one or two whole words of 8 bytes to itself. A value narrower than a word stands in the low bits
/// as it is (a float is not NaN-boxed); the bits above are always zero.
struct Slot {
    std::string_view name;
    Type type;
    u32 offset;  ///< bytes from the start of the guest context; a multiple of 8
};

/// The typed slots that one guest's state consists of. Slots do not overlap.
struct StateLayout {
    std::string_view name;  ///< the name that stands in a function's text form
    std::span<const Slot> slots;
    SlotId pc;        ///< where the guest's program counter is stored when a unit is left
    SlotId rounding;  ///< the FP rounding mode that Rounding::dyn reads, as a Rounding's number
    /// The slots that code uses most, hottest first: tiers keep as many of them in host registers as they have. By the
    /// kind of number they mostly hold; all are i64, and hot_fp has all slots of floating-point registers.
    std::span<const SlotId> hot_integer = {}, hot_fp = {};

    const Slot& operator[](SlotId id) const { return slots[static_cast<u16>(id)]; }
    std::optional<SlotId> find(std::string_view slot_name) const {
        for (std::size_t i = 0; i < slots.size(); ++i)
            if (slots[i].name == slot_name) return SlotId(i);
        return std::nullopt;
    }
};

/// A row of the helper table as passes see it. Arguments and results are passed as 64-bit words.
struct HelperSig {
    std::string_view name;
    Type result;
    std::span<const Type> args;
    Effects effects;
};

struct Env {
    const StateLayout* layout;
    std::span<const HelperSig> helpers;

    const HelperSig& operator[](HelperId id) const { return helpers[static_cast<u16>(id)]; }
    std::optional<HelperId> find_helper(std::string_view helper_name) const {
        for (std::size_t i = 0; i < helpers.size(); ++i)
            if (helpers[i].name == helper_name) return HelperId(i);
        return std::nullopt;
    }
};

}  // namespace kiln::ir

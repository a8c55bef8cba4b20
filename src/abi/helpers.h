// The helper table: rows of helpers.def with their signatures (for passes) and functions (for tiers).
// Implementations live in abi/helpers/, one file per family.
#pragma once

#include <span>

#include "abi/context.h"
#include "ir/env.h"

namespace kiln::abi {

/// Every helper has this type; those with fewer arguments ignore the rest, those without a result return 0.
/// Runs on the thread that runs `context`; may raise host FP flags only if its row has E or X.
using HelperFunction = u64 (*)(Context& context, u64 a, u64 b);

namespace helper {
enum class Number : u16 {
#define HELPER(name, result, args, effects, meaning) name,
#include "abi/helpers.def"
#undef HELPER
};
#define HELPER(name, result, args, effects, meaning) \
    inline constexpr ir::HelperId name{static_cast<u16>(Number::name)};
#include "abi/helpers.def"
#undef HELPER
}  // namespace helper

namespace detail {
inline constexpr ir::Type words[] = {ir::Type::i64, ir::Type::i64};
}
/// What passes know of each row, in the table's order.
inline constexpr ir::HelperSig helper_signatures[] = {
#define HELPER(name, result, args, effects, meaning) \
    {#name, ir::Type::result, std::span(detail::words).first(args), ir::parse_effects(effects)},
#include "abi/helpers.def"
#undef HELPER
};
/// The functions, in the table's order.
extern const std::span<const HelperFunction> helper_functions;

namespace helpers {
#define HELPER(name, result, args, effects, meaning) u64 name(Context& context, u64 a, u64 b);
#include "abi/helpers.def"
#undef HELPER
}  // namespace helpers

}  // namespace kiln::abi

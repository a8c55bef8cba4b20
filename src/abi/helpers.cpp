#include "abi/helpers.h"

namespace kiln::abi {
namespace {

constexpr HelperFunction functions[] = {
#define HELPER(name, result, args, effects, meaning) helpers::name,
#include "abi/helpers.def"
#undef HELPER
};

}  // namespace

constexpr std::span<const HelperFunction> helper_functions = functions;

}  // namespace kiln::abi

#include "ir/op.h"

#include <iterator>

namespace kiln::ir {
namespace {

constexpr std::string_view without_underscore(std::string_view text) {
    return text.ends_with('_') ? text.substr(0, text.size() - 1) : text;
}

// The column "-" of ops.def stands for AttrGroup::none.
constexpr AttrGroup group_named(std::string_view text) {
#define IR_ATTR_GROUP(group, meaning) \
    if (text == #group) return AttrGroup::group;
#include "ir/attrs.def"
    return AttrGroup::none;
}

constexpr bool uses_lists(Shape shape, const Effects& effects) {
    return shape == Shape::call || shape == Shape::br || shape == Shape::br_if || shape == Shape::switch_ ||
           effects.may_fault;
}

struct AttrRow {
    AttrGroup group;
    u8 value;
    std::string_view name;
};

constexpr AttrRow attr_table[] = {
#define IR_ATTR(group, value, meaning) \
    {AttrGroup::group, static_cast<u8>(group::value), without_underscore(#value)},
#include "ir/attrs.def"
};

}  // namespace

constexpr OpInfo detail::op_table[] = {
#define IR_OP(name, shape, result, types, attr0, attr1, effects, meaning)         \
    {without_underscore(#name),                                                   \
     Shape::shape,                                                                \
     ResultRule::result,                                                          \
     TypeRule::types,                                                             \
     {group_named(#attr0), group_named(#attr1)},                                  \
     parse_effects(effects),                                                      \
     arg_count(Shape::shape),                                                     \
     parse_effects(effects).reads_memory || parse_effects(effects).writes_memory, \
     uses_lists(Shape::shape, parse_effects(effects))},
#include "ir/ops.def"
#undef IR_OP
};

std::optional<std::string_view> attr_name(AttrGroup group, u8 value) {
    for (const AttrRow& row : attr_table)
        if (row.group == group && row.value == value) return row.name;
    return std::nullopt;
}

std::optional<u8> find_attr(AttrGroup group, std::string_view name) {
    for (const AttrRow& row : attr_table)
        if (row.group == group && row.name == name) return row.value;
    return std::nullopt;
}

}  // namespace kiln::ir

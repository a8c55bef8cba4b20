// The IR's vocabulary: types, attributes, operations and what is known of each. All of it comes from
// types.def, attrs.def and ops.def; adding a row there is all that the printer, parser and verifier need.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/types.h"

namespace kiln::ir {

enum class Type : u8 {
#define IR_TYPE(name, bits, bytes, meaning) name,
#include "ir/types.def"
#undef IR_TYPE
};

namespace detail {
struct TypeInfo {
    std::string_view name;
    u8 bits, bytes;
};
inline constexpr TypeInfo type_table[] = {
#define IR_TYPE(name, bits, bytes, meaning) {#name, bits, bytes},
#include "ir/types.def"
#undef IR_TYPE
};
}  // namespace detail

inline constexpr std::size_t type_count = std::size(detail::type_table);
constexpr std::string_view name(Type t) { return detail::type_table[static_cast<u8>(t)].name; }
/// Width in bits; i1 is 1.
constexpr unsigned bit_width(Type t) { return detail::type_table[static_cast<u8>(t)].bits; }
/// Size in memory and in state slots, in bytes.
constexpr unsigned byte_size(Type t) { return detail::type_table[static_cast<u8>(t)].bytes; }
constexpr bool is_int(Type t) { return t >= Type::i8 && t <= Type::i64; }
constexpr bool is_fp(Type t) { return t >= Type::f16 && t <= Type::f64; }
/// The bits that a value of a type up to 64 bits wide may have set.
constexpr u64 type_mask(Type t) { return bit_width(t) >= 64 ? ~u64{0} : (u64{1} << bit_width(t)) - 1; }

// One enum per attribute group.
enum class Cond : u8 { eq, ne, lt_s, ge_s, lt_u, ge_u };
enum class Lane : u8 { i8, i16, i32, i64 };
enum class FpCond : u8 { eq, lt, le, lt_quiet, le_quiet };
enum class Rounding : u8 { rne, rtz, rdn, rup, rmm, dyn };
enum class Exactness : u8 { silent, inexact };
enum class MinMax : u8 { number, nan };
enum class DivRule : u8 { ones, zero };
enum class Order : u8 { relaxed, acquire, release, acq_rel, seq_cst };
enum class Space : u8 { flat, mmu, host };
enum class Rmw : u8 { swap, add, and_, or_, xor_, min_s, max_s, min_u, max_u };
enum class Hint : u8 { plain, call, ret };
enum class Trap : u8 { illegal, breakpoint };

// The rows of attrs.def stand in the order of the enums above.
#define IR_ATTR(group, value, meaning) static_assert(static_cast<u8>(group::value) < 16);
#include "ir/attrs.def"

/// The attribute groups, as the ops.def columns name them.
enum class AttrGroup : u8 {
    none,
#define IR_ATTR_GROUP(group, meaning) group,
#include "ir/attrs.def"
};

/// The text of value `value` of a group, or nothing when there is no such value. Trailing '_' is dropped.
std::optional<std::string_view> attr_name(AttrGroup group, u8 value);
std::optional<u8> find_attr(AttrGroup group, std::string_view name);

enum class Op : u8 {
#define IR_OP(name, shape, result, types, attr0, attr1, effects, meaning) name,
#include "ir/ops.def"
#undef IR_OP
};

/// The operands an operation takes, and with them its text form after `op.type.attrs`.
enum class Shape : u8 {
    param,     // in the block's header only
    imm,       // imm
    nullary,   //
    effect,    // %a
    unary,     // %a
    binary,    // %a, %b            all of the instruction's type
    ternary,   // %a, %b, %c        all of the instruction's type
    select,    // %a, %b, %c        a: i1, b and c of the instruction's type
    compare,   // %a, %b            of the instruction's type, the result is i1
    convert,   // %a                of another type
    pair,      // %a, %b            both i64, the result is i128
    half,      // %a                i128
    insert,    // %a, imm, %b       a: v128, b: the lane's type
    extract,   // %a, imm           v128
    get,       // slot
    put,       // slot, %a
    load,      // %a, imm           a: the address, an i64; a ptr in Space::host
    store,     // %a, imm, %b
    rmw,       // %a, %b
    cas,       // %a, %b, %c
    call,      // helper(%...)
    guard,     // %a, imm [slot=%v ...]
    br,        // block(%...)
    br_if,     // %a, block(%...), block(%...)
    switch_,   // %a, block(%...), value: block(%...), ...   a: of the instruction's type
    goto_pc,   // imm               with Hint call: imm, return address
    goto_ind,  // %a                with Hint call: %a, return address
    leave,     // imm
    count,     // imm, signed
    trap,      //
};

/// Everything a pass may ask of an operation before it moves, merges or removes it.
struct Effects {
    bool pure = false;
    bool reads_state = false, writes_state = false;
    bool reads_memory = false, writes_memory = false;
    bool may_fault = false;  ///< carries an origin and may carry a frame state
    bool fp_env = false;     ///< reads the rounding mode or raises flags
    bool terminator = false;
    bool any = false;  ///< any effect at all: a barrier for every pass
};

/// Reads an effects column: the letters are explained in ops.def.
constexpr Effects parse_effects(std::string_view letters) {
    Effects e;
    for (char c : letters) {
        switch (c) {
            case 'P': e.pure = true; break;
            case 'S': e.reads_state = true; break;
            case 'W': e.writes_state = true; break;
            case 'L': e.reads_memory = true; break;
            case 'M': e.writes_memory = true; break;
            case 'F': e.may_fault = true; break;
            case 'E': e.fp_env = true; break;
            case 'T': e.terminator = true; break;
            case 'X': e.any = true; break;
        }
    }
    return e;
}

enum class TypeRule : u8 { none, any, memory, int_, int1, wide, word, fp, vec };
enum class ResultRule : u8 { none, same, i1 };

struct OpInfo {
    std::string_view name;
    Shape shape;
    ResultRule result;
    TypeRule types;
    AttrGroup attrs[2];
    Effects effects;
    u8 args;      ///< arg_count(shape)
    bool spaced;  ///< accesses memory in a Space
    bool listed;  ///< may use values besides Inst::args: an argument list, edges or a frame state
};

namespace detail {
extern const OpInfo op_table[];
}
// Inline: passes ask several times an instruction.
inline const OpInfo& info(Op op) { return detail::op_table[static_cast<u8>(op)]; }
inline std::string_view name(Op op) { return info(op).name; }
inline constexpr std::size_t op_count = 0
#define IR_OP(...) +1
#include "ir/ops.def"
#undef IR_OP
    ;

/// How many fixed value operands (Inst::args) a shape has; calls and block edges have lists besides.
constexpr u8 arg_count(Shape s) {
    switch (s) {
        case Shape::effect:
        case Shape::unary:
        case Shape::convert:
        case Shape::half:
        case Shape::extract:
        case Shape::put:
        case Shape::load:
        case Shape::guard:
        case Shape::br_if:
        case Shape::switch_:
        case Shape::goto_ind: return 1;
        case Shape::binary:
        case Shape::compare:
        case Shape::pair:
        case Shape::insert:
        case Shape::store:
        case Shape::rmw: return 2;
        case Shape::ternary:
        case Shape::select:
        case Shape::cas: return 3;
        case Shape::param:
        case Shape::imm:
        case Shape::nullary:
        case Shape::get:
        case Shape::call:
        case Shape::br:
        case Shape::goto_pc:
        case Shape::leave:
        case Shape::count:
        case Shape::trap: return 0;
    }
    return 0;
}

/// Whether instruction type `t` satisfies a row's `types` column.
constexpr bool allows(TypeRule rule, Type t) {
    switch (rule) {
        case TypeRule::none: return t == Type::none;
        case TypeRule::any: return t != Type::none;
        case TypeRule::memory: return t != Type::none && t != Type::i1;
        case TypeRule::int_: return is_int(t);
        case TypeRule::int1: return is_int(t) || t == Type::i1;
        case TypeRule::wide: return is_int(t) || t == Type::i128;
        case TypeRule::word: return t == Type::i32 || t == Type::i64;
        case TypeRule::fp: return is_fp(t);
        case TypeRule::vec: return t == Type::v128;
    }
    return false;
}

/// Whether a row's `types` column means integers alone.
constexpr bool on_integers(TypeRule rule) {
    return rule == TypeRule::int_ || rule == TypeRule::int1 || rule == TypeRule::wide ||
           rule == TypeRule::word;
}

/// The type of one lane, and back.
constexpr Type lane_type(Lane lane) { return Type(static_cast<u8>(Type::i8) + static_cast<u8>(lane)); }
constexpr Lane lane_of(Type type) { return Lane(static_cast<u8>(type) - static_cast<u8>(Type::i8)); }
constexpr unsigned lane_count(Type lane) { return 128 / bit_width(lane); }
static_assert(lane_type(Lane::i64) == Type::i64 && lane_of(Type::i16) == Lane::i16);

}  // namespace kiln::ir

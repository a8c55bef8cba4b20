// What the integer and vector operations compute: the one definition that constant folding and the interpreter
// share.
//
// A value of type iN is a word whose bits above N are zero, both as argument and as result. Floating point is
// not folded (it reads and raises environment flags); its reference is base/softfp.h.
#pragma once

#include <array>
#include <bit>

#include "base/bits.h"
#include "ir/op.h"

namespace kiln::ir {

namespace detail {

/// The unsigned integer that holds type T: bool for i1.
template <Type T>
constexpr auto word_of() {
    if constexpr (T == Type::i8)
        return u8{};
    else if constexpr (T == Type::i16)
        return u16{};
    else if constexpr (T == Type::i32)
        return u32{};
    else if constexpr (T == Type::i64)
        return u64{};
    else
        return bool{};
}

template <class U>
constexpr U carryless_multiply_high(U a, U b) {
    U high = 0;
    for (unsigned i = 1; i < 8 * sizeof(U); ++i)
        if (b >> i & 1) high ^= a >> (8 * sizeof(U) - i);
    return high;
}

template <class U>
constexpr U carryless_multiply_low(U a, U b) {
    U low = 0;
    for (unsigned i = 0; i < 8 * sizeof(U); ++i)
        if (b >> i & 1) low ^= a << i;
    return low;
}

template <class U>
constexpr U multiply_high(U a, U b, bool a_signed, bool b_signed) {
    const i128 x = a_signed ? i128(std::make_signed_t<U>(a)) : i128(a);
    const i128 y = b_signed ? i128(std::make_signed_t<U>(b)) : i128(b);
    return static_cast<U>(static_cast<u128>(x) * static_cast<u128>(y) >> (8 * sizeof(U)));
}

constexpr u64 reverse_bits_in_bytes(u64 v) {
    v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
    v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
    return (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
}

constexpr u64 or_combine_bytes(u64 v) {
    v |= v >> 4 & 0x0f0f0f0f0f0f0f0f;
    v |= v >> 2 & 0x3333333333333333;
    v |= v >> 1 & 0x5555555555555555;
    return (v & 0x0101010101010101) * 0xff;
}

}  // namespace detail

template <Type T>
using Word = decltype(detail::word_of<T>());

/// Compares two integers of type T.
template <Type T>
constexpr bool compare(Cond cond, Word<T> a, Word<T> b) {
    // i1 as a signed number is 0 or -1.
    const i64 sa = sign_extend(a, bit_width(T)), sb = sign_extend(b, bit_width(T));
    switch (cond) {
        case Cond::eq: return a == b;
        case Cond::ne: return a != b;
        case Cond::lt_s: return sa < sb;
        case Cond::ge_s: return sa >= sb;
        case Cond::lt_u: return a < b;
        case Cond::ge_u: return a >= b;
    }
    return false;
}

/// A pure operation of shape binary on integers (all of i8 to i64; of i1 only and, or, xor).
template <Op O, Type T>
constexpr Word<T> binary(Word<T> a, Word<T> b, DivRule rule = DivRule::ones) {
    using U = Word<T>;
    if constexpr (O == Op::and_)
        return a & b;
    else if constexpr (O == Op::or_)
        return a | b;
    else if constexpr (O == Op::xor_)
        return a ^ b;
    else if constexpr (T != Type::i1) {
        using S = std::make_signed_t<U>;
        constexpr unsigned width = bit_width(T);
        const unsigned amount = static_cast<unsigned>(b) & (width - 1);
        const S sa = static_cast<S>(a), sb = static_cast<S>(b);
        // Dividing the smallest number by -1 overflows: it gives the dividend, remainder 0.
        const bool overflow = sb == -1 && a == U(U{1} << (width - 1));
        const U on_zero = rule == DivRule::ones ? static_cast<U>(~U{0}) : U{0};
        if constexpr (O == Op::add)
            return static_cast<U>(a + b);
        else if constexpr (O == Op::sub)
            return static_cast<U>(a - b);
        else if constexpr (O == Op::mul)
            return static_cast<U>(u64{a} * b);
        else if constexpr (O == Op::mulh_s)
            return detail::multiply_high<U>(a, b, true, true);
        else if constexpr (O == Op::mulh_u)
            return detail::multiply_high<U>(a, b, false, false);
        else if constexpr (O == Op::mulh_su)
            return detail::multiply_high<U>(a, b, true, false);
        else if constexpr (O == Op::div_s)
            return b == 0 ? on_zero : overflow ? a : static_cast<U>(sa / sb);
        else if constexpr (O == Op::div_u)
            return b == 0 ? on_zero : static_cast<U>(a / b);
        else if constexpr (O == Op::rem_s)
            return b == 0 ? a : overflow ? U{0} : static_cast<U>(sa % sb);
        else if constexpr (O == Op::rem_u)
            return b == 0 ? a : static_cast<U>(a % b);
        else if constexpr (O == Op::andn)
            return static_cast<U>(a & ~b);
        else if constexpr (O == Op::orn)
            return static_cast<U>(a | ~b);
        else if constexpr (O == Op::xnor)
            return static_cast<U>(~(a ^ b));
        else if constexpr (O == Op::shl)
            return static_cast<U>(u64{a} << amount);
        else if constexpr (O == Op::shr)
            return static_cast<U>(a >> amount);
        else if constexpr (O == Op::sar)
            return static_cast<U>(sa >> amount);
        else if constexpr (O == Op::rotl)
            return std::rotl(a, static_cast<int>(amount));
        else if constexpr (O == Op::rotr)
            return std::rotr(a, static_cast<int>(amount));
        else if constexpr (O == Op::min_s)
            return sa < sb ? a : b;
        else if constexpr (O == Op::max_s)
            return sa < sb ? b : a;
        else if constexpr (O == Op::min_u)
            return a < b ? a : b;
        else if constexpr (O == Op::max_u)
            return a < b ? b : a;
        else if constexpr (O == Op::clmul)
            return detail::carryless_multiply_low<U>(a, b);
        else if constexpr (O == Op::clmulh)
            return detail::carryless_multiply_high<U>(a, b);
        else
            static_assert(O == Op::add, "not a binary integer operation");
    } else {
        static_assert(O == Op::and_, "not an operation on i1");
    }
}

/// A pure operation of shape unary on integers.
template <Op O, Type T>
constexpr Word<T> unary(Word<T> a) {
    using U = Word<T>;
    if constexpr (O == Op::clz)
        return static_cast<U>(std::countl_zero(a));
    else if constexpr (O == Op::ctz)
        return static_cast<U>(std::countr_zero(a));
    else if constexpr (O == Op::popcnt)
        return static_cast<U>(std::popcount(a));
    else if constexpr (O == Op::bswap)
        return static_cast<U>(__builtin_bswap64(a) >> (64 - bit_width(T)));
    else if constexpr (O == Op::brev8)
        return static_cast<U>(detail::reverse_bits_in_bytes(a));
    else if constexpr (O == Op::orcb)
        return static_cast<U>(detail::or_combine_bytes(a));
    else
        static_assert(O == Op::clz, "not a unary integer operation");
}

// ---- Vectors. A v128 is a u128: lane 0 is its lowest bits, as in the host's memory. ----

template <Type T>
using Lanes = std::array<Word<T>, lane_count(T)>;
template <Type T>
constexpr Lanes<T> lanes_of(u128 vector) {
    return std::bit_cast<Lanes<T>>(vector);
}
template <Type T>
constexpr u128 vector_of(const Lanes<T>& lanes) {
    return std::bit_cast<u128>(lanes);
}

/// A lane-wise operation of shape binary without Cond, on lanes of type T: what the integer operation does.
template <Op O, Type T>
constexpr Word<T> in_lane(Word<T> a, Word<T> b) {
    if constexpr (O == Op::vadd)
        return binary<Op::add, T>(a, b);
    else if constexpr (O == Op::vsub)
        return binary<Op::sub, T>(a, b);
    else if constexpr (O == Op::vmul)
        return binary<Op::mul, T>(a, b);
    else if constexpr (O == Op::vshl)
        return binary<Op::shl, T>(a, b);
    else if constexpr (O == Op::vshr)
        return binary<Op::shr, T>(a, b);
    else if constexpr (O == Op::vsar)
        return binary<Op::sar, T>(a, b);
    else if constexpr (O == Op::vmin_s)
        return binary<Op::min_s, T>(a, b);
    else if constexpr (O == Op::vmax_s)
        return binary<Op::max_s, T>(a, b);
    else if constexpr (O == Op::vmin_u)
        return binary<Op::min_u, T>(a, b);
    else if constexpr (O == Op::vmax_u)
        return binary<Op::max_u, T>(a, b);
    else
        static_assert(O == Op::vadd, "not a lane-wise operation");
}

/// An operation on vectors of shape binary without Cond; T is its lanes' type, of no matter to the bitwise
/// ones.
template <Op O, Type T>
constexpr u128 vector_binary(u128 a, u128 b) {
    if constexpr (O == Op::vand) {
        return a & b;
    } else if constexpr (O == Op::vor) {
        return a | b;
    } else if constexpr (O == Op::vxor) {
        return a ^ b;
    } else if constexpr (O == Op::vandn) {
        return a & ~b;
    } else {
        Lanes<T> x = lanes_of<T>(a);
        const Lanes<T> y = lanes_of<T>(b);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = in_lane<O, T>(x[i], y[i]);
        return vector_of<T>(x);
    }
}

template <Type T>
constexpr u128 vector_compare(Cond cond, u128 a, u128 b) {
    Lanes<T> x = lanes_of<T>(a);
    const Lanes<T> y = lanes_of<T>(b);
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<Word<T>>(compare<T>(cond, x[i], y[i]) ? ~u64{0} : 0);
    return vector_of<T>(x);
}

template <Type T>
constexpr u128 shuffle(u128 a, u128 b, u128 numbers) {
    const Lanes<T> x = lanes_of<T>(a), y = lanes_of<T>(b);
    Lanes<T> result = lanes_of<T>(numbers);
    for (Word<T>& lane : result) {
        const u64 number = lane;
        lane = number < x.size() ? x[number] : number < 2 * x.size() ? y[number - x.size()] : Word<T>{0};
    }
    return vector_of<T>(result);
}

template <Type T>
constexpr u128 splat(Word<T> value) {
    Lanes<T> result{};
    result.fill(value);
    return vector_of<T>(result);
}

template <Type T>
constexpr u128 insert(u128 vector, u64 number, Word<T> value) {
    Lanes<T> result = lanes_of<T>(vector);
    result[number] = value;
    return vector_of<T>(result);
}

/// What an atomic read-modify-write of a memory word leaves there.
template <class U>
constexpr U combine(Rmw rmw, U old, U operand) {
    using S = std::make_signed_t<U>;
    switch (rmw) {
        case Rmw::swap: return operand;
        case Rmw::add: return static_cast<U>(old + operand);
        case Rmw::and_: return old & operand;
        case Rmw::or_: return old | operand;
        case Rmw::xor_: return old ^ operand;
        case Rmw::min_s: return S(old) < S(operand) ? old : operand;
        case Rmw::max_s: return S(old) < S(operand) ? operand : old;
        case Rmw::min_u: return old < operand ? old : operand;
        case Rmw::max_u: return old < operand ? operand : old;
    }
}

}  // namespace kiln::ir

// The vocabulary types of the whole engine: sized integers, guest addresses, and error returns.
//
// Different things have different types: a GuestAddr is an address the guest sees and never converts to a
// host pointer on its own; mem/ alone translates between the two.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace kiln {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

/// An address in the guest's address space, in bytes.
struct GuestAddr {
    u64 raw = 0;

    constexpr GuestAddr() = default;
    constexpr explicit GuestAddr(u64 value) : raw(value) {}
    constexpr auto operator<=>(const GuestAddr&) const = default;
    constexpr GuestAddr operator+(u64 bytes) const { return GuestAddr(raw + bytes); }
    constexpr GuestAddr operator-(u64 bytes) const { return GuestAddr(raw - bytes); }
    constexpr u64 operator-(GuestAddr other) const { return raw - other.raw; }
    constexpr GuestAddr& operator+=(u64 bytes) {
        raw += bytes;
        return *this;
    }
};

/// Why an operation of the environment failed: one line for a person, and an errno-like code (0: none).
struct Error {
    std::string message;
    int code = 0;
};

/// A value, or the reason there is none. Guest faults are not errors: they are values of their own.
template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message, int code = 0) {
    return tl::unexpected<Error>(Error{std::move(message), code});
}

}  // namespace kiln

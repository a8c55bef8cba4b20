// The kinds of arguments (args.def), and lists of them as the tables of calls and requests write them.
#pragma once

#include <array>
#include <string_view>

#include "base/types.h"

namespace kiln::user {

/// The kinds with an underscore behind, because some are words of the language.
enum class ArgKind : u8 {
#define ARG(kind, pass, show, meaning) kind##_,
#include "linux/args.def"
#undef ARG
};

/// How an argument is handed to a host call.
enum class ArgPass : u8 { value, open_flags, pointer, path, link };

constexpr ArgPass arg_pass(ArgKind kind) {
    constexpr ArgPass passes[] = {
#define ARG(kind, pass, show, meaning) ArgPass::pass,
#include "linux/args.def"
#undef ARG
    };
    return passes[static_cast<u8>(kind)];
}

/// Whether an argument is shown before the call or, because the kernel writes there, after it.
enum class When : bool { before, after };

struct ArgList {
    std::array<ArgKind, 6> kinds{};
    u8 filled = 0;       ///< bit i: the kernel fills in argument i
    u8 descriptors = 0;  ///< bit i: argument i is a descriptor

    constexpr ArgKind operator[](unsigned index) const { return kinds[index]; }
    constexpr When when(unsigned index) const { return static_cast<When>(filled >> index & 1); }
    constexpr unsigned count() const {
        unsigned count = 0;
        while (count < kinds.size() && kinds[count] != ArgKind::none_) ++count;
        return count;
    }
};

/// Turns "fd >buf size" into a list. Evaluated by the compiler: a name that args.def lacks does not compile.
consteval ArgList parse_args(std::string_view text) {
    constexpr std::string_view names[] = {
#define ARG(kind, pass, show, meaning) #kind,
#include "linux/args.def"
#undef ARG
    };
    ArgList list;
    unsigned count = 0;
    while (!text.empty()) {
        if (text[0] == '>') {
            list.filled = static_cast<u8>(list.filled | 1 << count);
            text.remove_prefix(1);
        }
        const std::size_t length = std::min(text.find(' '), text.size());
        unsigned kind = 0;
        while (names[kind] != text.substr(0, length)) ++kind;
        list.kinds[count] = static_cast<ArgKind>(kind);
        if (list.kinds[count] == ArgKind::fd_ || list.kinds[count] == ArgKind::dirfd_)
            list.descriptors = static_cast<u8>(list.descriptors | 1 << count);
        ++count;
        text.remove_prefix(std::min(length + 1, text.size()));
    }
    return list;
}

}  // namespace kiln::user

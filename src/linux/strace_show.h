// For strace*.cpp only: a value that -strace shows, and the parts of showing it.
//   strace.cpp            lines, results, signals
//   strace_arguments.cpp  a value by its kind
//   strace_structs.cpp    structures and lists, by the rows of structs.def
//   strace_names.cpp      flags and choices, by the rows of flags.def
#pragma once

#include <string>

#include "linux/guest_memory.h"
#include "linux/syscalls.h"

namespace kiln::user {

/// An argument, or a member of a structure that an argument points to.
struct Shown {
    const Thread& thread;
    const Call& call;
    unsigned index;  ///< of the argument
    ArgKind kind;
    u64 value;                     ///< a number, or the guest address of what is shown
    u64 next = 0;                  ///< the value behind it, which for some kinds is a length
    bool next_is_pointer = false;  ///< the length is at that address
    When when = When::before;
    i64 result = 0;  ///< of the call, once it is made

    /// Another value of the same call.
    Shown with(ArgKind other, u64 other_value) const {
        Shown copy = *this;
        copy.kind = other;
        copy.value = other_value;
        return copy;
    }
    /// How many bytes or elements `next` says.
    u64 length() const {
        if (!next_is_pointer) return next;
        u32 count = 0;
        load(thread, next, count);
        return count;
    }
};

/// strace(1) shows this many bytes of a string or buffer, and elements of a list.
inline constexpr u64 shown_bytes = 32;

std::string show(const Shown& shown);
std::string show_structure(const Shown& shown);
std::string show_items(const Shown& shown);
std::string show_flags(ArgKind kind, u64 value);
std::string show_choice(ArgKind kind, u64 value);

/// A number as strace writes it.
std::string show_hex(u64 value);
std::string show_pointer(u64 value);
/// The names of what a signal number, an si_code of it, or a set of signals says.
std::string signal_code_name(int signal, int code);
std::string show_signal_info(const siginfo_t& info);

/// Whether flags.def, or structs.def, has rows for a kind.
bool has_names(ArgKind kind);
bool has_rows(ArgKind kind);

/// What argument `index` is: for kind `request` what the request says, `none` if it takes no such argument.
struct ArgumentKind {
    ArgKind kind;
    When when;
};
ArgumentKind argument_kind(const Call& call, unsigned index);

}  // namespace kiln::user

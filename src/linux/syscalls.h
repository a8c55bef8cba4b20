// The system call table: rows of syscalls.def with the kinds of their arguments, and dispatch by number.
#pragma once

#include <string_view>

#include "linux/arch.h"
#include "linux/args.h"

namespace kiln::user {

class Thread;

struct Call;
/// Gives a result, minus an errno, or one of the codes below.
using CallHandler = i64 (*)(Thread& thread, const Call& call);

struct CallRow {
    std::string_view name;
    CallHandler handler;
    ArgList args;
    std::string_view meaning;
};

/// One system call being made.
struct Call {
    u64 number;
    const CallRow& row;
    Args args;

    u64 operator[](unsigned index) const { return args[index]; }
    int word(unsigned index) const { return static_cast<int>(args[index]); }
    GuestAddr address(unsigned index) const { return GuestAddr(args[index]); }
};

/// Numbers below this have a row.
inline constexpr u64 call_numbers = 470;
/// The row of a number; those that are not assigned have an empty name and answer ENOSYS.
const CallRow& call_row(u64 number);

// Results that the guest never sees, numbered as in the kernel (include/linux/errno.h).
/// A signal came before the call had any effect, or SA_RESTART covers it: it is made again after delivery.
inline constexpr i64 restart_always = -513;
/// A signal interrupted the call: it is made again unless any handler runs.
inline constexpr i64 restart_without_handler = -514;
/// The call has set all registers itself.
inline constexpr i64 registers_set = -600;

/// Makes the system call that `thread`'s registers hold and leaves its result there.
void make_call(Thread& thread);

namespace calls {
#define HOST(name) host_##name
#define SYSCALL(number, name, handler, args, meaning) i64 handler(Thread& thread, const Call& call);
#include "linux/syscalls.def"
#undef SYSCALL
#undef HOST
}  // namespace calls

}  // namespace kiln::user

// Starting a program in a guest address space, as the kernel does in execve(2): its segments, its dynamic
// linker, the stack with arguments, environment and auxiliary vector, the heap's start, and a page with the
// code that signal handlers return to (riscv64 and aarch64 have no SA_RESTORER).
//
// Addresses are the same in every run, so that what is learned of a program in one run holds in the next:
//
//   ET_EXEC                 where the file says; the heap follows it
//   1/4 to 5/8              libraries, each where its name says (mem/address_space_map.cpp), if there is room
//   2/3 of the space        position independent programs; the heap follows them
//   below the ceiling       dynamic linker, other libraries, mmap, the signal page; downwards
//   limit - 4096            end of the stack
#pragma once

#include <sys/resource.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linux/elf_file.h"
#include "linux/sysroot.h"
#include "mem/address_space.h"

namespace kiln::user {

/// The size of a stack under a soft limit (RLIMIT_STACK), kept between 128 KiB and 1 GiB; 8 MiB if there is none.
u64 stack_bytes_for(rlim_t soft_limit);

struct LoadRequest {
    /// The program: looked up in the sysroot first when absolute.
    std::string path;
    /// AT_EXECFN.
    std::string exec_name;
    /// The program's file if it is open already (binfmt_misc's O flag); it stays open. -1: opened by its
    /// path.
    int file = -1;
    std::span<const std::string> args;         ///< argv; empty becomes one empty string, as in Linux
    std::span<const std::string> environment;  ///< NAME=value
    const Sysroot& sysroot;
    ElfTarget target;
    /// Bytes.
    u64 stack_bytes = stack_bytes_for(RLIM_INFINITY);
    /// What the AT_RANDOM bytes are made from; none: the host's random numbers.
    std::optional<u64> seed = {};
};

struct LoadedProgram {
    GuestAddr pc;  ///< the first instruction: of the dynamic linker if there is one
    GuestAddr sp;
    GuestAddr program_entry;
    u64 load_bias = 0;  ///< what was added to the program's own addresses
    GuestAddr program_begin;
    GuestAddr program_end;
    GuestAddr interpreter_base;  ///< AT_BASE; 0: no dynamic linker
    GuestAddr brk_start;
    GuestAddr stack_begin;
    GuestAddr stack_end;
    GuestAddr args_begin;  ///< of the strings: /proc/self/cmdline
    GuestAddr args_end;    ///< and begin of the environment's
    GuestAddr environment_end;
    GuestAddr signal_return;  ///< code that calls rt_sigreturn, in executable guest memory
    std::string executable;   ///< absolute host path of the program; has its symbols
    std::string interpreter;  ///< absolute host path of the dynamic linker; empty: none
    std::vector<u8> auxv;     ///< as in memory: /proc/self/auxv
};

/// Loads the program into `memory`, in which the guest has nothing yet. When it fails, the guest has nothing
/// again; the error is one line that names the file and carries an errno: exit_status_of() gives the rest.
Result<LoadedProgram> load_program(mem::AddressSpace& memory, const LoadRequest& request);

/// What a shell's $? is when a program cannot be started, from the errno of load_program(): 127 when
/// something is not there (ENOENT: the program, or the dynamic linker it names); 1 when the host lacks the
/// means (memory, descriptors, a failing disk); 126 when the file is there and is no program that can be run.
int exit_status_of(int error_code);

/// The first line of a script.
struct Shebang {
    std::string interpreter;
    std::string argument;  ///< empty: none. All that follows the interpreter is one argument.
};
/// Reads "#!" lines as Linux does, from the first bytes of a file (256 are looked at); none if it is no
/// script or names no interpreter.
std::optional<Shebang> parse_shebang(std::string_view head);

}  // namespace kiln::user

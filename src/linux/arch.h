// What Linux user mode needs to know of one guest architecture: where a system call's number, arguments and
// result are, and how signal frames look. All else in this folder serves every architecture with the generic
// system call table.
#pragma once

#include <array>
#include <csignal>
#include <string>

#include "abi/context.h"
#include "linux/elf_file.h"
#include "linux/signal_types.h"

namespace kiln::mem {
class AddressSpace;
}

namespace kiln::user {

using Args = std::array<u64, 6>;

/// Stateless; one object for each architecture.
class Arch {
  public:
    virtual ~Arch() = default;

    /// What the loader needs, uname(2)'s machine among it.
    virtual const ElfTarget& elf_target() const = 0;
    /// What /proc/cpuinfo says, for `harts` processors.
    virtual std::string cpuinfo(unsigned harts) const = 0;

    /// A thread's state with all registers zero; its Context is the header. Freed by delete_state.
    virtual abi::Context* new_state() const = 0;
    virtual void delete_state(abi::Context* context) const = 0;
    /// Makes `to` an exact copy of `from`, the load reservation excepted.
    virtual void copy_state(abi::Context& to, const abi::Context& from) const = 0;

    virtual GuestAddr pc(const abi::Context& context) const = 0;
    virtual void set_pc(abi::Context& context, GuestAddr pc) const = 0;
    virtual GuestAddr stack_pointer(const abi::Context& context) const = 0;
    virtual void set_stack_pointer(abi::Context& context, GuestAddr address) const = 0;
    virtual void set_tls(abi::Context& context, GuestAddr tls) const = 0;

    virtual u64 call_number(const abi::Context& context) const = 0;
    virtual Args call_args(const abi::Context& context) const = 0;
    virtual void set_call_result(abi::Context& context, i64 result) const = 0;
    /// Moves pc from behind a system call instruction back to it: its arguments are still in place.
    virtual void rewind_call(abi::Context& context) const = 0;

    /// open(2) flags in the guest's numbers to the host's and back.
    virtual int open_flags_to_host(int flags) const = 0;
    virtual int open_flags_to_guest(int flags) const = 0;

    /// How long a signal frame is, in bytes.
    virtual u64 signal_frame_bytes() const = 0;
    /// Pushes a signal frame as the guest's kernel lays it out below `stack_top` and makes the state enter
    /// `action`'s handler. `interrupted_mask` and `altstack` are what sigreturn restores. False when the
    /// stack cannot be written: the state is unchanged then.
    virtual bool push_signal_frame(abi::Context& context, mem::AddressSpace& memory, GuestAddr stack_top,
                                   int signal, const siginfo_t& info, const SignalAction& action,
                                   GuestAddr return_code, SignalMask interrupted_mask,
                                   const AltStack& altstack) const = 0;
    /// Undoes the frame at the stack pointer: restores all registers, and gives the mask and the alternate
    /// stack that it holds. False when it cannot be read.
    virtual bool pop_signal_frame(abi::Context& context, mem::AddressSpace& memory, SignalMask& mask,
                                  AltStack& altstack) const = 0;
};

/// riscv64: RV64GC and what the lifter knows (riscv64/arch.cpp).
const Arch& riscv64_arch();

}  // namespace kiln::user

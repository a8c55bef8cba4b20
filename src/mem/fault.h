// Turning host faults in guest accesses into values: the receiving end of abi/guest_access.h.
#pragma once

#include <csignal>

namespace kiln::mem {

/// For a handler of SIGSEGV and SIGBUS: if the fault happened at an access of abi/guest_access.h, or in a unit, notes it in
/// abi::last_fault, makes `ucontext` continue at the access's recovery point and returns true. Otherwise the
/// fault is none of the guest's: false, nothing changed. Async-signal-safe.
bool recover_fault(int signal, const siginfo_t* info, void* ucontext);

/// What recover_fault() asks about faults outside the accesses of abi/guest_access.h: units of compiling tiers. Null: no
/// one. The function is as recover_fault() itself.
void set_unit_recovery(bool (*recover)(int signal, const siginfo_t* info, void* ucontext));

/// For such a function: notes the fault in abi::last_fault. Async-signal-safe.
void note_fault(int signal, const siginfo_t* info);

/// Installs handlers that call recover_fault() and end the process by the signal otherwise: for programs that
/// do not run a whole guest (tools, tests). linux/ has handlers of its own.
void install_fault_handlers();

}  // namespace kiln::mem

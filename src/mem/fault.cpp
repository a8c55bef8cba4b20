#include "mem/fault.h"

#include <ucontext.h>

#include "abi/guest_access.h"

// Set by the linker to the bounds of the section that guest_access.h fills.
extern "C" const kiln::abi::RecoveryPoint __start_kiln_recovery[];
extern "C" const kiln::abi::RecoveryPoint __stop_kiln_recovery[];

namespace kiln::mem {
namespace {

// SIGBUS si_codes of Linux: an access beyond the end of a mapped file. (BUS_ADRALN cannot happen: the engine
// never sets the host's alignment check.)
abi::FaultKind kind_of(int signal, const siginfo_t* info) {
    if (signal == SIGBUS) return abi::FaultKind::bus;
    return info->si_code == SEGV_ACCERR ? abi::FaultKind::protected_ : abi::FaultKind::unmapped;
}

void handle(int signal, siginfo_t* info, void* context) {
    if (recover_fault(signal, info, context)) return;
    std::signal(signal, SIG_DFL);  // the access happens again and ends the process
}

}  // namespace

bool recover_fault(int signal, const siginfo_t* info, void* context) {
    greg_t& pc = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
    for (const abi::RecoveryPoint* row = __start_kiln_recovery; row != __stop_kiln_recovery; ++row) {
        if (reinterpret_cast<greg_t>(&row->access) + row->access != pc) continue;
        const bool exact = signal == SIGBUS || info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
        abi::last_fault = {static_cast<const u8*>(info->si_addr), kind_of(signal, info), exact};
        pc = reinterpret_cast<greg_t>(&row->resume) + row->resume;
        return true;
    }
    return false;
}

void install_fault_handlers() {
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
}

}  // namespace kiln::mem

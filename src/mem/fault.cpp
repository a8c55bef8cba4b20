#include "mem/fault.h"

#include <ucontext.h>

#include <atomic>

#include "abi/guest_access.h"

// Set by the linker to the bounds of the section that guest_access.h fills.
extern "C" const kiln::abi::RecoveryPoint __start_kiln_recovery[];
extern "C" const kiln::abi::RecoveryPoint __stop_kiln_recovery[];

namespace kiln::mem {
namespace {

// SIGBUS si_codes of Linux: an access beyond the end of a mapped file. (BUS_ADRALN cannot happen: the engine
// never sets the host's alignment check.)
// An address that is not canonical is reported without it (SI_KERNEL): as SIGSEGV, or as SIGBUS if it was formed from rbp
// or rsp (a stack fault to the processor).
abi::FaultKind kind_of(int signal, const siginfo_t* info) {
    if (signal == SIGBUS && info->si_code != SI_KERNEL) return abi::FaultKind::bus;
    return info->si_code == SEGV_ACCERR ? abi::FaultKind::protected_ : abi::FaultKind::unmapped;
}

std::atomic<bool (*)(int, const siginfo_t*, void*)> unit_recovery{nullptr};

void handle(int signal, siginfo_t* info, void* context) {
    if (recover_fault(signal, info, context)) return;
    std::signal(signal, SIG_DFL);  // the access happens again and ends the process
}

}  // namespace

bool recover_fault(int signal, const siginfo_t* info, void* context) {
    greg_t& pc = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
    for (const abi::RecoveryPoint* row = __start_kiln_recovery; row != __stop_kiln_recovery; ++row) {
        if (reinterpret_cast<greg_t>(&row->access) + row->access != pc) continue;
        note_fault(signal, info);
        pc = reinterpret_cast<greg_t>(&row->resume) + row->resume;
        return true;
    }
    const auto recover_unit = unit_recovery.load(std::memory_order_acquire);
    return recover_unit != nullptr && recover_unit(signal, info, context);
}

void set_unit_recovery(bool (*recover)(int signal, const siginfo_t* info, void* ucontext)) {
    unit_recovery.store(recover, std::memory_order_release);
}

void note_fault(int signal, const siginfo_t* info) {
    const bool exact = info->si_code != SI_KERNEL;
    abi::last_fault = {static_cast<const u8*>(info->si_addr), kind_of(signal, info), exact};
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

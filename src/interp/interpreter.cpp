#include "interp/interpreter.h"

#include "interp/handlers.h"
#include "interp/host_fp.h"

namespace kiln::interp {

abi::ExitReason run(const Code* entry, abi::Context& context) {
    host_fp::reset_environment();
    const abi::ExitReason reason = entry->run(entry, reinterpret_cast<u8*>(&context), context.memory);
    context.fp_flags |= host_fp::read_flags();
    return reason;
}

void link(const void* site, const Code* target) {
    u64& linked = static_cast<Code*>(const_cast<void*>(site))->imm2;
    __atomic_store_n(&linked, reinterpret_cast<u64>(target), __ATOMIC_RELEASE);
}

void forward(Unit& unit, const Code* target) {
    __atomic_store_n(&unit.cells[0].imm2, reinterpret_cast<u64>(target), __ATOMIC_RELEASE);
    __atomic_store_n(&unit.cells[1].run, forwarding_entry_handler(), __ATOMIC_RELEASE);
}

}  // namespace kiln::interp

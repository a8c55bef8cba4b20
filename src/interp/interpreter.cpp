#include "interp/interpreter.h"

#include <utility>

#include "base/host_fp.h"
#include "interp/handlers.h"

namespace kiln::interp {

abi::ExitReason run(const Code* entry, abi::Context& context) {
    host_fp::reset_environment();
    const Handler first = __atomic_load_n(&entry->run, __ATOMIC_ACQUIRE);
    const abi::ExitReason reason = first(entry, reinterpret_cast<u8*>(&context), context.memory);
    context.fp_flags |= host_fp::read_flags();
    return reason;
}

std::unique_ptr<Unit> Unit::make(std::size_t cells, std::size_t sites, std::size_t moves) {
    void* const memory = take_unit_memory(sizeof(Unit) + cells * sizeof(Code) + sites * sizeof(FaultSite) +
                                          moves * sizeof(FrameMove));
    return std::unique_ptr<Unit>(new (memory) Unit(cells, sites, moves));
}

std::unique_ptr<Unit> Unit::make(std::span<const Code> cells, std::span<const FaultSite> sites,
                                 std::span<const FrameMove> moves) {
    std::unique_ptr<Unit> unit = make(cells.size(), sites.size(), moves.size());
    std::uninitialized_copy(cells.begin(), cells.end(), unit->cells().begin());
    std::uninitialized_copy(sites.begin(), sites.end(), unit->sites().begin());
    std::uninitialized_copy(moves.begin(), moves.end(), unit->moves().begin());
    return unit;
}

void link(const void* site, const Code* target) {
    u64& linked = static_cast<Code*>(const_cast<void*>(site))->imm2;
    __atomic_store_n(&linked, reinterpret_cast<u64>(target), __ATOMIC_RELEASE);
}

void count_entries(Unit& unit, u16 entries) {
    const std::span<Code> cells = unit.cells();
    const Handler counting = counting_entry_handler();
    if (cells[1].run != counting) cells[0].run = std::exchange(cells[1].run, counting);
    __atomic_store_n(&cells[0].c, entries, __ATOMIC_RELAXED);
}

u16 entries_left(Unit& unit) { return __atomic_load_n(&unit.cells()[0].c, __ATOMIC_RELAXED); }

void forward(Unit& unit, const Code* target) {
    const std::span<Code> cells = unit.cells();
    if (cells[1].run != forwarding_entry_handler()) suspend(unit);
    __atomic_store_n(&cells[0].imm2, reinterpret_cast<u64>(target), __ATOMIC_RELEASE);
}

void suspend(Unit& unit) {
    const std::span<Code> cells = unit.cells();
    const Handler counting = counting_entry_handler();
    cells[0].a = cells[1].run == counting;
    if (cells[0].a == 0) cells[0].run = cells[1].run;
    __atomic_store_n(&cells[1].run, forwarding_entry_handler(), __ATOMIC_RELEASE);
}

void resume(Unit& unit) {
    const std::span<Code> cells = unit.cells();
    const Handler run = cells[0].a != 0 ? counting_entry_handler() : cells[0].run;
    __atomic_store_n(&cells[1].run, run, __ATOMIC_RELEASE);
}

void unlink_stale(Unit& unit) {
    const std::span<Code> cells = unit.cells();
    const Handler exit = exit_direct_handler(), forwarding = forwarding_entry_handler();
    for (Code& cell : cells.subspan(1)) {
        // The entry's own handler may have made room for another.
        const bool replaced = cell.run == counting_entry_handler() || cell.run == forwarding;
        if ((replaced ? cells[0].run : cell.run) != exit || cell.imm2 == 0) continue;
        const Code* const target = reinterpret_cast<const Code*>(cell.imm2);
        if (target->run == forwarding) link(&cell, nullptr);
    }
}

}  // namespace kiln::interp

// Lockstep: every compiled unit runs a second time, in the interpreter, and both must agree in the guest's state, the
// accesses made, the way out and the number of instructions (why so: docs/decisions/0014-lockstep.md).
//
// The compiled unit runs first, on the guest's memory, and keeps an access log (abi/access_log.h). The interpreter then
// runs what was lifted, before any pass, from the state as it was, and reads from the log (abi/replay.h): so it sees what
// the compiled unit saw, whatever other threads, processes and the kernel have written meanwhile. Threads run at once as
// ever. Then memory must hold what the log says; where somebody else may have written, a deviation is counted as a race.
// All of it is a tier around the one that compiles: engine and run loop know nothing of it.
//
// LockstepSteps::units    Units are never linked; each is compared by itself, with its own function before any pass.
// LockstepSteps::stretch  Units and regions are linked as ever, and compared where the thread comes back to the run loop,
//                         which it does every few hundred instructions; the reference reads guest memory, an instruction at
//                         a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "abi/access_log.h"
#include "run/tier.h"

namespace kiln::mem {
class AddressSpace;
}

namespace kiln::run {

/// A way through a unit.
struct UnitOutcome {
    abi::ExitReason reason{};
    u64 instructions = 0;
    const abi::Context* context = nullptr;  ///< the state it leaves
    std::span<const abi::Access> accesses;  ///< of a replay: `stored` is what each left in memory
};

/// Bytes of memory that are not what an access of the compiled unit must have left or found there.
struct MemoryDifference {
    GuestAddr address;
    u8 bytes = 0;
    u64 logged = 0, found = 0;
};

/// Where compiled code and the interpreter part.
struct Difference {
    const abi::Frontend& frontend;
    const mem::AddressSpace& space;
    std::span<const GuestAddr> path;  ///< the unit's instructions, or those of a stretch as they were run
    const ir::Function* lifted;       ///< what the interpreter ran; null for a stretch, and so the next two
    const ir::Function* optimized;    ///< what was compiled
    std::string_view host_code;       ///< a listing, as it is without the access log
    const abi::Context* before;       ///< the state
    UnitOutcome compiled, interpreted;
    std::span<const MemoryDifference> memory;
};

/// Whether two accesses, of a log and of its replay, are the same.
bool same_access(const abi::Access& logged, const abi::Access& replayed);
/// Whether the ways out are: a thread that is asked for attention leaves with `poll` where it would go on.
bool same_exit(const UnitOutcome& compiled, const UnitOutcome& interpreted);

enum class LockstepSteps : u8 { units, stretch };

/// Whoever is told of a difference. The guest must not go on after that: see_difference() ends the process.
class LockstepWitness {
  public:
    virtual ~LockstepWitness() = default;
    [[noreturn]] virtual void see_difference(const Difference& difference) = 0;
};

/// What a lockstep tier is made of. All references must outlive it.
struct LockstepParts {
    std::unique_ptr<Tier> compiling;  ///< makes units that keep an access log
    const Tier& reference;
    const abi::Frontend& frontend;
    mem::AddressSpace& space;
    Optimize optimize;  ///< before compiling
    /// The listing of the host code that the compiling tier makes of a function without an access log.
    std::function<std::string(const ir::Function&)> list_host_code;
    LockstepWitness& witness;
};
/// Where units are compared, the engine must leave passes to it, and makes no regions.
std::unique_ptr<Tier> make_lockstep_tier(LockstepParts parts, LockstepSteps steps);

}  // namespace kiln::run

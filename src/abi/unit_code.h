// The unit contract: what a compiling tier gives for one unit, and what it may expect of the engine that runs it.
// A unit is a pure function of guest bytes, options and host features: no pointer into the process comes out; what
// it needs at run time it reaches through the context or through a relocation.
//
// Entry: the first byte, with the registers of the tier's calling convention in place. The first 8 bytes can be
// replaced at once by a jump elsewhere (they are 8-byte aligned when installed and begin with an instruction of 5
// bytes that does nothing), whoever may be running the unit.
// Exits: to stubs, or to other units by links: the 32-bit distance in a jump, aligned to 4 bytes, that the engine
// sets; unlinked, it leads to a place in the unit that goes to Stub::lookup.
#pragma once

#include <string>
#include <vector>

#include "abi/context.h"

namespace kiln::abi {

/// The engine's routines that units jump to or call.
enum class Stub : u8 {
    leave,   ///< return to the run loop: rax is the guest's pc, edx the ExitReason
    lookup,  ///< the same for ExitReason::lookup: rax is the guest's pc, rcx the link's address or null
    call,    ///< called: helper number eax on the call arguments; only pinned registers survive
};

/// A 32-bit field that must hold the distance from its own end to a stub.
struct UnitRelocation {
    u32 offset;
    Stub stub;
    bool operator==(const UnitRelocation&) const = default;
};

/// A direct exit: where the distance to another unit goes, and where it leads while there is none.
struct UnitLink {
    u32 site;      ///< what Context::link_site will point to
    u32 unlinked;  ///< the place in the unit that goes to Stub::lookup
    GuestAddr target;
    bool operator==(const UnitLink&) const = default;
};

/// A host instruction that accesses guest memory, and what it means when it faults: state slots hold, or their
/// pinned registers do, what they must before the guest instruction at `pc`.
struct FaultPoint {
    u32 offset;
    u32 retired;  ///< guest instructions completed before it on this way through the unit
    GuestAddr pc;
    /// The access's guest address, for faults whose address the host does not report: base + index << scale + disp,
    /// the registers by their numbers as encoded.
    u8 base, index, scale;
    i32 disp;
    static constexpr u8 no_register = 0xff;
    bool operator==(const FaultPoint&) const = default;
};

/// When the access at `offset` faults, the slot gets what the word holds, both being offsets in the context: it was not
/// up to date. Those of pinned registers have been stored before.
struct FrameValue {
    u32 offset, slot, word;
};

/// Where the value of a state slot is at a fault point, if it is not in the place that it has between units.
struct StatePlace {
    u32 slot;  ///< its offset in the context, in bytes
    /// The register's number as encoded, 16 and up being vector registers; or one of these.
    u8 place;
    static constexpr u8 memory = 0xfe, constant = 0xff;
    u64 value = 0;  ///< memory: the offset in the context; constant: itself
};

/// Some of UnitCode::places, max_frame of them at most.
inline constexpr u32 max_frame = 128;
struct PlaceRange {
    u32 begin = 0, count = 0;
};

struct UnitCode {
    std::vector<u8> bytes;
    /// Where the unit looks for its own entry's address by Stub::lookup: whoever enters is sent there when the unit must
    /// not run any more.
    u32 forward = 0;
    /// A unit that counts its entries (Context::entry_counters) has here the 32-bit offset of its counter, which the
    /// engine sets; it leaves by Stub::lookup, as from `forward`, when the counter turns negative; so it does not poll unless it is a region.
    /// 0: it does not count.
    u32 counter_site = 0;
    std::vector<UnitRelocation> relocations;
    std::vector<UnitLink> links;
    std::vector<FaultPoint> fault_points;
    std::vector<FrameValue> frame_values;  ///< of the fault points, in their order; few units have any
    /// Of regions: for each fault point, what is not in its place there. Empty: nothing, at none.
    std::vector<PlaceRange> frames;
    std::vector<StatePlace> places;
    /// The bytes for people, where that was asked for.
    std::string listing;

    void clear() {
        bytes.clear();
        counter_site = 0;
        relocations.clear();
        links.clear();
        fault_points.clear();
        frame_values.clear();
        frames.clear();
        places.clear();
        listing.clear();
    }
};

/// The code around units, made once for a process: it may hold addresses.
struct StubCode {
    std::vector<u8> bytes;
    /// Offsets. `enter(entry, context)` is a C function that gives the ExitReason of Stub::leave.
    u32 enter = 0, leave = 0, lookup = 0, call = 0;
    /// Like leave, but the pinned registers' slots are right already and only edx is given.
    u32 leave_saved = 0;
    /// Between `entered` and `leave_saved`, from `call` on, and in units, the registers below are in force.
    u32 entered = 0;
    u8 context_register = 0;  ///< holds the context's address plus context_bias
    i32 context_bias = 0;
    u8 budget_register = 0;
};

/// A host register that holds a state slot while units run.
struct PinnedRegister {
    u8 number;   ///< general registers 0 to 15 as encoded, vector registers 16 to 31
    u32 offset;  ///< of the slot, in bytes from the start of the context
};

}  // namespace kiln::abi

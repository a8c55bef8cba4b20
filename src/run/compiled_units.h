// Where units of compiling tiers live and run: installs them in code memory, enters them, links them, and makes sense
// of faults and signals that arrive while they run.
//
// Dangerous code. The laws: a unit's bytes are written before anybody can reach it; what others may be running is
// changed by single aligned stores only (links, forwarding); between the stubs' `entered` and `leave_saved`, and in
// units, the pinned registers are the truth and their slots are stale, so whoever looks at the context from a signal
// handler asks interrupt() or recover() first.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>

#include "abi/unit_store.h"
#include "ir/env.h"
#include "mem/code_memory.h"

namespace kiln::run {

class CompiledUnits;
using FillCode = std::function<bool(std::span<u8>)>;

/// A unit in code memory. Destroying it frees the memory: nobody may be in it or go there any more.
class CompiledUnit {
  public:
    ~CompiledUnit();
    CompiledUnit(const CompiledUnit&) = delete;
    CompiledUnit& operator=(const CompiledUnit&) = delete;

    const void* entry() const;
    /// Its counter, if it counts and is no chapter.
    u32 counter() const { return counter_; }
    std::span<const u8> code() const { return {static_cast<const u8*>(entry()), code_bytes_}; }
    std::size_t bytes() const {
        return sizeof(CompiledUnit) + code_bytes_ + fault_points_.size() * sizeof(abi::FaultPoint) +
               frames_.size() * sizeof(abi::PlaceRange) + places_.size() * sizeof(abi::StatePlace);
    }
    /// From now on whoever enters goes to `target`, or leaves with ExitReason::lookup while that is null. Any thread
    /// may be in the unit.
    void forward(const void* target) { forward(0, forward_, target); }
    /// Takes a forward(nullptr) back. Any thread may be in the unit.
    void resume() { resume(0); }
    /// Both for an entry inside, whose own way to a lookup is at `lookup`.
    void forward(u32 entry, u32 lookup, const void* target);
    void resume(u32 entry);
    /// Unlinks the exits that lead to units whose entry forwards. Under the caller's lock, as is linking.
    void unlink_stale();

  private:
    friend class CompiledUnits;
    explicit CompiledUnit(CompiledUnits& units) : units_(units) {}
    void set_entry(u32 entry, u64 instruction);

    /// An exit that was linked; unlinked, it has its first distance.
    struct Link {
        u32 offset, unlinked;
    };

    CompiledUnits& units_;
    u32 offset_ = 0, code_bytes_ = 0, forward_ = 0;  // no code: there was no room for it
    u32 counter_ = 0;
    std::vector<abi::FaultPoint> fault_points_;
    std::unique_ptr<const std::vector<abi::FrameValue>> frame_values_;  // null: it has none
    std::vector<abi::PlaceRange> frames_;                               // of regions: by fault point
    std::vector<abi::StatePlace> places_;
    std::vector<Link> links_;
};

class CompiledUnits {
  public:
    /// For the one guest architecture whose stubs and pinned registers these are. `bytes` of code memory at most. There
    /// is at most one at a time in a process: its signal handlers find it.
    static Result<std::unique_ptr<CompiledUnits>> create(const abi::StubCode& stubs,
                                                         std::span<const abi::PinnedRegister> pinned,
                                                         u32 pc_offset, u64 bytes);
    ~CompiledUnits();

    /// Copies a unit into code memory; one that counts may not be entered before its counter() is set. An error when there is no room.
    /// Any thread.
    Result<std::unique_ptr<CompiledUnit>> install(const abi::UnitCode& code);
    /// The same for a chapter's units together, and one that counts may be entered `entries` times. The first of the
    /// counters is `first_counter`; they are in the units' order.
    /// `fill` writes the code, or says that it cannot.
    Result<std::unique_ptr<CompiledUnit>> install(abi::Chapter& chapter, const FillCode& fill, i32 entries,
                                                  u32& first_counter);
    /// How often a unit may still be entered that counts; negative: somebody was refused. Other threads may be counting.
    i32* counter(u32 number) { return counters_.get() + number; }
    /// Runs from a unit's entry until something leaves; any thread, on its own context. Guest addresses are relative to
    /// Context::memory, by way of GS if that is not 0.
    abi::ExitReason run(const void* entry, abi::Context& context) const;
    /// Before a thread first runs units on `context`.
    void prepare_thread(abi::Context& context) const;
    /// Makes a link (Context::link_site) go to a unit's entry, unless that costs more than it gains. Under the caller's lock.
    void link(const void* site, const void* entry);

    mem::CodeMemory& memory() { return *memory_; }
    std::span<const u8> stub_code() const { return {memory_->at(stubs_at_), stubs_.bytes.size()}; }

    /// For a handler of SIGSEGV and SIGBUS: if a unit's access faulted, completes the context and makes `ucontext` leave
    /// the unit with ExitReason::fault. Otherwise false, nothing changed. Async-signal-safe.
    static bool recover(int signal, const siginfo_t* info, void* ucontext);
    /// For a signal handler on the context's own thread: abi::request_attention(), wherever the signal arrived.
    /// Async-signal-safe.
    static void request_attention(abi::Context& context, void* ucontext);

  private:
    friend class CompiledUnit;
    /// Makes room for a unit's code.
    Result<std::unique_ptr<CompiledUnit>> reserve(u32 code_bytes);
    /// The first of so many counters that nobody has; none if there are not that many.
    std::optional<u32> take_counters(u32 count);
    /// Makes the distance at that offset lead to a stub.
    void set_distance(u32 offset, abi::Stub stub);
    CompiledUnits(const abi::StubCode& stubs, std::span<const abi::PinnedRegister> pinned, u32 pc_offset,
                  std::unique_ptr<mem::CodeMemory> memory);
    bool registers_in_force(const void* pc) const;

    abi::StubCode stubs_;
    std::vector<abi::PinnedRegister> pinned_;
    u32 pc_offset_;
    std::unique_ptr<mem::CodeMemory> memory_;
    u32 stubs_at_ = 0;
    static constexpr u32 most_counters = u32{1} << 24;
    std::unique_ptr<i32, void (*)(i32*)> counters_;  // untouched pages cost nothing
    std::atomic<u32> counters_used_ = 0;
};

}  // namespace kiln::run

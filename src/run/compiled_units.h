// Where units of compiling tiers live and run: installs them in code memory, enters them, links them, and makes sense
// of faults and signals that arrive while they run.
//
// Dangerous code. The laws: a unit's bytes are written before anybody can reach it; what others may be running is
// changed by single aligned stores only (links, forwarding); between the stubs' `entered` and `leave_saved`, and in
// units, the pinned registers are the truth and their slots are stale, so whoever looks at the context from a signal
// handler asks interrupt() or recover() first.
#pragma once

#include <csignal>
#include <memory>

#include "abi/unit_code.h"
#include "ir/env.h"
#include "mem/code_memory.h"

namespace kiln::run {

class CompiledUnits;

/// A unit in code memory. Destroying it frees the memory: nobody may be in it or go there any more.
class CompiledUnit {
  public:
    ~CompiledUnit();
    CompiledUnit(const CompiledUnit&) = delete;
    CompiledUnit& operator=(const CompiledUnit&) = delete;

    const void* entry() const;
    std::span<const u8> code() const { return {static_cast<const u8*>(entry()), code_bytes_}; }
    std::size_t bytes() const {
        return sizeof(CompiledUnit) + code_bytes_ + fault_points_.size() * sizeof(abi::FaultPoint);
    }
    /// From now on whoever enters goes to `target`, or leaves with ExitReason::lookup while that is null. Any thread
    /// may be in the unit.
    void forward(const void* target);
    /// Takes a forward(nullptr) back. Any thread may be in the unit.
    void resume();
    /// Unlinks the exits that lead to units whose entry forwards. Under the caller's lock, as is linking.
    void unlink_stale();

  private:
    friend class CompiledUnits;
    explicit CompiledUnit(CompiledUnits& units) : units_(units) {}
    void set_entry(u64 instruction);

    /// An exit that was linked; unlinked, it has its first distance.
    struct Link {
        u32 offset, unlinked;
    };

    CompiledUnits& units_;
    u32 offset_ = 0, code_bytes_ = 0, forward_ = 0;  // no code: there was no room for it
    u64 entry_ = 0;                                  // its first bytes, while it does not forward
    std::vector<abi::FaultPoint> fault_points_;
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

    /// Copies a unit into code memory; an error when there is no room. Any thread.
    Result<std::unique_ptr<CompiledUnit>> install(const abi::UnitCode& code);
    /// Runs from a unit's entry until something leaves; any thread, on its own context. Guest addresses are relative to
    /// Context::memory, by way of GS if that is not 0.
    abi::ExitReason run(const void* entry, abi::Context& context) const;
    /// Before a thread first runs units on `context`.
    static void prepare_thread(const abi::Context& context);
    /// Makes a link (Context::link_site) go to a unit's entry. Under the caller's lock.
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
    CompiledUnits(const abi::StubCode& stubs, std::span<const abi::PinnedRegister> pinned, u32 pc_offset,
                  std::unique_ptr<mem::CodeMemory> memory);
    bool registers_in_force(const void* pc) const;

    abi::StubCode stubs_;
    std::vector<abi::PinnedRegister> pinned_;
    u32 pc_offset_;
    std::unique_ptr<mem::CodeMemory> memory_;
    u32 stubs_at_ = 0;
};

}  // namespace kiln::run

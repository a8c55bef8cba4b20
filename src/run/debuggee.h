// What a debugger sees of a guest and can do with it, whoever runs the guest (user mode: linux/debuggee.h).
// Debuggers implement Debugger; the two sides know nothing else of each other.
//
// All functions are for the debugger's own host thread. The guest stands still from an event until resume();
// registers and memory are looked at and changed only then. Signals have Linux's numbers.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/context.h"
#include "abi/watch.h"
#include "base/options.h"
#include "base/types.h"
#include "ir/env.h"

namespace kiln::run {

/// A guest thread by the number that the guest knows it by.
using ThreadNumber = i64;

enum class StopKind : u8 {
    interrupt,    ///< interrupt() asked for it
    signal,       ///< `signal` is about to be delivered
    breakpoint,   ///< the thread is before an instruction that has a breakpoint
    watchpoint,   ///< the thread is behind an access to `watched` at `address`
    step,         ///< the thread has done its step
    call_entry,   ///< the system call `number` is about to be made
    call_return,  ///< it was made
    fork,         ///< the process `child` was started and waits for settle_fork()
    vfork,        ///< the same by vfork(2)
    vfork_done,   ///< vfork(2) returns: its child has become another program, or ended
    execute,      ///< the process is about to become another program and waits for hand_over()
    executed,     ///< it did
    ended,        ///< the process ends with the exit status `status`
    killed,       ///< the process ends by `signal`
    none_left,    ///< no thread that was resumed is left
};

struct StopEvent {
    StopKind kind = StopKind::interrupt;
    ThreadNumber thread = 0;
    int signal = 0;
    int status = 0;
    u64 number = 0;
    i64 child = 0;
    GuestAddr address;
    abi::WatchedRange watched;
};

enum class ResumeMode : u8 { hold, run, step };

/// What becomes of one thread when the guest goes on.
struct Resumption {
    ThreadNumber thread = 0;
    ResumeMode mode = ResumeMode::hold;
    int signal = 0;  ///< delivered first, or in place of the signal that the thread stopped with; 0: none
    /// With ResumeMode::step: steps go on while pc is in [range_begin, range_end).
    GuestAddr range_begin, range_end;
};

/// Which of two processes the debugger stays with after a fork.
enum class ForkChoice : u8 { parent, child };

/// What a debugger wants to hear of other processes and programs.
struct ProcessEvents {
    bool forks = false;     ///< the event `fork`; of vfork(2) too, unless `vforks`
    bool vforks = false;    ///< the events `vfork` and `vfork_done`
    bool programs = false;  ///< `execute` with `executed`; without, nobody debugs what the process becomes
};

class Debuggee {
  public:
    virtual ~Debuggee() = default;

    virtual i64 process() const = 0;
    /// The threads alive, the oldest first.
    virtual std::vector<ThreadNumber> threads() const = 0;
    virtual std::string thread_name(ThreadNumber thread) const = 0;
    /// The thread's registers; null: there is no such thread.
    virtual abi::Context* registers(ThreadNumber thread) = 0;
    virtual const ir::StateLayout& layout() const = 0;
    /// The siginfo_t of the signal that the thread stopped with; empty: it stopped for another reason.
    virtual std::span<const u8> signal_info(ThreadNumber thread) const = 0;

    /// Copies as much as can be read without a gap; how much that is. The guest's rights do not matter.
    virtual std::size_t read_memory(GuestAddr from, std::span<u8> to) = 0;
    /// All or, when false, some or nothing of it was written.
    virtual bool write_memory(GuestAddr to, std::span<const u8> from) = 0;

    // What the guest stops for; in effect from the next resume() on.
    virtual void set_breakpoints(std::vector<GuestAddr> addresses) = 0;  ///< ascending
    virtual void set_watchpoints(std::vector<abi::WatchedRange> ranges) = 0;
    /// Signals, as bits (1 << number - 1), that are delivered without asking.
    virtual void pass_signals(u64 signals) = 0;
    /// System calls to stop at: none, or these, or with an empty list all.
    virtual void catch_calls(std::optional<std::vector<u64>> numbers) = 0;
    /// Which of these events happen.
    virtual void report_processes(ProcessEvents events) = 0;

    /// Lets the threads go on as said; those not named stand still.
    virtual void resume(std::span<const Resumption> resumptions) = 0;
    /// Makes an event happen soon.
    virtual void interrupt() = 0;
    /// Waits until `descriptor` can be read or there may be an event.
    virtual void wait(int descriptor) = 0;
    /// The event that stopped the guest, or none yet.
    virtual std::optional<StopEvent> next_event() = 0;

    /// After the event `fork` or `vfork` of `child`: the process not chosen runs on by itself, without a debugger. With
    /// ForkChoice::child the child's Debugger::adopt() gets `connection` and `notes`, and this process has no
    /// debugger any more; after `vfork` this returns when the child lets go of its parent.
    virtual void settle_fork(ForkChoice choice, i64 child, int connection, std::string_view notes) = 0;
    /// In a child that was chosen: its parent's vfork(2) returns now, and not only when the child ends or becomes
    /// another program.
    virtual void release_parent() = 0;
    /// After the event `execute`: the guest goes on as in resume(), and the new program's Debugger::start() is that of
    /// one made with `connection` and `notes`. If there is no new program in the end, nothing has happened.
    virtual void hand_over(std::span<const Resumption> resumptions, int connection,
                           std::string_view notes) = 0;
    /// In a new program, before anything else: makes the event `executed` happen.
    virtual void note_executed() = 0;
    /// What runs guest code, and from the next resume() on.
    virtual EngineKind engine() const = 0;
    virtual void switch_engine(EngineKind kind) = 0;
    /// The guest runs on by itself; nothing else may be called from now on.
    virtual void detach() = 0;
    /// Ends the process at once.
    [[noreturn]] virtual void kill() = 0;

    /// The program, as a path for open_file().
    virtual std::string executable() const = 0;
    /// The auxiliary vector as it lies in memory.
    virtual std::span<const u8> auxiliary_vector() const = 0;
    /// Gives the calling host thread a table of descriptors of its own: Kiln's and `keep` are in it, what the
    /// guest has is not.
    virtual void separate_descriptors(int keep) = 0;
    /// open(2) and readlink(2) with the guest's paths and flags, as the guest would see them; what they give
    /// is the host's: a descriptor or a length, or minus an errno.
    virtual int open_file(const std::string& path, int flags, int mode) = 0;
    virtual int read_link(const std::string& path, std::span<char> target) = 0;
};

class Debugger {
  public:
    virtual ~Debugger() = default;
    /// Waits until somebody connects, and begins to serve them on a host thread of its own. The guest stands
    /// still, before its first instruction, until the debugger resumes it. Called once.
    virtual Result<void> start(Debuggee& debuggee) = 0;
    /// In the child of a fork that the parent's debugger chose to stay with: goes on with the parent's
    /// connection and its notes, as start() does.
    virtual void adopt(Debuggee& debuggee, int connection, std::string_view notes) = 0;
};

}  // namespace kiln::run

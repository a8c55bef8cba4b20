// A guest process under a debugger. Guest threads come by at their borders and wherever something happens
// that a debugger may want to know (the functions of the first part); the debugger's thread stops them all,
// looks, and lets them go on (run/debuggee.h, the second part).
//
// To stop a thread is to kick it: a SIGBUS, which the host never blocks, with a mark of its own makes it leave
// translated code or a waiting system call, which is made again afterwards, and come to its border. A thread
// that cannot come at once (its child of vfork(2) runs) counts as stopped: it will before it runs guest code.
#pragma once

#include <sys/un.h>

#include <condition_variable>
#include <csignal>
#include <list>
#include <mutex>

#include "linux/thread.h"
#include "run/debuggee.h"

namespace kiln::user {

/// A guest thread as the debugger knows it. All but `watch` is guarded by DebuggedProcess's lock.
struct DebuggedThread {
    Thread& thread;
    run::ResumeMode mode = run::ResumeMode::run;
    GuestAddr range_begin, range_end;     ///< of ResumeMode::step
    bool resumed = true;                  ///< by the latest resume(): its events are for the debugger now
    bool stepped = false;                 ///< its step is done and not reported yet
    int signal = 0;                       ///< to be delivered when it goes on
    bool parked = false;                  ///< waits to be resumed
    bool in_call = false;                 ///< makes a system call
    std::optional<run::StopEvent> event;  ///< happened, and the debugger does not know yet
    run::StopEvent last_event;            ///< the one before
    siginfo_t info{};                     ///< of an event `signal`
    abi::Watch watch;

    bool has_news() const { return event && resumed; }
};

class DebuggedProcess final : public run::Debuggee {
  public:
    /// Reports for `process`, which must outlive it.
    explicit DebuggedProcess(Process& process) : process_(process) {}

    // ---- For guest threads, each about itself ----

    /// A new thread: to be called before it runs guest code. The first one stands still until the debugger
    /// resumes it.
    void enter(Thread& thread);
    /// The thread ends; if it is the last one, the process, and this does not return.
    void leave(Thread& thread);
    /// Engine::run() as the debugger wants it.
    abi::ExitReason run(Thread& thread);
    /// make_call() as the debugger wants it.
    void make_call(Thread& thread);
    /// A signal is about to be delivered: which one shall be; 0: none.
    int filter_signal(Thread& thread, int signal, const siginfo_t& info);
    /// The thread was kicked: it stops if it shall; the signal to deliver then, or 0.
    int come_by(Thread& thread);
    /// The process is about to end by exit_group(2), or by a signal.
    void report_end(Thread& thread, int status);
    void report_death(Thread& thread, int signal);

    /// Held over fork(2), which calls one of the next two afterwards: with StopKind::fork, or for vfork(2) what that is told as.
    [[nodiscard]] std::unique_lock<std::mutex> freeze() { return std::unique_lock(mutex_); }
    void after_fork_in_parent(Thread& thread, pid_t child, run::StopKind kind);
    void after_fork_in_child(Thread& thread, run::StopKind kind);
    /// Whether the debugger is told of vfork(2), and as what.
    std::optional<run::StopKind> vfork_is_told_as() const;
    /// vfork(2), of which the debugger was told, returns.
    void report_vfork_done(Thread& thread);
    /// After after_fork_in_parent(): whether the debugger left this process for `child`.
    bool has_followed(i64 child) const;
    /// The thread is about to become another program: what that is told to go on with the debugger ("" : nothing), a
    /// word for kiln's command line. The descriptor in it, in `connection`, is open until exec.
    std::string connection_for_program(Thread& thread, int& connection);

    // ---- For the debugger ----

    i64 process() const override;
    std::vector<run::ThreadNumber> threads() const override;
    std::string thread_name(run::ThreadNumber thread) const override;
    abi::Context* registers(run::ThreadNumber thread) override;
    const ir::StateLayout& layout() const override;
    std::span<const u8> signal_info(run::ThreadNumber thread) const override;
    std::size_t read_memory(GuestAddr from, std::span<u8> to) override;
    bool write_memory(GuestAddr to, std::span<const u8> from) override;
    void set_breakpoints(std::vector<GuestAddr> addresses) override;
    void set_watchpoints(std::vector<abi::WatchedRange> ranges) override;
    void pass_signals(u64 signals) override;
    void catch_calls(std::optional<std::vector<u64>> numbers) override;
    void report_processes(run::ProcessEvents events) override;
    void resume(std::span<const run::Resumption> resumptions) override;
    void interrupt() override;
    void wait(int descriptor) override;
    std::optional<run::StopEvent> next_event() override;
    void settle_fork(run::ForkChoice choice, i64 child, int connection, std::string_view notes) override;
    void release_parent() override;
    void hand_over(std::span<const run::Resumption> resumptions, int connection,
                   std::string_view notes) override;
    void note_executed() override;
    EngineKind engine() const override;
    void switch_engine(EngineKind kind) override;
    void detach() override;
    [[noreturn]] void kill() override;
    std::string executable() const override;
    std::span<const u8> auxiliary_vector() const override;
    void separate_descriptors(int keep) override;
    int open_file(const std::string& path, int flags, int mode) override;
    int read_link(const std::string& path, std::span<char> target) override;

  private:
    using Lock = std::unique_lock<std::mutex>;

    DebuggedThread* find(run::ThreadNumber thread) const;
    /// The thread waits until it is resumed, with an event or to let another's be looked at; the signal to
    /// deliver then.
    int stop(DebuggedThread& self, run::StopEvent event);
    int park(Lock& lock, DebuggedThread& self);
    /// Stops at a border for as long as there is a reason.
    void pass_border(Thread& thread);
    /// Calls `stop`, which gives a signal, where a system call may be waiting for what becomes of it.
    template <class Stop>
    int stop_in_call(Thread& thread, Stop&& stop);
    /// A step that begins with a handler's signal ends before the handler's first instruction.
    void note_delivery(Thread& thread, int signal);
    bool catches(u64 number);
    /// Stops all threads.
    void stop_all(Lock& lock);
    bool reports(run::StopKind kind) const;
    /// Stops with an event of a system call that is done; a signal comes at the next border.
    void stop_after_call(DebuggedThread& self, run::StopEvent event);
    /// Asks the debugger's thread at heirs_address_; a descriptor and its notes, or -1. Gives the socket that it
    /// asked at too: as long as that is open, a parent in vfork(2) waits.
    int ask_for_connection(std::string& notes, int& socket) const;
    void wake_debugger();

    Process& process_;
    mutable std::mutex mutex_;         // guards everything below, and the DebuggedThreads
    std::condition_variable changed_;  // of any thread's state
    std::list<DebuggedThread> threads_;
    bool active_ = true;  ///< there is a debugger
    bool all_stopped_ = true;
    int first_thread_status_ = 0;
    bool interrupted_ = false;
    run::ProcessEvents reported_;
    i64 followed_child_ = 0;  ///< that has the connection now
    u64 passed_signals_ = 0;
    std::optional<std::vector<u64>> caught_calls_;
    std::vector<abi::WatchedRange> watched_;
    sockaddr_un heirs_address_{};  ///< where children and new programs ask
    socklen_t heirs_address_bytes_ = 0;
    pid_t debugger_thread_ = 0;  ///< the host thread that waits for events

    // The debugger's thread only:
    std::vector<GuestAddr> breakpoints_;
    int memory_file_ = -1;
    int heirs_listener_ = -1;
    int parents_socket_ = -1;  ///< in a child of a fork: what ask_for_connection() asked at
};

/// Whether a SIGBUS is a kick and no signal of the guest's.
bool is_kick(const siginfo_t& info);

}  // namespace kiln::user

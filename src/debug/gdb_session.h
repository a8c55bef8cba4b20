// One conversation with GDB: packets in, answers out (GDB manual, appendix "GDB Remote Serial Protocol").
// Knows nothing of sockets, threads of the host or Linux: the guest is a run::Debuggee. Rows of
// gdb_packets.def name the functions; those about running are in gdb_run.cpp, about files in gdb_files.cpp,
// about objects and queries in gdb_queries.cpp, about thread-local variables in gdb_tls.cpp.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "debug/gdb_registers.h"
#include "run/debuggee.h"

namespace kiln::debug {

/// A breakpoint or watchpoint.
struct GdbPoint {
    u8 type;  ///< of the Z packets
    GuestAddr address;
    u64 bytes;
    auto operator<=>(const GdbPoint&) const = default;
};

/// What both sides have agreed on, and what GDB says once only.
struct GdbNotes {
    bool acks = true;
    bool multiprocess = false;  ///< thread numbers are p<process>.<thread>
    bool fork_events = false, vfork_events = false, exec_events = false;
    bool executed = false;  ///< the conversation goes on in a new program, of which GDB is to be told first
    bool break_reasons = false;  ///< GDB knows swbreak and hwbreak
    bool no_resumed = false;     ///< GDB knows the stop reply N
    u64 passed_signals = 0;
    bool catches_calls = false;
    std::vector<u64> caught_calls;
    /// Of a process in vfork(2) whose child the conversation goes on with: GDB still counts it as its own. 0: none.
    i64 held_process = 0;
    run::ThreadNumber held_thread = 0;
    std::vector<GdbPoint> points;  ///< that a child of vfork(2) has its parent's share of
    std::string packet;            ///< the one that made this child go on, to be done by its own session

    run::ProcessEvents events() const {
        return {.forks = fork_events, .vforks = vfork_events, .programs = exec_events};
    }
    std::string write() const;
    static GdbNotes read(std::string_view text);
};

class GdbSession {
  public:
    enum class State : u8 {
        stopped,     ///< packets are answered at once
        running,     ///< the next answer is report()'s
        over,        ///< the debugger has left, or the process ends: nothing more is to be said
        handed_over  ///< the child of a fork goes on with the connection
    };

    /// The guest stands still. `connection` is what a child of a fork or a new program takes over.
    GdbSession(run::Debuggee& debuggee, int connection, GdbNotes notes);
    ~GdbSession();
    GdbSession(const GdbSession&) = delete;
    GdbSession& operator=(const GdbSession&) = delete;

    State state() const { return state_; }
    bool acks() const { return notes_.acks; }
    /// The answer to a packet; none: there is none, or it is report()'s.
    std::optional<std::string> handle(std::string_view payload);
    /// The stop reply for what happened after the guest went on.
    std::string report(const run::StopEvent& event);
    /// After the event `execute`: hands the conversation over to the new program, or goes on if there is none.
    void hand_over();
    /// What has to happen after the answer was sent: what the guest sees of the session's end.
    void finish();
    /// The other side has gone: the guest runs on by itself.
    void connection_lost();

  private:
    using Answer = std::optional<std::string>;
    using Handler = Answer (GdbSession::*)(std::string_view args);
    struct Row;
    static const Row rows[];

#define GDB_WORD(text, function, meaning) Answer function##_packet(std::string_view args);
#define GDB_LETTER(letter, function, meaning)
#include "debug/gdb_packets.def"
#undef GDB_WORD
#undef GDB_LETTER
    // Letters: several may share a function.
    Answer last_stop_packet(std::string_view);
    Answer resume_one_packet(std::string_view args);
    Answer detach_packet(std::string_view args);
    Answer kill_packet(std::string_view);
    Answer choose_thread_packet(std::string_view args);
    Answer thread_alive_packet(std::string_view args);
    Answer read_registers_packet(std::string_view);
    Answer write_registers_packet(std::string_view args);
    Answer read_register_packet(std::string_view args);
    Answer write_register_packet(std::string_view args);
    Answer read_memory_packet(std::string_view args);
    Answer write_memory_packet(std::string_view args);
    Answer write_binary_packet(std::string_view args);
    Answer insert_point_packet(std::string_view args);
    Answer remove_point_packet(std::string_view args);

    /// A thread as packets name it: -1 all, 0 any.
    struct ThreadName {
        i64 process = 0, thread = 0;
    };
    std::optional<ThreadName> take_thread(std::string_view& text) const;
    std::string thread_text(i64 process, run::ThreadNumber thread) const;
    std::string thread_text(run::ThreadNumber thread) const;
    /// The registers of the thread that the last Hg chose; null: it is gone.
    abi::Context* chosen_registers();
    bool change_point(std::string_view args, bool insert);
    void apply_points();
    /// Whether `thread` is of a process that GDB counts as its own and that this session has no more, or not yet.
    bool is_elsewhere(run::ThreadNumber thread) const;
    bool put_memory(std::string_view args, bool binary);
    void resume_with(std::vector<run::Resumption> resumptions);
    void follow_vfork(std::string_view actions);
    std::string monitor_answer(std::string_view command);
    /// `name`: of an engine, or empty.
    std::string engine_answer(std::string_view name);
    std::optional<std::string> object(std::string_view name, std::string_view annex);
    /// Processes and threads that GDB counts as its own.
    std::vector<std::pair<i64, run::ThreadNumber>> known_threads() const;
    std::string threads_object() const;

    // Thread-local variables.
    std::optional<u64> guest_word(GuestAddr address, std::size_t bytes);
    /// What a link map has where the variable (an index of library_variables_) says.
    std::optional<u64> link_map_word(GuestAddr link_map, std::size_t variable);
    /// Where the variables of the module with `link_map` begin for the thread with `tp`; none: nobody knows.
    std::optional<GuestAddr> thread_block(GuestAddr tp, GuestAddr link_map);

    // vFile's operations.
    int take_file(std::string_view& args) const;
    std::string open_file(std::string_view args);
    std::string close_file(std::string_view args);
    std::string read_file(std::string_view args);
    std::string write_file(std::string_view args);
    std::string file_status(std::string_view args);
    std::string read_link(std::string_view args);

    run::Debuggee& debuggee_;
    const int connection_;
    GdbNotes notes_;
    const GdbRegisters registers_;
    State state_ = State::stopped;
    bool detaching_ = false, killing_ = false;  // finish() does it
    std::string last_stop_;
    std::vector<run::Resumption> resumptions_;  // the latest ones
    run::ThreadNumber chosen_thread_ = 0;       // Hg
    run::ThreadNumber continued_thread_ = 0;    // Hc: 0 any, -1 all
    run::ThreadNumber fork_parent_ = 0;         // that started fork_child_
    i64 fork_child_ = 0;                        // a child whose fate GDB has not told yet; 0: none

    bool forked_by_vfork_ = false;  // fork_child_
    bool ended_ = false;            // the process; the conversation is about notes_.held_process only
    std::set<GdbPoint> points_;
    std::set<int> files_;                           // open by vFile
    std::array<GuestAddr, 2> library_variables_{};  // of the guest's C library, as GDB has told (gdb_tls.cpp)
};

}  // namespace kiln::debug

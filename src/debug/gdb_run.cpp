// Going on and stopping: vCont and its like, stop replies, the session's ends.
#include <algorithm>
#include <cerrno>

#include "debug/gdb_framing.h"
#include "debug/gdb_session.h"
#include "debug/gdb_signals.h"

namespace kiln::debug {

using run::ResumeMode;
using run::Resumption;
using run::StopEvent;
using run::StopKind;
using run::ThreadNumber;

namespace {

std::string two_digits(int value) {
    std::string text = to_hex(static_cast<u64>(value & 0xff));
    return text.size() < 2 ? "0" + text : text;
}

/// An action of vCont: what it says and which thread it is for.
struct Action {
    Resumption how;
    i64 process = -1;
    ThreadNumber thread = -1;
};

}  // namespace

// ---- Stop replies ----

std::string GdbSession::report(const StopEvent& event) {
    state_ = State::stopped;
    const std::string process =
        notes_.multiprocess ? ";process:" + to_hex(static_cast<u64>(debuggee_.process())) : "";
    switch (event.kind) {
        case StopKind::ended:
        case StopKind::killed: {
            ended_ = true;
            if (notes_.held_process == 0) state_ = State::over;
            detaching_ = true;
            const bool ended = event.kind == StopKind::ended;
            return (ended ? "W" : "X") + two_digits(ended ? event.status : gdb_signal(event.signal)) +
                   process;
        }
        case StopKind::none_left: return last_stop_ = notes_.no_resumed ? "N" : "S00";
        default: break;
    }
    chosen_thread_ = event.thread;
    int signal = gdb_sigtrap;
    std::string reason;
    switch (event.kind) {
        case StopKind::interrupt: signal = gdb_sigint; break;
        case StopKind::signal: signal = gdb_signal(event.signal); break;
        case StopKind::step: break;
        case StopKind::breakpoint: {
            if (!notes_.break_reasons) break;
            const auto* context = debuggee_.registers(event.thread);
            if (context == nullptr) break;
            const GuestAddr pc = registers_.pc(*context);
            bool software = false;
            for (const GdbPoint& point : points_) software |= point.type == 0 && point.address == pc;
            reason = software ? "swbreak:;" : "hwbreak:;";
            break;
        }
        case StopKind::watchpoint: {
            const u8 kinds = event.watched.kinds;
            reason = kinds == abi::access_write  ? "watch:"
                     : kinds == abi::access_read ? "rwatch:"
                                                 : "awatch:";
            reason += to_hex(event.address.raw) + ";";
            break;
        }
        case StopKind::call_entry: reason = "syscall_entry:" + to_hex(event.number) + ";"; break;
        case StopKind::call_return: reason = "syscall_return:" + to_hex(event.number) + ";"; break;
        case StopKind::fork:
        case StopKind::vfork:
            fork_child_ = event.child;
            fork_parent_ = event.thread;
            forked_by_vfork_ = event.kind == StopKind::vfork;
            reason = (forked_by_vfork_ ? "vfork:" : "fork:") + thread_text(event.child, event.child) + ";";
            break;
        case StopKind::vfork_done: reason = "vforkdone:;"; break;
        case StopKind::executed:
            reason = "exec:" + to_hex(std::string_view(debuggee_.executable())) + ";";
            break;
        case StopKind::execute:
        case StopKind::ended:
        case StopKind::killed:
        case StopKind::none_left: break;
    }
    std::string text = "T" + two_digits(signal);
    if (abi::Context* context = debuggee_.registers(event.thread); context != nullptr)
        for (u64 number : registers_.expedited())
            text += to_hex(number) + ":" + to_hex(*registers_.read(*context, number)) + ";";
    return last_stop_ = text + "thread:" + thread_text(event.thread) + ";" + reason;
}

GdbSession::Answer GdbSession::last_stop_packet(std::string_view) { return last_stop_; }

// ---- Going on ----

void GdbSession::resume_with(std::vector<Resumption> resumptions) {
    state_ = State::running;
    resumptions_ = std::move(resumptions);
    debuggee_.resume(resumptions_);
}

void GdbSession::hand_over() {
    // GDB sets its breakpoints anew.
    GdbNotes notes = notes_;
    notes.executed = true;
    debuggee_.hand_over(resumptions_, connection_, notes.write());
}

GdbSession::Answer GdbSession::resume_actions_packet(std::string_view) { return "vCont;c;C;s;S;r"; }

GdbSession::Answer GdbSession::resume_packet(std::string_view args) {
    const std::string_view whole = args;
    std::vector<Action> actions;
    while (take(args, ";")) {
        const char letter = args.empty() ? ' ' : args[0];
        args.remove_prefix(std::min<std::size_t>(1, args.size()));
        Action action;
        action.how.mode = letter == 'c' || letter == 'C' ? ResumeMode::run : ResumeMode::step;
        if (letter == 'C' || letter == 'S') {
            const auto signal = take_hex(args);
            if (!signal) return "E16";
            action.how.signal = linux_signal(*signal);
        } else if (letter == 'r') {
            const auto begin = take_hex(args);
            if (!begin || !take(args, ",")) return "E16";
            const auto end = take_hex(args);
            if (!end) return "E16";
            action.how.range_begin = GuestAddr(*begin);
            action.how.range_end = GuestAddr(*end);
        } else if (letter != 'c' && letter != 's') {
            return "E16";
        }
        if (take(args, ":")) {
            const auto name = take_thread(args);
            if (!name) return "E16";
            action.process = name->process;
            action.thread = name->thread;
        }
        actions.push_back(action);
    }
    if (actions.empty() || !args.empty()) return "E16";
    const bool child_goes_on = forked_by_vfork_ && fork_child_ != 0 &&
                               std::ranges::find(actions, fork_child_, &Action::process) != actions.end();
    if (child_goes_on) {
        follow_vfork(whole);
        return std::nullopt;
    }
    // The first action that fits a thread is its own.
    std::vector<Resumption> resumptions;
    for (ThreadNumber thread : debuggee_.threads())
        for (const Action& action : actions) {
            if (action.process > 0 && action.process != debuggee_.process()) continue;
            if (action.thread > 0 && action.thread != thread) continue;
            Resumption how = action.how;
            how.thread = thread;
            resumptions.push_back(how);
            break;
        }
    resume_with(std::move(resumptions));
    return std::nullopt;
}

// GDB stays with the child of vfork(2), and keeps the parent until the child becomes another program or ends.
void GdbSession::follow_vfork(std::string_view actions) {
    notes_.held_process = debuggee_.process();
    notes_.held_thread = fork_parent_;
    notes_.points.assign(points_.begin(), points_.end());
    notes_.packet = "vCont" + std::string(actions);
    state_ = State::handed_over;
    detaching_ = true;
}

// c, C, s and S come from debuggers that do not use vCont: Hc has named the thread.
GdbSession::Answer GdbSession::resume_one_packet(std::string_view args) {
    const char letter = args[0];
    args.remove_prefix(1);
    Resumption how;
    how.mode = letter == 'c' || letter == 'C' ? ResumeMode::run : ResumeMode::step;
    if (letter == 'C' || letter == 'S') {
        const auto signal = take_hex(args);
        if (!signal) return "E16";
        how.signal = linux_signal(*signal);
        take(args, ";");
    }
    const ThreadNumber first = continued_thread_ > 0 ? continued_thread_ : chosen_thread_;
    if (const auto address = take_hex(args)) {
        abi::Context* context = debuggee_.registers(first);
        if (context != nullptr) registers_.set_pc(*context, GuestAddr(*address));
    }
    std::vector<Resumption> resumptions;
    for (ThreadNumber thread : debuggee_.threads()) {
        how.thread = thread;
        if (thread == first)
            resumptions.push_back(how);
        else if (continued_thread_ <= 0)
            resumptions.push_back({.thread = thread, .mode = ResumeMode::run});
    }
    resume_with(std::move(resumptions));
    return std::nullopt;
}

// ---- Ends ----

GdbSession::Answer GdbSession::detach_packet(std::string_view args) {
    args.remove_prefix(1);
    i64 process = debuggee_.process();
    if (take(args, ";")) process = static_cast<i64>(take_hex(args).value_or(0));
    if (fork_child_ != 0 && process == fork_child_) {
        debuggee_.settle_fork(run::ForkChoice::parent, std::exchange(fork_child_, 0), connection_, {});
        if (const auto threads = debuggee_.threads(); !threads.empty()) chosen_thread_ = threads.front();
        return "OK";
    }
    if (notes_.held_process != 0 && process == notes_.held_process) {
        debuggee_.release_parent();
        notes_.held_process = notes_.held_thread = 0;
        if (ended_) state_ = State::over;
        return "OK";
    }
    if (process != debuggee_.process()) return "E03";
    state_ = fork_child_ != 0 ? State::handed_over : State::over;
    detaching_ = true;
    return "OK";
}

GdbSession::Answer GdbSession::kill_packet(std::string_view) { debuggee_.kill(); }

GdbSession::Answer GdbSession::kill_process_packet(std::string_view) {
    state_ = State::over;
    killing_ = true;
    return "OK";
}

void GdbSession::finish() {
    if (killing_) debuggee_.kill();
    if (!std::exchange(detaching_, false)) return;
    if (state_ == State::handed_over)
        debuggee_.settle_fork(run::ForkChoice::child, fork_child_, connection_, notes_.write());
    else if (fork_child_ != 0)
        debuggee_.settle_fork(run::ForkChoice::parent, fork_child_, connection_, {});
    debuggee_.detach();
}

void GdbSession::connection_lost() {
    if (state_ == State::over || state_ == State::handed_over) return;
    if (state_ == State::running) {
        debuggee_.interrupt();
        while (!debuggee_.next_event()) debuggee_.wait(-1);
    }
    state_ = State::over;
    detaching_ = true;
    finish();
}

}  // namespace kiln::debug

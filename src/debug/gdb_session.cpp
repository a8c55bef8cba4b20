// Dispatch, threads, registers, memory, breakpoints.
#include "debug/gdb_session.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "debug/gdb_framing.h"

namespace kiln::debug {
namespace {

using run::ThreadNumber;

/// The answer to what cannot be done: the number is an errno.
std::string failed(int error) {
    std::string text = to_hex(static_cast<u64>(error));
    return text.size() < 2 ? "E0" + text : "E" + text;
}

constexpr u8 software_break = 0, hardware_break = 1, write_watch = 2, read_watch = 3, access_watch = 4;

u8 watched_kinds(u8 type) {
    switch (type) {
        case write_watch: return abi::access_write;
        case read_watch: return abi::access_read;
        default: return abi::access_read | abi::access_write;
    }
}

}  // namespace

// ---- Notes ----

std::string GdbNotes::write() const {
    std::string text;
    for (bool flag : {acks, multiprocess, fork_events, vfork_events, exec_events, executed, break_reasons,
                      no_resumed, catches_calls})
        text += flag ? '1' : '0';
    text += to_hex(passed_signals);
    for (u64 call : caught_calls) text += ';' + to_hex(call);
    text += ':' + to_hex(static_cast<u64>(held_process)) + '.' + to_hex(static_cast<u64>(held_thread));
    for (const GdbPoint& point : points)
        text += ';' + to_hex(u64{point.type}) + ',' + to_hex(point.address.raw) + ',' + to_hex(point.bytes);
    return text + ':' + packet;
}

GdbNotes GdbNotes::read(std::string_view text) {
    GdbNotes notes;
    for (bool* flag :
         {&notes.acks, &notes.multiprocess, &notes.fork_events, &notes.vfork_events, &notes.exec_events,
          &notes.executed, &notes.break_reasons, &notes.no_resumed, &notes.catches_calls}) {
        *flag = text.starts_with('1');
        text.remove_prefix(std::min<std::size_t>(1, text.size()));
    }
    const auto number = [&](std::string_view before) {
        return take(text, before) ? take_hex(text).value_or(0) : 0;
    };
    notes.passed_signals = number("");
    while (take(text, ";")) notes.caught_calls.push_back(number(""));
    notes.held_process = static_cast<i64>(number(":"));
    notes.held_thread = static_cast<i64>(number("."));
    while (take(text, ";")) {
        const auto type = static_cast<u8>(number(""));
        const GuestAddr address(number(","));
        notes.points.push_back({type, address, number(",")});
    }
    if (take(text, ":")) notes.packet = text;
    return notes;
}

// ---- Dispatch ----

struct GdbSession::Row {
    std::string_view text;
    bool word;
    Handler handler;
};

constexpr GdbSession::Row GdbSession::rows[] = {
#define GDB_WORD(text, function, meaning) {text, true, &GdbSession::function##_packet},
#define GDB_LETTER(letter, function, meaning)
#include "debug/gdb_packets.def"
#undef GDB_WORD
#undef GDB_LETTER
#define GDB_WORD(text, function, meaning)
#define GDB_LETTER(letter, function, meaning) {#letter, false, &GdbSession::function##_packet},
#include "debug/gdb_packets.def"
#undef GDB_WORD
#undef GDB_LETTER
};

GdbSession::GdbSession(run::Debuggee& debuggee, int connection, GdbNotes notes)
    : debuggee_(debuggee), connection_(connection), notes_(std::move(notes)), registers_(debuggee.layout()) {
    const std::vector<ThreadNumber> threads = debuggee_.threads();
    chosen_thread_ = threads.empty() ? 0 : threads.front();
    debuggee_.pass_signals(notes_.passed_signals);
    debuggee_.report_processes(notes_.events());
    if (notes_.catches_calls) debuggee_.catch_calls(notes_.caught_calls);
    if (std::exchange(notes_.executed, false)) {
        debuggee_.note_executed();
        state_ = State::running;
    }
    last_stop_ = "T05thread:" + thread_text(chosen_thread_) + ";";
    if (notes_.held_process == 0) debuggee_.release_parent();
    points_.insert(notes_.points.begin(), notes_.points.end());
    notes_.points.clear();
    apply_points();
    if (!notes_.packet.empty()) (void)handle(std::exchange(notes_.packet, {}));
}

GdbSession::~GdbSession() {
    for (int fd : files_) ::close(fd);
}

std::optional<std::string> GdbSession::handle(std::string_view payload) {
    if (payload.empty()) return "";
    for (const Row& row : rows) {
        if (row.word) {
            std::string_view rest = payload;
            if (!take(rest, row.text)) continue;
            if (!rest.empty() && rest[0] != ';' && rest[0] != ':' && rest[0] != ',') continue;
            return (this->*row.handler)(rest);
        }
        // A letter's handler is given the letter too; #letter is 'c' with its quotes.
        if (row.text[1] == payload[0]) return (this->*row.handler)(payload);
    }
    return "";
}

// ---- Threads ----

std::optional<GdbSession::ThreadName> GdbSession::take_thread(std::string_view& text) const {
    const auto part = [&]() -> std::optional<i64> {
        if (take(text, "-1")) return -1;
        const auto number = take_hex(text);
        return number ? std::optional(static_cast<i64>(*number)) : std::nullopt;
    };
    if (!take(text, "p")) {
        const auto thread = part();
        if (!thread) return std::nullopt;
        return ThreadName{debuggee_.process(), *thread};
    }
    const auto process = part();
    if (!process) return std::nullopt;
    if (!take(text, ".")) return ThreadName{*process, -1};
    const auto thread = part();
    if (!thread) return std::nullopt;
    return ThreadName{*process, *thread};
}

std::string GdbSession::thread_text(i64 process, ThreadNumber thread) const {
    const std::string number = to_hex(static_cast<u64>(thread));
    return notes_.multiprocess ? "p" + to_hex(static_cast<u64>(process)) + "." + number : number;
}

std::string GdbSession::thread_text(ThreadNumber thread) const {
    return thread_text(debuggee_.process(), thread);
}

GdbSession::Answer GdbSession::choose_thread_packet(std::string_view args) {
    const char what = args.size() > 1 ? args[1] : ' ';
    args.remove_prefix(std::min<std::size_t>(2, args.size()));
    const auto name = take_thread(args);
    if (!name || !args.empty() || (what != 'g' && what != 'c')) return failed(EINVAL);
    if (what == 'c') {
        continued_thread_ = name->thread;
        return "OK";
    }
    const std::vector<ThreadNumber> threads = debuggee_.threads();
    if (fork_child_ != 0 && name->process == fork_child_)
        chosen_thread_ = fork_child_;
    else if (notes_.held_process != 0 && name->process == notes_.held_process)
        chosen_thread_ = notes_.held_thread;
    else if (name->thread <= 0)
        chosen_thread_ = std::ranges::find(threads, chosen_thread_) != threads.end() ? chosen_thread_
                         : threads.empty()                                           ? 0
                                                                                     : threads.front();
    else if (std::ranges::find(threads, name->thread) != threads.end())
        chosen_thread_ = name->thread;
    else
        return failed(ESRCH);
    return "OK";
}

GdbSession::Answer GdbSession::thread_alive_packet(std::string_view args) {
    args.remove_prefix(1);
    const auto name = take_thread(args);
    if (!name) return failed(EINVAL);
    if (is_elsewhere(name->thread)) return "OK";
    const std::vector<ThreadNumber> threads = debuggee_.threads();
    return std::ranges::find(threads, name->thread) != threads.end() ? "OK" : failed(ESRCH);
}

// ---- Registers ----

bool GdbSession::is_elsewhere(ThreadNumber thread) const {
    return thread != 0 && (thread == fork_child_ || thread == notes_.held_thread);
}

abi::Context* GdbSession::chosen_registers() {
    // A new child's are its parent's, while nobody has settled which of them GDB stays with.
    const bool child = fork_child_ != 0 && chosen_thread_ == fork_child_;
    return debuggee_.registers(child ? fork_parent_ : chosen_thread_);
}

GdbSession::Answer GdbSession::read_registers_packet(std::string_view) {
    abi::Context* context = chosen_registers();
    if (context == nullptr) return failed(ESRCH);
    return to_hex(registers_.read_general(*context));
}

GdbSession::Answer GdbSession::write_registers_packet(std::string_view args) {
    abi::Context* context = chosen_registers();
    if (context == nullptr) return failed(ESRCH);
    const auto bytes = from_hex(args.substr(1));
    return bytes && registers_.write_general(*context, *bytes) ? "OK" : failed(EINVAL);
}

GdbSession::Answer GdbSession::read_register_packet(std::string_view args) {
    abi::Context* context = chosen_registers();
    if (context == nullptr) return failed(ESRCH);
    args.remove_prefix(1);
    const auto number = take_hex(args);
    if (!number || !args.empty()) return failed(EINVAL);
    const auto bytes = registers_.read(*context, *number);
    return bytes ? to_hex(*bytes) : failed(EINVAL);
}

GdbSession::Answer GdbSession::write_register_packet(std::string_view args) {
    abi::Context* context = chosen_registers();
    if (context == nullptr) return failed(ESRCH);
    args.remove_prefix(1);
    const auto number = take_hex(args);
    if (!number || !take(args, "=")) return failed(EINVAL);
    const auto bytes = from_hex(args);
    return bytes && registers_.write(*context, *number, *bytes) ? "OK" : failed(EINVAL);
}

// ---- Memory ----

GdbSession::Answer GdbSession::read_memory_packet(std::string_view args) {
    args.remove_prefix(1);
    const auto address = take_hex(args);
    if (!address || !take(args, ",")) return failed(EINVAL);
    const auto wanted = take_hex(args);
    if (!wanted || !args.empty()) return failed(EINVAL);
    std::vector<u8> bytes(std::min<u64>(*wanted, gdb_packet_bytes / 2));
    bytes.resize(debuggee_.read_memory(GuestAddr(*address), bytes));
    if (bytes.empty() && *wanted != 0) return failed(EFAULT);
    return to_hex(bytes);
}

bool GdbSession::put_memory(std::string_view args, bool binary) {
    args.remove_prefix(1);
    const auto address = take_hex(args);
    if (!address || !take(args, ",")) return false;
    const auto size = take_hex(args);
    if (!size || !take(args, ":")) return false;
    const auto bytes = binary ? std::optional(std::string(args)) : from_hex(args);
    if (!bytes || bytes->size() != *size) return false;
    return debuggee_.write_memory(GuestAddr(*address),
                                  {reinterpret_cast<const u8*>(bytes->data()), bytes->size()});
}

GdbSession::Answer GdbSession::write_memory_packet(std::string_view args) {
    return put_memory(args, false) ? "OK" : failed(EFAULT);
}

GdbSession::Answer GdbSession::write_binary_packet(std::string_view args) {
    return put_memory(args, true) ? "OK" : failed(EFAULT);
}

// ---- Breakpoints and watchpoints: the two kinds of breakpoint differ in name only ----

bool GdbSession::change_point(std::string_view args, bool insert) {
    args.remove_prefix(1);
    const auto type = take_hex(args);
    if (!type || !take(args, ",")) return false;
    const auto address = take_hex(args);
    if (!address || !take(args, ",")) return false;
    const auto bytes = take_hex(args);
    if (!bytes) return false;
    // A fork's child has a copy of them only in GDB's mind.
    if (is_elsewhere(chosen_thread_)) return true;
    const GdbPoint point{static_cast<u8>(*type), GuestAddr(*address), *bytes};
    if (insert)
        points_.insert(point);
    else
        points_.erase(point);
    apply_points();
    return true;
}

void GdbSession::apply_points() {
    std::vector<GuestAddr> breakpoints;
    std::vector<abi::WatchedRange> watched;
    for (const GdbPoint& each : points_) {
        if (each.type <= hardware_break)
            breakpoints.push_back(each.address);
        else
            watched.push_back({each.address, each.bytes, watched_kinds(each.type)});
    }
    std::ranges::sort(breakpoints);
    const auto twice = std::ranges::unique(breakpoints);
    breakpoints.erase(twice.begin(), twice.end());
    debuggee_.set_breakpoints(std::move(breakpoints));
    debuggee_.set_watchpoints(std::move(watched));
}

GdbSession::Answer GdbSession::insert_point_packet(std::string_view args) {
    if (args.size() > 1 && (args[1] < '0' + software_break || args[1] > '0' + access_watch)) return "";
    return change_point(args, true) ? "OK" : failed(EINVAL);
}

GdbSession::Answer GdbSession::remove_point_packet(std::string_view args) {
    if (args.size() > 1 && (args[1] < '0' + software_break || args[1] > '0' + access_watch)) return "";
    return change_point(args, false) ? "OK" : failed(EINVAL);
}

}  // namespace kiln::debug

// Queries and settings: features, objects, thread names, signals, system calls, monitor.
#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "debug/gdb_framing.h"
#include "debug/gdb_session.h"
#include "debug/gdb_signals.h"

namespace kiln::debug {

// ---- Features ----

GdbSession::Answer GdbSession::supported_packet(std::string_view args) {
    run::ProcessEvents events;
    take(args, ":");
    while (!args.empty()) {
        const std::string_view feature = take_until(args, ';');
        if (feature == "multiprocess+") notes_.multiprocess = true;
        if (feature == "swbreak+" || feature == "hwbreak+") notes_.break_reasons = true;
        if (feature == "no-resumed+") notes_.no_resumed = true;
        if (feature == "fork-events+") events.forks = true;
        if (feature == "vfork-events+") events.vforks = true;
        if (feature == "exec-events+") events.programs = true;
    }
    // Such things can only be told of where a process has a name.
    notes_.fork_events = events.forks && notes_.multiprocess;
    notes_.vfork_events = events.vforks && notes_.multiprocess;
    notes_.exec_events = events.programs && notes_.multiprocess;
    debuggee_.report_processes(notes_.events());
    std::string answer = "PacketSize=" + to_hex(gdb_packet_bytes);
    answer +=
        ";QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:siginfo:read+"
        ";qXfer:threads:read+;QPassSignals+;QCatchSyscalls+;vContSupported+;swbreak+;hwbreak+;no-resumed+";
    if (notes_.multiprocess) answer += ";multiprocess+";
    if (notes_.fork_events) answer += ";fork-events+";
    if (notes_.vfork_events) answer += ";vfork-events+";
    if (notes_.exec_events) answer += ";exec-events+";
    return answer;
}

GdbSession::Answer GdbSession::unsupported_packet(std::string_view) { return ""; }

GdbSession::Answer GdbSession::stop_acks_packet(std::string_view) {
    notes_.acks = false;
    return "OK";
}

GdbSession::Answer GdbSession::attached_packet(std::string_view) {
    // The process was started to be debugged: GDB ends it when the user quits.
    return "0";
}

// ---- Objects ----

std::vector<std::pair<i64, run::ThreadNumber>> GdbSession::known_threads() const {
    std::vector<std::pair<i64, run::ThreadNumber>> known;
    for (run::ThreadNumber thread : debuggee_.threads()) known.emplace_back(debuggee_.process(), thread);
    if (notes_.held_process != 0) known.emplace_back(notes_.held_process, notes_.held_thread);
    return known;
}

std::string GdbSession::threads_object() const {
    std::string text = "<?xml version=\"1.0\"?>\n<threads>\n";
    for (const auto& [process, thread] : known_threads()) {
        text += "<thread id=\"" + thread_text(process, thread) + "\" name=\"";
        for (char c : debuggee_.thread_name(thread)) {
            switch (c) {
                case '<': text += "&lt;"; break;
                case '>': text += "&gt;"; break;
                case '&': text += "&amp;"; break;
                case '"': text += "&quot;"; break;
                default: text += c >= ' ' && c < 127 ? c : '?';
            }
        }
        text += "\"/>\n";
    }
    return text + "</threads>\n";
}

std::optional<std::string> GdbSession::object(std::string_view name, std::string_view annex) {
    const auto text = [](std::span<const u8> bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    if (name == "features")
        return annex == "target.xml" ? std::optional(registers_.description()) : std::nullopt;
    if (name == "auxv") return text(debuggee_.auxiliary_vector());
    if (name == "exec-file") return debuggee_.executable();
    if (name == "threads") return threads_object();
    if (name == "siginfo") {
        const std::span<const u8> info = debuggee_.signal_info(chosen_thread_);
        return info.empty() ? std::nullopt : std::optional(text(info));
    }
    return std::nullopt;
}

// qXfer:object:read:annex:offset,length
GdbSession::Answer GdbSession::transfer_packet(std::string_view args) {
    take(args, ":");
    const std::string_view name = take_until(args, ':');
    if (take_until(args, ':') != "read") return "";
    const std::string_view annex = take_until(args, ':');
    const auto offset = take_hex(args);
    if (!offset || !take(args, ",")) return "E16";
    const auto length = take_hex(args);
    if (!length || !args.empty()) return "E16";
    const auto whole = object(name, annex);
    if (!whole) return "E00";
    if (*offset >= whole->size()) return "l";
    const std::string piece = whole->substr(*offset, std::min<u64>(*length, gdb_packet_bytes / 2));
    return (*offset + piece.size() < whole->size() ? "m" : "l") + piece;
}

// ---- Threads ----

GdbSession::Answer GdbSession::list_threads_packet(std::string_view) {
    std::string text = "m";
    for (const auto& [process, thread] : known_threads())
        text += (text.size() > 1 ? "," : "") + thread_text(process, thread);
    return text.size() > 1 ? text : "l";
}

GdbSession::Answer GdbSession::end_of_list_packet(std::string_view) { return "l"; }

GdbSession::Answer GdbSession::thread_extra_packet(std::string_view args) {
    take(args, ",");
    const auto name = take_thread(args);
    if (!name) return "E16";
    return to_hex(std::string_view(debuggee_.thread_name(name->thread)));
}

GdbSession::Answer GdbSession::current_thread_packet(std::string_view) {
    return "QC" + thread_text(chosen_thread_);
}

// ---- What GDB wants to be asked about ----

GdbSession::Answer GdbSession::pass_signals_packet(std::string_view args) {
    take(args, ":");
    notes_.passed_signals = 0;
    while (!args.empty()) {
        std::string_view number = take_until(args, ';');
        const int signal = linux_signal(take_hex(number).value_or(0));
        if (signal != 0) notes_.passed_signals |= u64{1} << (signal - 1);
    }
    debuggee_.pass_signals(notes_.passed_signals);
    return "OK";
}

// QCatchSyscalls:1 all of them; QCatchSyscalls:1;n;n...; QCatchSyscalls:0 none
GdbSession::Answer GdbSession::catch_calls_packet(std::string_view args) {
    take(args, ":");
    notes_.catches_calls = take(args, "1");
    notes_.caught_calls.clear();
    while (take(args, ";")) {
        const auto number = take_hex(args);
        if (!number) return "E16";
        notes_.caught_calls.push_back(*number);
    }
    debuggee_.catch_calls(notes_.catches_calls ? std::optional(notes_.caught_calls) : std::nullopt);
    return "OK";
}

// ---- monitor ----

std::string GdbSession::engine_answer(std::string_view name) {
    const auto engines = option_values(OptionId::engine);
    if (!name.empty()) {
        const auto named = std::ranges::find(engines, name, &NamedValue::name);
        if (named == engines.end())
            return "no engine '" + std::string(name) + "'; monitor engine lists them\n";
        debuggee_.switch_engine(EngineKind(named - engines.begin()));
    }
    std::string text;
    for (const NamedValue& engine : engines) {
        const bool is_in_use = EngineKind(&engine - engines.data()) == debuggee_.engine();
        text += std::string(is_in_use ? "* " : "  ") + std::string(engine.name) + "   " +
                std::string(engine.sentence) + "\n";
    }
    return text;
}

std::string GdbSession::monitor_answer(std::string_view command) {
    if (command == "help" || command.empty())
        return "monitor help          this text\n"
               "monitor maps          the guest's memory, as /proc/self/maps shows it to the guest\n"
               "monitor engine [NAME] what runs guest code; from now on NAME\n";
    if (command == "engine" || take(command, "engine "))
        return engine_answer(command == "engine" ? std::string_view() : command);
    if (command == "maps") {
        const int fd = debuggee_.open_file("/proc/self/maps", 0, 0);
        if (fd < 0) return "cannot be read\n";
        std::string text;
        char piece[4096];
        for (ssize_t bytes; (bytes = ::read(fd, piece, sizeof piece)) > 0;)
            text.append(piece, static_cast<std::size_t>(bytes));
        ::close(fd);
        return text.substr(0, gdb_packet_bytes / 2 - 1);
    }
    return "no command '" + std::string(command) + "'; monitor help lists them\n";
}

GdbSession::Answer GdbSession::monitor_packet(std::string_view args) {
    take(args, ",");
    const auto command = from_hex(args);
    if (!command) return "E16";
    return to_hex(std::string_view(monitor_answer(*command)));
}

}  // namespace kiln::debug

// The lines of -strace: calls, their results, and signals.
#include "linux/strace.h"

#include <fcntl.h>

#include <cstring>

#include "linux/guest_memory.h"
#include "linux/strace_show.h"

namespace kiln::user {
namespace {

/// Results at this column, as strace(1) has them.
constexpr std::size_t result_column = 40;

std::string decimal(i64 value) { return std::string(Decimal(value)); }

/// Where the line has an argument that is shown after the call.
constexpr char placeholder = '\1';

unsigned argument_count(const Call& call) {
    unsigned count = 0;
    while (count < 6 && argument_kind(call, count).kind != ArgKind::none_) ++count;
    return count;
}

}  // namespace

std::string signal_code_name(int signal, int code) {
    switch (code) {
        case SI_USER: return "SI_USER";
        case SI_KERNEL: return "SI_KERNEL";
        case SI_QUEUE: return "SI_QUEUE";
        case SI_TIMER: return "SI_TIMER";
        case SI_MESGQ: return "SI_MESGQ";
        case SI_ASYNCIO: return "SI_ASYNCIO";
        case SI_TKILL: return "SI_TKILL";
        default: break;
    }
    switch (signal) {
        case SIGSEGV: return code == SEGV_MAPERR ? "SEGV_MAPERR" : "SEGV_ACCERR";
        case SIGBUS: return code == BUS_ADRALN ? "BUS_ADRALN" : "BUS_ADRERR";
        case SIGILL: return "ILL_ILLOPC";
        case SIGTRAP: return "TRAP_BRKPT";
        case SIGCHLD: return show_choice(ArgKind::child_code_, static_cast<u32>(code));
        default: return decimal(code);
    }
}

std::string show_signal_info(const siginfo_t& info) {
    if (info.si_signo == 0) return "{}";
    std::string text = "{si_signo=" + signal_name(info.si_signo) +
                       ", si_code=" + signal_code_name(info.si_signo, info.si_code);
    switch (info.si_signo) {
        case SIGSEGV:
        case SIGBUS:
        case SIGILL:
        case SIGFPE:
        case SIGTRAP:
            if (info.si_code <= 0) break;
            return text + ", si_addr=" + show_pointer(reinterpret_cast<u64>(info.si_addr)) + "}";
        case SIGCHLD:
            if (info.si_code <= 0) break;
            return text + ", si_pid=" + decimal(info.si_pid) + ", si_uid=" + decimal(info.si_uid) +
                   ", si_status=" +
                   (info.si_code == CLD_EXITED ? decimal(info.si_status) : signal_name(info.si_status)) + "}";
        default: break;
    }
    if (info.si_code == SI_TIMER)
        text += ", si_timerid=" + decimal(info.si_timerid) + ", si_overrun=" + decimal(info.si_overrun);
    else if (info.si_code <= 0)
        text += ", si_pid=" + decimal(info.si_pid) + ", si_uid=" + decimal(info.si_uid);
    if (info.si_code == SI_QUEUE || info.si_code == SI_TIMER)
        text += ", si_value=" + show_pointer(reinterpret_cast<u64>(info.si_value.sival_ptr));
    return text + "}";
}

std::string signal_name(int signal) {
    if (const char* name = signal > 0 && signal <= 31 ? ::sigabbrev_np(signal) : nullptr; name != nullptr)
        return std::string("SIG") + name;
    constexpr int first_realtime = 32;
    if (signal >= first_realtime && signal <= signal_count)
        return "SIGRT_" + std::to_string(signal - first_realtime);
    return std::to_string(signal);
}

std::string errno_name(int code) {
    const char* name = ::strerrorname_np(code);
    return name != nullptr ? name : std::to_string(code);
}

std::string format_argument(const Thread& thread, const Call& call, unsigned index, i64 result) {
    const auto [kind, when] = argument_kind(call, index);
    Shown shown{thread, call, index, kind, call[index]};
    if (index < 5) {
        shown.next = call[index + 1];
        shown.next_is_pointer = argument_kind(call, index + 1).kind == ArgKind::intp_;
    }
    shown.when = when;
    shown.result = result;
    return show(shown);
}

std::string format_result(const CallRow& row, i64 result) {
    switch (result) {
        case restart_always: return "? ERESTARTNOINTR (To be restarted)";
        case restart_without_handler: return "? ERESTARTNOHAND (To be restarted if no handler)";
        case registers_set: return "?";
        default: break;
    }
    if (result < 0 && result > -4096) {
        int code = static_cast<int>(-result);
        const char* text = ::strerrordesc_np(code);
        return "-1 " + errno_name(code) + " (" + (text != nullptr ? text : "Unknown error") + ")";
    }
    const bool address =
        row.name == "mmap" || row.name == "brk" || row.name == "mremap" || row.name == "shmat";
    return address ? show_hex(static_cast<u64>(result)) : decimal(result);
}

std::string format_call(const Thread& thread, const Call& call, const std::string& before, i64 result) {
    std::string line = before;
    for (unsigned i = 0, count = argument_count(call); i < count; ++i) {
        if (argument_kind(call, i).when == When::before) continue;
        if (std::size_t at = line.find(placeholder); at != line.npos)
            line.replace(at, 1, format_argument(thread, call, i, result));
    }
    if (line.size() < result_column) line.append(result_column - line.size(), ' ');
    line += " = " + format_result(call.row, result);
    if (call.row.args[1] == ArgKind::fcntl_cmd_ && call.word(1) == F_GETFL && result >= 0)
        line += " (flags " + show_flags(ArgKind::open_flags_, static_cast<u64>(result)) + ")";
    return line;
}

std::string format_before(const Thread& thread, const Call& call) {
    std::string line =
        call.row.name.empty() ? "syscall_" + std::to_string(call.number) : std::string(call.row.name);
    line += '(';
    for (unsigned i = 0, count = argument_count(call); i < count; ++i) {
        if (i != 0) line += ", ";
        if (argument_kind(call, i).when == When::after)
            line += placeholder;
        else
            line += format_argument(thread, call, i, 0);
    }
    return line + ")";
}

void trace_call(const Thread& thread, std::string_view line) {
    if (thread.process.threads.load(std::memory_order_relaxed) > 1 || thread.shares_parent_memory)
        log_line({"[pid ", Decimal(thread.tid), "] ", line});
    else
        log_line({line});
}

void trace_signal(const Thread& thread, int signal, const siginfo_t& info) {
    trace_call(thread, "--- " + signal_name(signal) + " " + show_signal_info(info) + " ---");
}

}  // namespace kiln::user

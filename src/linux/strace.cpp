// The lines of -strace. What a kind of argument looks like is a function here; which function, args.def says.
#include "linux/strace.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "linux/guest_memory.h"
#include "linux/guest_stat.h"
#include "linux/ioctl_names.h"

namespace kiln::user {
namespace {

/// strace(1) shows this many bytes of a string or buffer.
constexpr u64 shown_bytes = 32;
/// Results at this column, as strace(1) has them.
constexpr std::size_t result_column = 40;

struct Argument {
    const Thread& thread;
    const Call& call;
    unsigned index;
    i64 result;  ///< of the call; 0 while it is not made

    u64 value() const { return call[index]; }
    u64 next() const { return index < 5 ? call[index + 1] : 0; }
};

std::string hex(u64 value) { return std::string(Hex(value)); }
std::string decimal(i64 value) { return std::string(Decimal(value)); }

// ---- Names ----

struct NameRow {
    ArgKind kind;
    u64 field;  ///< the bits that are compared; 0: the whole value
    u64 value;
    std::string_view name;
};
constexpr NameRow name_rows[] = {
#define FLAG(kind, flag) {ArgKind::kind##_, static_cast<u64>(flag), static_cast<u64>(flag), #flag},
#define CHOICE_OF(kind, field, flag) \
    {ArgKind::kind##_, static_cast<u64>(field), static_cast<u64>(flag), #flag},
#define CHOICE(kind, flag) {ArgKind::kind##_, 0, static_cast<u64>(flag), #flag},
#include "linux/flags.def"
#undef FLAG
#undef CHOICE_OF
#undef CHOICE
};

std::string show_choice_of(ArgKind kind, u64 value) {
    for (const NameRow& row : name_rows)
        if (row.kind == kind && row.value == value) return std::string(row.name);
    return hex(value);
}

std::string choice(const Argument& argument) {
    ArgKind kind = argument.call.row.args[argument.index];
    if (kind == ArgKind::ioctl_cmd_)
        if (std::string_view name = ioctl_name(static_cast<u32>(argument.value())); !name.empty())
            return std::string(name);
    return show_choice_of(kind, argument.value() & 0xffffffff);
}

std::string flags(const Argument& argument) {
    ArgKind kind = argument.call.row.args[argument.index];
    u64 rest = argument.value() & 0xffffffff;
    if (kind == ArgKind::open_flags_)
        rest = static_cast<u32>(argument.thread.process.arch.open_flags_to_host(static_cast<int>(rest)));
    std::string text;
    auto add = [&](std::string_view name) {
        if (!text.empty()) text += '|';
        text += name;
    };
    // A choice of value 0 is only worth its name when nothing else is set.
    std::string_view zero;
    for (const NameRow& row : name_rows) {
        if (row.kind != kind) continue;
        if (row.value == 0) {
            bool alone = kind == ArgKind::open_flags_ ? (rest & row.field) == 0 : rest == 0;
            if (alone && text.empty()) zero = row.name;
        } else if ((rest & row.field) == row.value) {
            add(row.name);
            rest &= ~row.field;
        }
    }
    if (!zero.empty()) text = text.empty() ? std::string(zero) : std::string(zero) + "|" + text;
    if (rest != 0 || text.empty()) add(rest == 0 ? std::string("0") : hex(rest));
    return text;
}

std::string futex_operation(const Argument& argument) {
    u64 value = argument.value();
    std::string text = show_choice_of(ArgKind::futex_op_, value & FUTEX_CMD_MASK);
    if (value & FUTEX_PRIVATE_FLAG) text += "_PRIVATE";
    if (value & FUTEX_CLOCK_REALTIME) text += "|FUTEX_CLOCK_REALTIME";
    return text;
}

// ---- Numbers ----

std::string nothing(const Argument&) { return {}; }
std::string signed_word(const Argument& argument) { return decimal(static_cast<i32>(argument.value())); }
std::string unsigned_word(const Argument& argument) { return decimal(static_cast<u32>(argument.value())); }
std::string signed_long(const Argument& argument) { return decimal(static_cast<i64>(argument.value())); }
std::string unsigned_long(const Argument& argument) { return std::to_string(argument.value()); }
std::string hexadecimal(const Argument& argument) {
    return argument.value() == 0 ? "0" : hex(argument.value());
}
std::string pointer(const Argument& argument) {
    return argument.value() == 0 ? "NULL" : hex(argument.value());
}
std::string signal(const Argument& argument) { return signal_name(static_cast<int>(argument.value())); }
std::string octal(const Argument& argument) {
    char text[16];
    std::snprintf(text, sizeof text, "%#03o", static_cast<unsigned>(argument.value()));
    return text;
}
std::string directory(const Argument& argument) {
    int fd = static_cast<int>(argument.value());
    return fd == AT_FDCWD ? "AT_FDCWD" : decimal(fd);
}

// ---- What pointers point to ----

std::string quoted(std::string_view bytes, bool more) {
    std::string text = "\"";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        char c = bytes[i];
        constexpr std::string_view special = "\"\\\n\t\r\v\f", letters = "\"\\ntrvf";
        if (std::size_t at = special.find(c); at != special.npos) {
            text += '\\';
            text += letters[at];
        } else if (c >= ' ' && c < 127) {
            text += c;
        } else {
            // As short as the next character allows.
            bool digit_follows = i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
            char escape[8];
            std::snprintf(escape, sizeof escape, digit_follows ? "\\%03o" : "\\%o", static_cast<u8>(c));
            text += escape;
        }
    }
    text += '"';
    if (more) text += "...";
    return text;
}

std::string bytes_at(const Argument& argument, u64 length) {
    char bytes[shown_bytes];
    u64 shown = std::min(length, shown_bytes);
    if (argument.value() == 0 ||
        !argument.thread.process.memory.read(GuestAddr(argument.value()), bytes, shown))
        return pointer(argument);
    return quoted({bytes, shown}, length > shown);
}

std::string buffer(const Argument& argument) { return bytes_at(argument, argument.next()); }
std::string result_buffer(const Argument& argument) {
    if (argument.result < 0) return pointer(argument);
    return bytes_at(argument, std::min(static_cast<u64>(argument.result), argument.next()));
}

std::string string_at(const Argument& argument, u64 address, u64 most) {
    std::optional<std::string> text =
        argument.thread.process.memory.read_string(GuestAddr(address), most + 1);
    if (address == 0 || !text) return address == 0 ? "NULL" : hex(address);
    bool more = text->size() > most;
    return quoted(std::string_view(*text).substr(0, most), more);
}

std::string string(const Argument& argument) {
    bool path = arg_pass(argument.call.row.args[argument.index]) != ArgPass::pointer ||
                argument.call.row.args[argument.index] == ArgKind::name_;
    return string_at(argument, argument.value(), path ? 4096 : shown_bytes);
}

std::string strings(const Argument& argument) {
    if (argument.value() == 0) return "NULL";
    // The second list of execve(2) is the environment: strace(1) only counts it.
    bool environment = argument.index > 0 && argument.call.row.args[argument.index - 1] == ArgKind::argv_;
    std::string text = "[";
    u64 count = 0;
    for (;; ++count) {
        u64 item;
        if (!load(argument.thread, argument.value() + count * sizeof item, item)) return pointer(argument);
        if (item == 0) break;
        if (environment) continue;
        if (count != 0) text += ", ";
        if (count == shown_bytes) {
            text += "...";
            break;
        }
        text += string_at(argument, item, shown_bytes);
    }
    if (environment) return hex(argument.value()) + " /* " + std::to_string(count) + " vars */";
    return text + "]";
}

template <class T>
std::optional<T> value_at(const Argument& argument) {
    T value;
    if (argument.value() == 0 || argument.result < 0 || !load(argument.thread, argument.value(), value))
        return std::nullopt;
    return value;
}

std::string signal_set(const Argument& argument) {
    auto set = value_at<SignalMask>(argument);
    if (!set) return pointer(argument);
    // The shorter of the set and its complement.
    bool inverted = __builtin_popcountll(set->bits) > 32;
    if (inverted) *set = ~*set;
    std::string text = inverted ? "~[" : "[";
    for (int number = 1; number <= signal_count; ++number) {
        if (!set->has(number)) continue;
        if (text.back() != '[') text += ' ';
        std::string name = signal_name(number);
        text += name.starts_with("SIG") ? name.substr(3) : name;
    }
    return text + "]";
}

std::string time_pair(const Argument& argument) {
    auto time = value_at<std::array<i64, 2>>(argument);
    if (!time) return pointer(argument);
    return "{tv_sec=" + decimal((*time)[0]) + ", tv_nsec=" + decimal((*time)[1]) + "}";
}

std::string int_pair(const Argument& argument) {
    auto pair = value_at<std::array<i32, 2>>(argument);
    if (!pair) return pointer(argument);
    return "[" + decimal((*pair)[0]) + ", " + decimal((*pair)[1]) + "]";
}

std::string limit(u64 value) {
    if (value == RLIM_INFINITY) return "RLIM_INFINITY";
    return value % 1024 == 0 && value != 0 ? std::to_string(value / 1024) + "*1024" : std::to_string(value);
}
std::string limit_pair(const Argument& argument) {
    auto limits = value_at<std::array<u64, 2>>(argument);
    if (!limits) return pointer(argument);
    return "{rlim_cur=" + limit((*limits)[0]) + ", rlim_max=" + limit((*limits)[1]) + "}";
}

std::string stat(const Argument& argument) {
    auto facts = value_at<GuestStat>(argument);
    if (!facts) return pointer(argument);
    std::string_view type;
    switch (facts->mode & S_IFMT) {
        case S_IFREG: type = "S_IFREG"; break;
        case S_IFDIR: type = "S_IFDIR"; break;
        case S_IFCHR: type = "S_IFCHR"; break;
        case S_IFBLK: type = "S_IFBLK"; break;
        case S_IFIFO: type = "S_IFIFO"; break;
        case S_IFLNK: type = "S_IFLNK"; break;
        case S_IFSOCK: type = "S_IFSOCK"; break;
        default: type = "0"; break;
    }
    char permissions[16];
    std::snprintf(permissions, sizeof permissions, "%#03o", facts->mode & 07777);
    return "{st_mode=" + std::string(type) + "|" + permissions + ", st_size=" + decimal(facts->size) +
           ", ...}";
}

std::string socket_address(const Argument& argument) {
    sockaddr_storage address{};
    u64 bytes = std::min<u64>(argument.next() & 0xffffffff, sizeof address);
    if (argument.value() == 0 || bytes < sizeof(sa_family_t) ||
        !argument.thread.process.memory.read(GuestAddr(argument.value()), &address, bytes))
        return pointer(argument);
    std::string text = "{sa_family=" + show_choice_of(ArgKind::domain_, address.ss_family);
    if (address.ss_family == AF_UNIX) {
        std::string_view path(reinterpret_cast<sockaddr_un&>(address).sun_path, bytes - sizeof(sa_family_t));
        bool abstract = path.starts_with('\0');
        if (!abstract) path = path.substr(0, path.find('\0'));
        text += ", sun_path=" + std::string(abstract ? "@" : "") + quoted(path.substr(abstract), false);
    } else if (address.ss_family == AF_INET) {
        auto& in = reinterpret_cast<sockaddr_in&>(address);
        u8 octets[4];
        std::memcpy(octets, &in.sin_addr, sizeof octets);
        text += ", sin_port=htons(" + decimal(ntohs(in.sin_port)) + "), sin_addr=inet_addr(\"" +
                decimal(octets[0]) + "." + decimal(octets[1]) + "." + decimal(octets[2]) + "." +
                decimal(octets[3]) + "\")";
    }
    return text + "}";
}

// ---- Lines ----

enum class When : u8 { before, after };
struct KindRow {
    std::string (*show)(const Argument& argument);
    When when;
};
constexpr KindRow kind_rows[] = {
#define ARG(kind, pass, show, when, meaning) {show, When::when},
#include "linux/args.def"
#undef ARG
};
const KindRow& kind_row(const CallRow& row, unsigned index) {
    return kind_rows[static_cast<u8>(row.args[index])];
}

unsigned argument_count(const CallRow& row) {
    unsigned count = 0;
    while (count < 6 && row.args[count] != ArgKind::none_) ++count;
    return count;
}

std::string signal_code(const siginfo_t& info) {
    switch (info.si_code) {
        case SI_USER: return "SI_USER";
        case SI_KERNEL: return "SI_KERNEL";
        case SI_QUEUE: return "SI_QUEUE";
        case SI_TIMER: return "SI_TIMER";
        case SI_TKILL: return "SI_TKILL";
        default: break;
    }
    switch (info.si_signo) {
        case SIGSEGV: return info.si_code == SEGV_MAPERR ? "SEGV_MAPERR" : "SEGV_ACCERR";
        case SIGBUS: return info.si_code == BUS_ADRALN ? "BUS_ADRALN" : "BUS_ADRERR";
        case SIGILL: return "ILL_ILLOPC";
        case SIGTRAP: return "TRAP_BRKPT";
        case SIGCHLD: return info.si_code == CLD_EXITED ? "CLD_EXITED" : "CLD_KILLED";
        default: return decimal(info.si_code);
    }
}

}  // namespace

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
    return kind_row(call.row, index).show({thread, call, index, result});
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
    bool address = row.name == "mmap" || row.name == "brk" || row.name == "mremap";
    return address ? hex(static_cast<u64>(result)) : decimal(result);
}

std::string format_call(const Thread& thread, const Call& call, const std::string& before, i64 result) {
    std::string line = before;
    for (unsigned i = 0, count = argument_count(call.row); i < count; ++i) {
        if (kind_row(call.row, i).when == When::after) {
            // The placeholder that format_before() left.
            if (std::size_t at = line.find('\1'); at != line.npos)
                line.replace(at, 1, format_argument(thread, call, i, result));
        }
    }
    if (line.size() < result_column) line.append(result_column - 1 - line.size() + 1, ' ');
    return line + " = " + format_result(call.row, result);
}

std::string format_before(const Thread& thread, const Call& call) {
    std::string line =
        call.row.name.empty() ? "syscall_" + std::to_string(call.number) : std::string(call.row.name);
    line += '(';
    for (unsigned i = 0, count = argument_count(call.row); i < count; ++i) {
        if (i != 0) line += ", ";
        if (kind_row(call.row, i).when == When::after)
            line += '\1';
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
    std::string line = "--- " + signal_name(signal) + " {si_signo=" + signal_name(info.si_signo) +
                       ", si_code=" + signal_code(info);
    bool fault =
        info.si_code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGTRAP);
    if (fault)
        line += ", si_addr=" + hex(reinterpret_cast<u64>(info.si_addr));
    else if (info.si_code <= 0)
        line += ", si_pid=" + decimal(info.si_pid) + ", si_uid=" + decimal(info.si_uid);
    trace_call(thread, line + "} ---");
}

}  // namespace kiln::user

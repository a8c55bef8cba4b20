// A value by its kind: the function that args.def names in its column `show` is here.
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include "linux/guest_stat.h"
#include "linux/requests.h"
#include "linux/strace.h"
#include "linux/strace_show.h"

namespace kiln::user {
namespace {

std::string decimal(i64 value) { return std::string(Decimal(value)); }
std::string octal(u64 value) {
    char text[16];
    std::snprintf(text, sizeof text, "%#03o", static_cast<unsigned>(value));
    return text;
}

template <class T>
std::optional<T> value_at(const Shown& shown) {
    T value;
    if (shown.value == 0 || !load(shown.thread, shown.value, value)) return std::nullopt;
    return value;
}

// ---- Text and bytes ----

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

std::string bytes_at(const Shown& shown, u64 length) {
    char bytes[shown_bytes];
    const u64 visible = std::min(length, shown_bytes);
    if (shown.value == 0 || !shown.thread.process.memory.read(GuestAddr(shown.value), bytes, visible))
        return show_pointer(shown.value);
    return quoted({bytes, visible}, length > visible);
}

std::string buffer(const Shown& shown) {
    const u64 length = shown.length();
    return bytes_at(shown,
                    shown.when == When::after ? std::min(static_cast<u64>(shown.result), length) : length);
}

std::string string_at(const Shown& shown, u64 address, u64 most) {
    if (address == 0) return "NULL";
    std::optional<std::string> text = shown.thread.process.memory.read_string(GuestAddr(address), most + 1);
    if (!text) return show_hex(address);
    const bool more = text->size() > most;
    return quoted(std::string_view(*text).substr(0, most), more);
}

std::string string(const Shown& shown) {
    const bool path = arg_pass(shown.kind) != ArgPass::pointer || shown.kind == ArgKind::name_;
    constexpr u64 longest_path = 4096, longest_member = 64;
    return string_at(shown, shown.value,
                     path                           ? longest_path
                     : shown.kind == ArgKind::cstr_ ? longest_member
                                                    : shown_bytes);
}

std::string strings(const Shown& shown) {
    if (shown.value == 0) return "NULL";
    std::string text = "[";
    for (u64 i = 0;; ++i) {
        u64 item;
        if (!load(shown.thread, shown.value + i * sizeof item, item)) return show_pointer(shown.value);
        if (item == 0) return text + "]";
        if (i != 0) text += ", ";
        if (i == shown_bytes) return text + "...]";
        text += string_at(shown, item, shown_bytes);
    }
}

std::string string_count(const Shown& shown) {
    if (shown.value == 0) return "NULL";
    for (u64 count = 0;; ++count) {
        u64 item;
        if (!load(shown.thread, shown.value + count * sizeof item, item)) return show_pointer(shown.value);
        if (item == 0) return show_hex(shown.value) + " /* " + std::to_string(count) + " vars */";
    }
}

std::string message_buffer(const Shown& shown) {
    auto type = value_at<i64>(shown);
    if (!type) return show_pointer(shown.value);
    return "{mtype=" + decimal(*type) +
           ", mtext=" + buffer(shown.with(ArgKind::buf_, shown.value + sizeof *type)) + "}";
}

// ---- Signals ----

std::string signal_set_text(SignalMask set) {
    // The shorter of the set and its complement.
    const bool inverted = __builtin_popcountll(set.bits) > 32;
    if (inverted) set = ~set;
    std::string text = inverted ? "~[" : "[";
    for (int number = 1; number <= signal_count; ++number) {
        if (!set.has(number)) continue;
        if (text.back() != '[') text += ' ';
        std::string name = signal_name(number);
        text += name.starts_with("SIG") ? name.substr(3) : name;
    }
    return text + "]";
}

std::string signal_set(const Shown& shown) {
    auto set = value_at<SignalMask>(shown);
    return set ? signal_set_text(*set) : show_pointer(shown.value);
}

std::string signal_action(const Shown& shown) {
    auto action = value_at<SignalAction>(shown);
    if (!action) return show_pointer(shown.value);
    const std::string handler = action->handler == 0   ? "SIG_DFL"
                                : action->handler == 1 ? "SIG_IGN"
                                                       : show_hex(action->handler);
    return "{sa_handler=" + handler + ", sa_mask=" + signal_set_text(action->mask) +
           ", sa_flags=" + show_flags(ArgKind::sa_flags_, action->flags) + "}";
}

std::string signal_info(const Shown& shown) {
    auto info = value_at<siginfo_t>(shown);
    return info ? show_signal_info(*info) : show_pointer(shown.value);
}

// ---- Sets ----

/// The numbers of the bits that are set in `bytes` bytes at the value.
std::string bit_set(const Shown& shown, u64 bits) {
    if (shown.value == 0) return "NULL";
    constexpr u64 most_bits = 8192;
    std::vector<u8> set(std::min(bits + 7, most_bits) / 8);
    if (!shown.thread.process.memory.read(GuestAddr(shown.value), set.data(), set.size()))
        return show_pointer(shown.value);
    std::string text = "[";
    for (u64 bit = 0; bit < std::min<u64>(bits, set.size() * 8); ++bit) {
        if (!(set[bit / 8] >> bit % 8 & 1)) continue;
        if (text.size() > 1) text += ' ';
        text += std::to_string(bit);
    }
    return text + "]";
}

std::string descriptor_set(const Shown& shown) {
    return bit_set(shown, static_cast<u64>(std::max(shown.call.word(0), 0)));
}

std::string processor_set(const Shown& shown) {
    constexpr u64 most_bytes = 128;
    return bit_set(shown, std::min(shown.call[shown.index - 1], most_bytes) * 8);
}

// ---- Files ----

std::string file_facts(const Shown& shown) {
    auto facts = value_at<GuestStat>(shown);
    if (!facts) return show_pointer(shown.value);
    std::string type = show_choice(ArgKind::file_type_, facts->mode & S_IFMT);
    std::string text = "{st_mode=" + type + "|" + octal(facts->mode & 07777);
    if (S_ISCHR(facts->mode) || S_ISBLK(facts->mode))
        text +=
            ", st_rdev=makedev(" + show_hex(major(facts->rdev)) + ", " + show_hex(minor(facts->rdev)) + ")";
    else
        text += ", st_size=" + decimal(facts->size);
    return text + ", ...}";
}

std::string entries(const Shown& shown) {
    u64 count = 0;
    for (i64 at = 0; at < shown.result; ++count) {
        u16 bytes = 0;
        const u64 entry = shown.value + static_cast<u64>(at);
        if (!load(shown.thread, entry + offsetof(dirent64, d_reclen), bytes) || bytes == 0) break;
        at += bytes;
    }
    return show_pointer(shown.value) + " /* " + std::to_string(count) + " entries */";
}

std::string limit(u64 value) {
    if (value == RLIM_INFINITY) return "RLIM_INFINITY";
    return value % 1024 == 0 && value != 0 ? std::to_string(value / 1024) + "*1024" : std::to_string(value);
}
std::string limit_pair(const Shown& shown) {
    auto limits = value_at<std::array<u64, 2>>(shown);
    if (!limits) return show_pointer(shown.value);
    return "{rlim_cur=" + limit((*limits)[0]) + ", rlim_max=" + limit((*limits)[1]) + "}";
}

std::string wait_status(const Shown& shown) {
    auto status = value_at<int>(shown);
    if (!status) return show_pointer(shown.value);
    if (WIFEXITED(*status))
        return "[{WIFEXITED(s) && WEXITSTATUS(s) == " + decimal(WEXITSTATUS(*status)) + "}]";
    if (WIFSTOPPED(*status))
        return "[{WIFSTOPPED(s) && WSTOPSIG(s) == " + signal_name(WSTOPSIG(*status)) + "}]";
    if (WIFSIGNALED(*status))
        return "[{WIFSIGNALED(s) && WTERMSIG(s) == " + signal_name(WTERMSIG(*status)) + "}]";
    return "[" + show_hex(static_cast<u32>(*status)) + "]";
}

// ---- Sockets ----

std::string socket_address(const Shown& shown) {
    sockaddr_storage address{};
    const u64 bytes = std::min<u64>(shown.length() & 0xffffffff, sizeof address);
    if (shown.value == 0 || bytes < sizeof(sa_family_t) ||
        !shown.thread.process.memory.read(GuestAddr(shown.value), &address, bytes))
        return show_pointer(shown.value);
    std::string text = "{sa_family=" + show_choice(ArgKind::domain_, address.ss_family);
    if (address.ss_family == AF_UNIX) {
        std::string_view path(reinterpret_cast<sockaddr_un&>(address).sun_path, bytes - sizeof(sa_family_t));
        const bool abstract = path.starts_with('\0');
        if (!abstract) path = path.substr(0, path.find('\0'));
        text += ", sun_path=" + std::string(abstract ? "@" : "") + quoted(path.substr(abstract), false);
    } else if (address.ss_family == AF_INET) {
        auto& in = reinterpret_cast<sockaddr_in&>(address);
        u8 octets[4];
        std::memcpy(octets, &in.sin_addr, sizeof octets);
        text += ", sin_port=htons(" + decimal(ntohs(in.sin_port)) + "), sin_addr=inet_addr(\"" +
                decimal(octets[0]) + "." + decimal(octets[1]) + "." + decimal(octets[2]) + "." +
                decimal(octets[3]) + "\")";
    } else if (address.ss_family == AF_INET6) {
        auto& in = reinterpret_cast<sockaddr_in6&>(address);
        char name[INET6_ADDRSTRLEN + 1] = "";
        for (int i = 0; i < 8; ++i)
            std::snprintf(name + std::strlen(name), sizeof name - std::strlen(name), "%s%x",
                          i == 0 ? "" : ":", static_cast<unsigned>(ntohs(in.sin6_addr.s6_addr16[i])));
        text += ", sin6_port=htons(" + decimal(ntohs(in.sin6_port)) + "), sin6_addr=\"" + name + "\"";
    } else if (address.ss_family == AF_NETLINK) {
        auto& netlink = reinterpret_cast<sockaddr_nl&>(address);
        text += ", nl_pid=" + decimal(netlink.nl_pid) + ", nl_groups=" + show_hex(netlink.nl_groups);
    }
    return text + "}";
}

std::string socket_option(const Shown& shown) {
    ArgKind names = ArgKind::hex_;
    switch (shown.call.word(shown.index - 1)) {
        case SOL_SOCKET: names = ArgKind::so_socket_; break;
        case IPPROTO_IP: names = ArgKind::so_ip_; break;
        case IPPROTO_IPV6: names = ArgKind::so_ipv6_; break;
        case IPPROTO_TCP: names = ArgKind::so_tcp_; break;
        case SOL_NETLINK: names = ArgKind::so_netlink_; break;
        default: return decimal(static_cast<i32>(shown.value));
    }
    return show_choice(names, shown.value);
}

std::string socket_value(const Shown& shown) {
    const u64 length = shown.length();
    const bool socket = shown.call.word(shown.index - 2) == SOL_SOCKET;
    const int option = shown.call.word(shown.index - 1);
    ArgKind kind = ArgKind::buf_;
    if (length == sizeof(int))
        kind = ArgKind::intp_;
    else if (socket && option == SO_LINGER && length == sizeof(linger))
        kind = ArgKind::linger_;
    else if (socket && option == SO_PEERCRED && length == sizeof(ucred))
        kind = ArgKind::ucred_;
    else if (socket && (option == SO_RCVTIMEO || option == SO_SNDTIMEO) && length == sizeof(timeval))
        kind = ArgKind::timeval_;
    else if (socket && option == SO_ATTACH_FILTER)
        kind = ArgKind::sock_filter_;
    if (kind == ArgKind::buf_) return bytes_at(shown, length);
    return show(shown.with(kind, shown.value));
}

std::string control_message(const cmsghdr& header, const u8* data, u64 bytes) {
    const bool socket = header.cmsg_level == SOL_SOCKET;
    std::string text = "{cmsg_len=" + std::to_string(header.cmsg_len) + ", cmsg_level=" +
                       show_choice(ArgKind::sock_level_, static_cast<u32>(header.cmsg_level));
    text += ", cmsg_type=" + (socket ? show_choice(ArgKind::control_type_, static_cast<u32>(header.cmsg_type))
                                     : decimal(header.cmsg_type));
    if (socket && header.cmsg_type == SCM_RIGHTS) {
        text += ", cmsg_data=[";
        for (u64 at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
            int fd;
            std::memcpy(&fd, data + at, sizeof fd);
            text += (at == 0 ? "" : ", ") + decimal(fd);
        }
        text += "]";
    } else if (socket && header.cmsg_type == SCM_CREDENTIALS && bytes >= sizeof(ucred)) {
        ucred who;
        std::memcpy(&who, data, sizeof who);
        text += ", cmsg_data={pid=" + decimal(who.pid) + ", uid=" + decimal(who.uid) +
                ", gid=" + decimal(who.gid) + "}";
    } else {
        text += ", cmsg_data=" + quoted({reinterpret_cast<const char*>(data), std::min(bytes, shown_bytes)},
                                        bytes > shown_bytes);
    }
    return text + "}";
}

std::string control_data(const Shown& shown) {
    u8 bytes[1024];
    const u64 length = std::min<u64>(shown.next, sizeof bytes);
    if (shown.value == 0 || !shown.thread.process.memory.read(GuestAddr(shown.value), bytes, length))
        return show_pointer(shown.value);
    std::string text = "[";
    for (u64 at = 0; at + sizeof(cmsghdr) <= length;) {
        cmsghdr header;
        std::memcpy(&header, bytes + at, sizeof header);
        if (header.cmsg_len < sizeof header || header.cmsg_len > length - at) break;
        if (at != 0) text += ", ";
        text += control_message(header, bytes + at + sizeof header, header.cmsg_len - sizeof header);
        at += CMSG_ALIGN(header.cmsg_len);
    }
    return text + "]";
}

// ---- Numbers ----

std::string directory(const Shown& shown) {
    const int fd = static_cast<int>(shown.value);
    return fd == AT_FDCWD ? "AT_FDCWD" : decimal(fd);
}

std::string device(const Shown& shown) {
    return "makedev(" + show_hex(major(shown.value)) + ", " + show_hex(minor(shown.value)) + ")";
}

std::string flags(const Shown& shown) {
    if (arg_pass(shown.kind) != ArgPass::open_flags) return show_flags(shown.kind, shown.value);
    const int host = shown.thread.process.arch.open_flags_to_host(static_cast<int>(shown.value));
    return show_flags(shown.kind, static_cast<u32>(host));
}

std::string futex_operation(const Shown& shown) {
    std::string text = show_choice(ArgKind::futex_op_, shown.value & FUTEX_CMD_MASK);
    if (shown.value & FUTEX_PRIVATE_FLAG) text += "_PRIVATE";
    if (shown.value & FUTEX_CLOCK_REALTIME) text += "|FUTEX_CLOCK_REALTIME";
    return text;
}

std::string futex_argument(const Shown& shown) {
    switch (shown.call[1] & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
        case FUTEX_LOCK_PI:
        case FUTEX_LOCK_PI2:
        case FUTEX_WAIT_REQUEUE_PI: return show(shown.with(ArgKind::timespec_, shown.value));
        case FUTEX_WAKE:
        case FUTEX_WAKE_BITSET: return show_pointer(shown.value);
        default: return std::to_string(shown.value);
    }
}

/// The functions above, and those that are too short to have one.
enum class Show : u8 {
    nothing,
    signed_word,
    unsigned_word,
    signed_long,
    unsigned_long,
    hexadecimal,
    pointer,
    directory,
    string,
    buffer,
    strings,
    string_count,
    signal,
    wait_status,
    octal,
    device,
    by_request,
    futex_argument,
    socket_address,
    socket_option,
    socket_value,
    signal_set,
    descriptor_set,
    processor_set,
    entries,
    control_data,
    items,
    structure,
    file_facts,
    limit_pair,
    signal_action,
    signal_info,
    message_buffer,
    flags,
    choice,
    futex_operation
};

constexpr Show shows[] = {
#define ARG(kind, pass, show, meaning) Show::show,
#include "linux/args.def"
#undef ARG
};

}  // namespace

std::string show_hex(u64 value) { return std::string(Hex(value)); }
std::string show_pointer(u64 value) { return value == 0 ? "NULL" : show_hex(value); }

std::string show(const Shown& shown) {
    // What a call that failed would have filled in.
    if (shown.when == When::after && shown.result < 0) return show_pointer(shown.value);
    switch (shows[static_cast<u8>(shown.kind)]) {
        case Show::nothing: return {};
        case Show::signed_word: return decimal(static_cast<i32>(shown.value));
        case Show::unsigned_word: return decimal(static_cast<u32>(shown.value));
        case Show::signed_long: return decimal(static_cast<i64>(shown.value));
        case Show::unsigned_long: return std::to_string(shown.value);
        case Show::hexadecimal: return shown.value == 0 ? "0" : show_hex(shown.value);
        case Show::by_request:
        case Show::pointer: return show_pointer(shown.value);
        case Show::octal: return octal(shown.value);
        case Show::signal: return shown.value == 0 ? "0" : signal_name(static_cast<int>(shown.value));
        case Show::choice: return show_choice(shown.kind, shown.value);
        case Show::structure: return shown.value == 0 ? "NULL" : show_structure(shown);
        case Show::items: return shown.value == 0 ? "NULL" : show_items(shown);
        case Show::flags: return flags(shown);
        case Show::directory: return directory(shown);
        case Show::device: return device(shown);
        case Show::string: return string(shown);
        case Show::strings: return strings(shown);
        case Show::string_count: return string_count(shown);
        case Show::buffer: return buffer(shown);
        case Show::message_buffer: return message_buffer(shown);
        case Show::signal_set: return signal_set(shown);
        case Show::signal_action: return signal_action(shown);
        case Show::signal_info: return signal_info(shown);
        case Show::descriptor_set: return descriptor_set(shown);
        case Show::processor_set: return processor_set(shown);
        case Show::file_facts: return file_facts(shown);
        case Show::entries: return entries(shown);
        case Show::limit_pair: return limit_pair(shown);
        case Show::wait_status: return wait_status(shown);
        case Show::socket_address: return socket_address(shown);
        case Show::socket_option: return socket_option(shown);
        case Show::socket_value: return socket_value(shown);
        case Show::control_data: return control_data(shown);
        case Show::futex_operation: return futex_operation(shown);
        case Show::futex_argument: return futex_argument(shown);
    }
    __builtin_unreachable();
}

ArgumentKind argument_kind(const Call& call, unsigned index) {
    const ArgKind kind = call.row.args[index];
    if (kind != ArgKind::request_) return {kind, call.row.args.when(index)};
    unsigned first = index;
    while (first > 0 && call.row.args[first - 1] == ArgKind::request_) --first;
    std::optional<ArgList> args;
    switch (call.row.args[first - 1]) {
        case ArgKind::ioctl_cmd_: args = ioctl_args(static_cast<u32>(call[first - 1])); break;
        case ArgKind::fcntl_cmd_: args = fcntl_args(call.word(first - 1)); break;
        case ArgKind::prctl_op_: args = prctl_args(call.word(first - 1)); break;
        case ArgKind::keyctl_op_: args = keyctl_args(call.word(first - 1)); break;
        case ArgKind::sem_cmd_: args = semctl_args(call.word(first - 1)); break;
        default: break;
    }
    if (!args) return {ArgKind::hex_, When::before};
    return {(*args)[index - first], args->when(index - first)};
}

}  // namespace kiln::user

#include "base/log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace kiln {

namespace {

constexpr size_t max_pieces = 15;

/// Guests expect to be given the lowest free descriptors, and shells use some up to 255 for themselves.
constexpr int descriptor_floor = 900;

}  // namespace

std::span<const LogItemInfo> log_items() {
    static constexpr LogItemInfo table[] = {
#define LOG_ITEM(name, sentence) {#name, sentence},
#include "base/log.def"
#undef LOG_ITEM
    };
    return table;
}

std::string with_process_id(std::string_view file) {
    std::string name(file);
    const Decimal pid(getpid());
    const std::string_view id = pid;
    for (size_t at = 0; (at = name.find("%d", at)) != std::string::npos; at += id.size())
        name.replace(at, 2, id);
    return name;
}

Result<void> log_open(LogItems items, std::string_view file) {
    detail::log_items_on = items;
    detail::log_descriptor = 2;
    if (file.empty()) return {};

    const bool append = file.front() == '+';
    const std::string name = with_process_id(file.substr(append ? 1 : 0));
    const int fd =
        open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC), 0666);
    if (fd < 0) return fail("cannot write the log file " + name + ": " + std::strerror(errno), errno);
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, descriptor_floor);
    if (high >= 0) close(fd);
    detail::log_descriptor = high >= 0 ? high : fd;
    return {};
}

void log_line(std::initializer_list<std::string_view> pieces) {
    KILN_CHECK(pieces.size() <= max_pieces);
    iovec parts[max_pieces + 1];
    size_t count = 0;
    for (std::string_view piece : pieces) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    parts[count++] = {const_cast<char*>("\n"), 1};

    const int saved = errno;
    [[maybe_unused]] const ssize_t written = writev(log_fd(), parts, static_cast<int>(count));
    errno = saved;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    }
    return true;
}

Decimal::Decimal(i64 value) : begin_(sizeof text_) {
    u64 rest = value < 0 ? -static_cast<u64>(value) : static_cast<u64>(value);
    do text_[--begin_] = static_cast<char>('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) text_[--begin_] = '-';
}

Hex::Hex(u64 value) : begin_(sizeof text_) {
    do text_[--begin_] = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    text_[--begin_] = 'x';
    text_[--begin_] = '0';
}

}  // namespace kiln

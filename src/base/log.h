// The log: lines about what happens, for people. Items are switched on one by one (--trace, -d), the lines go
// to standard error or to a file (--trace-file, -D).
//
// With an item off, a log statement costs the test of one bit:
//     if (log_on(LogItem::unimp)) log_line({"unknown system call ", Decimal(number)});
//
// Set up once, before the first guest thread; after that only read.
#pragma once

#include <atomic>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/types.h"

namespace kiln {

enum class LogItem : u8 {
#define LOG_ITEM(name, sentence) name,
#include "base/log.def"
#undef LOG_ITEM
};

struct LogItemInfo {
    std::string_view name;
    std::string_view sentence;
};
/// One row for each item, in the order of LogItem.
std::span<const LogItemInfo> log_items();

/// A set of items.
struct LogItems {
    u32 bits = 0;

    constexpr bool has(LogItem item) const { return bits >> static_cast<u8>(item) & 1; }
    constexpr void add(LogItem item) { bits |= u32{1} << static_cast<u8>(item); }
    constexpr bool operator==(const LogItems&) const = default;
};

namespace detail {
inline constinit LogItems log_items_on;
inline constinit int log_descriptor = 2;
}  // namespace detail

inline bool log_on(LogItem item) { return detail::log_items_on.has(item); }
/// Where lines go: a file descriptor that the guest must leave alone, or 2.
inline int log_fd() { return detail::log_descriptor; }
/// The log goes on at this descriptor, which stands for the same file.
inline void log_move(int fd) { detail::log_descriptor = fd; }

/// Switches the items on and all others off. The lines go to `file`: the empty name is standard error, a
/// leading
/// '+' appends where otherwise an existing file is emptied, "%d" stands for the process id. The file's
/// descriptor lies far above those that guests get, and is closed by exec.
Result<void> log_open(LogItems items, std::string_view file);

/// Writes the pieces and a line end with one writev(2), so that lines of threads do not mix. At most 15
/// pieces. Any thread; async-signal-safe; errno is kept. What cannot be written is dropped.
void log_line(std::initializer_list<std::string_view> pieces);

/// Writes all of `text` to `fd`; false when that fails. Any thread; async-signal-safe.
bool write_all(int fd, std::string_view text);

/// An integer as text, for log_line.
class Decimal {
  public:
    explicit Decimal(i64 value);
    operator std::string_view() const { return {text_ + begin_, sizeof text_ - begin_}; }

  private:
    char text_[20];
    u8 begin_;
};
/// "0x" and lower-case digits.
class Hex {
  public:
    explicit Hex(u64 value);
    operator std::string_view() const { return {text_ + begin_, sizeof text_ - begin_}; }

  private:
    char text_[18];
    u8 begin_;
};

/// For what is said once: `static Once said; if (said.first()) ...`. Any thread; async-signal-safe.
class Once {
  public:
    bool first() { return !done_.exchange(true, std::memory_order_relaxed); }

  private:
    std::atomic<bool> done_ = false;
};

/// `file` with each "%d" replaced by the process id: names of output files.
std::string with_process_id(std::string_view file);

}  // namespace kiln

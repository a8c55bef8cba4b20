// GDB's remote serial protocol on the wire (GDB manual, appendix "GDB Remote Serial Protocol", Overview):
// packets `$payload#checksum` with escapes, acknowledgements, and the interrupt byte. What payloads mean is
// gdb_session.h's matter.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace kiln::debug {

/// Payloads may be this long in either direction, in bytes.
inline constexpr std::size_t gdb_packet_bytes = 64 << 10;

/// What arrives from GDB.
struct GdbInput {
    enum class Kind : u8 {
        packet,     ///< `payload`, escapes undone
        damaged,    ///< a packet whose checksum is wrong, or that is too long
        ack,        ///< +
        resend,     ///< -
        interrupt,  ///< the byte 3, which ctrl-C sends
    };
    Kind kind;
    std::string payload;
};

/// Cuts what arrives into inputs. Bytes between packets that mean nothing are skipped.
class GdbReader {
  public:
    void feed(std::span<const u8> bytes) {
        buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    /// The next complete input; none until more bytes come.
    std::optional<GdbInput> next();

  private:
    std::string buffer_;
    bool too_long_ = false;  // in a packet whose end is still to come
};

/// The packet that carries `payload`.
std::string gdb_frame(std::string_view payload);

// Numbers and bytes as payloads have them: in hexadecimal digits.
std::string to_hex(u64 value);
std::string to_hex(std::span<const u8> bytes);
inline std::string to_hex(std::string_view text) {
    return to_hex(std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
}
/// Takes the number that `text` begins with; none if it begins with no digit or the number is too large.
std::optional<u64> take_hex(std::string_view& text);
/// The bytes that all of `text` stands for; none if it is no such thing.
std::optional<std::string> from_hex(std::string_view text);
/// Takes `prefix` from the front of `text`, if it is there.
bool take(std::string_view& text, std::string_view prefix);
/// Takes what stands before the next `separator`, and the separator; all of `text` if there is none.
std::string_view take_until(std::string_view& text, char separator);

}  // namespace kiln::debug

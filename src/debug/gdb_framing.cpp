#include "debug/gdb_framing.h"

#include <numeric>

namespace kiln::debug {
namespace {

constexpr char escape = '}', escaped_by = 0x20;
constexpr std::string_view digits = "0123456789abcdef";

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

u8 checksum(std::string_view text) {
    return std::accumulate(text.begin(), text.end(), u8{0},
                           [](u8 sum, char c) { return static_cast<u8>(sum + static_cast<u8>(c)); });
}

/// Whether `text` is the checksum of `body` in two digits.
bool matches(std::string_view text, std::string_view body) {
    const auto high = digit(text[0]), low = digit(text[1]);
    return high && low && (*high << 4 | *low) == checksum(body);
}

std::string unescape(std::string_view body) {
    std::string payload;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const bool escaped = body[i] == escape && i + 1 < body.size();
        payload += escaped ? static_cast<char>(body[++i] ^ escaped_by) : body[i];
    }
    return payload;
}

}  // namespace

std::optional<GdbInput> GdbReader::next() {
    using Kind = GdbInput::Kind;
    while (!buffer_.empty()) {
        const char first = buffer_[0];
        if (!too_long_ && first != '$') {
            buffer_.erase(0, 1);
            if (first == '+') return GdbInput{Kind::ack, {}};
            if (first == '-') return GdbInput{Kind::resend, {}};
            if (first == 3) return GdbInput{Kind::interrupt, {}};
            continue;
        }
        const std::size_t end = buffer_.find('#');
        if (end == std::string::npos) {
            // Escapes may double a payload's length.
            if (buffer_.size() > 2 * gdb_packet_bytes) too_long_ = true;
            if (too_long_) buffer_.clear();
            return std::nullopt;
        }
        if (buffer_.size() < end + 3) return std::nullopt;
        GdbInput input{Kind::damaged, {}};
        if (!std::exchange(too_long_, false)) {
            const std::string_view body = std::string_view(buffer_).substr(1, end - 1);
            if (matches(std::string_view(buffer_).substr(end + 1, 2), body)) {
                input = {Kind::packet, unescape(body)};
                if (input.payload.size() > gdb_packet_bytes) input = {Kind::damaged, {}};
            }
        }
        buffer_.erase(0, end + 3);
        return input;
    }
    return std::nullopt;
}

std::string gdb_frame(std::string_view payload) {
    std::string frame = "$";
    for (char c : payload) {
        if (c == '$' || c == '#' || c == '*' || c == escape) {
            frame += escape;
            frame += static_cast<char>(c ^ escaped_by);
        } else {
            frame += c;
        }
    }
    const u8 sum = checksum(std::string_view(frame).substr(1));
    frame += '#';
    frame += digits[sum >> 4];
    frame += digits[sum & 15];
    return frame;
}

std::string to_hex(u64 value) {
    std::string text;
    do {
        text.insert(text.begin(), digits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return text;
}

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (u8 byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::optional<u64> take_hex(std::string_view& text) {
    u64 value = 0;
    std::size_t used = 0;
    for (; used < text.size(); ++used) {
        const auto next = digit(text[used]);
        if (!next) break;
        if (value >> 60 != 0) return std::nullopt;
        value = value << 4 | *next;
    }
    text.remove_prefix(used);
    return used == 0 ? std::nullopt : std::optional(value);
}

std::optional<std::string> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digit(text[i]), low = digit(text[i + 1]);
        if (!high || !low) return std::nullopt;
        bytes += static_cast<char>(*high << 4 | *low);
    }
    return bytes;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

}  // namespace kiln::debug

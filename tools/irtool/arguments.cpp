#include "arguments.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace kiln::irtool {

Arguments::Arguments(std::span<char* const> words) {
    for (std::string_view word : words) {
        if (!word.starts_with("--")) {
            operands_.emplace_back(word);
            continue;
        }
        const std::size_t equals = std::min(word.find('='), word.size());
        options_.emplace_back(word.substr(2, equals - 2), word.substr(std::min(equals + 1, word.size())));
    }
}

const std::vector<std::string>& Arguments::operands(std::size_t count) const {
    if (operands_.size() != count)
        throw Unusable{
            fmt::format("{} operand{} expected, {} given", count, count == 1 ? "" : "s", operands_.size())};
    return operands_;
}

std::optional<std::string> Arguments::find(std::string_view name) const {
    for (const auto& [option, value] : options_)
        if (option == name) return value;
    return std::nullopt;
}

u64 Arguments::number(std::string_view name, u64 otherwise, u64 smallest) const {
    const auto text = find(name);
    if (!text) return otherwise;
    try {
        if (const u64 value = parse_number(*text); value >= smallest) return value;
    } catch (const Unusable& problem) {
        throw Unusable{fmt::format("--{}: {}", name, problem.message)};
    }
    throw Unusable{fmt::format("--{} is at least {}", name, smallest)};
}

void Arguments::allow(std::initializer_list<std::string_view> names) const {
    for (const auto& [option, value] : options_)
        if (std::ranges::find(names, option) == names.end())
            throw Unusable{fmt::format("no option --{} here", option)};
}

u64 parse_number(std::string_view text) {
    std::string_view digits = text;
    const bool negative = digits.starts_with('-');
    if (negative) digits.remove_prefix(1);
    const bool hexadecimal = digits.starts_with("0x");
    if (hexadecimal) digits.remove_prefix(2);
    u64 value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stopped, code] = std::from_chars(digits.data(), end, value, hexadecimal ? 16 : 10);
    if (code != std::errc() || stopped != end) throw Unusable{fmt::format("'{}' is not a number", text)};
    return negative ? 0 - value : value;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        parts.emplace_back(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return parts;
}

}  // namespace kiln::irtool

// irtool's command line: operands, and options spelled --name or --name=value.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace kiln::irtool {

// What irtool exits with.
inline constexpr int exit_good = 0;
inline constexpr int exit_negative = 1;  ///< the answer is no: not well formed, different, not reproducible
inline constexpr int exit_unusable = 2;  ///< the question could not be asked: bad arguments, unreadable input

/// A question that cannot be asked. main() prints the message and exits with exit_unusable.
struct Unusable {
    std::string message;
};

class Arguments {
  public:
    Arguments(std::span<char* const> words);

    const std::vector<std::string>& operands() const { return operands_; }
    /// Exactly `count` operands, or Unusable.
    const std::vector<std::string>& operands(std::size_t count) const;
    bool flag(std::string_view name) const { return find(name).has_value(); }
    std::optional<std::string> find(std::string_view name) const;
    /// The value of a numeric option; Unusable if it is none from `smallest` on.
    u64 number(std::string_view name, u64 otherwise, u64 smallest = 0) const;
    /// Unusable if an option was given that is none of these.
    void allow(std::initializer_list<std::string_view> names) const;

  private:
    std::vector<std::string> operands_;
    std::vector<std::pair<std::string, std::string>> options_;
};

/// Decimal, or hexadecimal with 0x; a leading minus. Unusable if it is neither.
u64 parse_number(std::string_view text);
/// The parts of `text` between commas; none of an empty text.
std::vector<std::string> split(std::string_view text);

#define COMMAND(name, arguments, meaning) int name(const Arguments& arguments_given);
#include "commands.def"
#undef COMMAND

}  // namespace kiln::irtool

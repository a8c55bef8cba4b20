#include "base/options.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <limits>

#include "base/check.h"

namespace kiln {

namespace {

using namespace option_types;

/// The `allowed` column: the range of numbers and how they are written; the form of a list's items.
struct Limits {
    u64 low = 0;
    u64 high = std::numeric_limits<u64>::max();
    bool suffixes = false;
    bool hexadecimal = false;
    bool assignments = false;
    bool path = false;
    double least = 0, most = 0;
};
constexpr Limits any() { return {}; }
constexpr Limits numbers(u64 low, u64 high) { return {low, high}; }
constexpr Limits sizes(u64 low, u64 high) { return {low, high, true}; }
constexpr Limits assignments() { return {.assignments = true}; }
constexpr Limits names() { return {}; }
constexpr Limits paths() { return {.path = true}; }
constexpr Limits ratios(double least, double most) { return {.least = least, .most = most}; }
constexpr Limits addresses() { return {.hexadecimal = true}; }

// The values of each listed type.
template <class T>
constexpr std::span<const NamedValue> values_of() {
    return {};
}
#define NAMED_VALUE(name, sentence) {#name, sentence},
#define LISTED(type, values)                                      \
    constexpr NamedValue type##_values[] = {values(NAMED_VALUE)}; \
    template <>                                                   \
    constexpr std::span<const NamedValue> values_of<type>() {     \
        return type##_values;                                     \
    }
LISTED(Cpu, KILN_CPU_VALUES)
LISTED(EngineKind, KILN_ENGINE_KIND_VALUES)
LISTED(OptLevel, KILN_OPT_LEVEL_VALUES)
LISTED(StoreMode, KILN_STORE_MODE_VALUES)
LISTED(Translation, KILN_TRANSLATION_VALUES)
LISTED(Lockstep, KILN_LOCKSTEP_VALUES)
LISTED(StatsFormat, KILN_STATS_FORMAT_VALUES)
#undef LISTED
#undef NAMED_VALUE
constexpr NamedValue LogItems_values[] = {
#define LOG_ITEM(name, sentence) {#name, sentence},
#include "base/log.def"
#undef LOG_ITEM
};
template <>
constexpr std::span<const NamedValue> values_of<LogItems>() {
    return LogItems_values;
}
constexpr NamedValue HostFeatureSet_values[] = {
#define HOST_FEATURE(name, sentence) {#name, sentence},
#include "base/host_features.def"
#undef HOST_FEATURE
};
template <>
constexpr std::span<const NamedValue> values_of<HostFeatureSet>() {
    return HostFeatureSet_values;
}

/// What each type of set has items of.
template <class Set>
struct ItemOf;
template <>
struct ItemOf<LogItems> {
    using Type = LogItem;
};
template <>
struct ItemOf<HostFeatureSet> {
    using Type = HostFeature;
};
template <class T>
concept ItemSet = requires { typename ItemOf<T>::Type; };

template <class T>
concept Choice = std::is_enum_v<T>;

/// The `bare` of OptionInfo.
template <class T>
constexpr std::string_view bare_value() {
    if constexpr (std::same_as<T, Flag> || std::same_as<T, Action>) return "yes";
    if constexpr (std::same_as<T, StatsFormat>) return "text";
    if constexpr (std::same_as<T, Lockstep>) return "units";
    if constexpr (std::same_as<T, OutputFile>) return "-";
    return {};
}

std::string joined(std::span<const NamedValue> values, std::string_view separator) {
    std::string text;
    for (const NamedValue& value : values) {
        if (!text.empty()) text += separator;
        text += value.name;
    }
    return text;
}

std::optional<size_t> index_of(std::span<const NamedValue> values, std::string_view name) {
    const auto found = std::ranges::find(values, name, &NamedValue::name);
    if (found == values.end()) return std::nullopt;
    return found - values.begin();
}

template <class Each>
void split(std::string_view list, Each each) {
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        each(list.substr(begin, end - begin));
        begin = end + 1;
    }
}

// read(field, text, limits) sets a field; when the text is not one of its values, it returns false and leaves
// it alone.

bool read(Flag& field, std::string_view text, const Limits&) {
    constexpr std::string_view on[] = {"1", "yes", "on", "true"}, off[] = {"0", "no", "off", "false"};
    if (std::ranges::count(off, text)) return field = false, true;
    if (std::ranges::count(on, text)) return field = true;
    return false;
}

bool read(Action& field, std::string_view text, const Limits&) { return field.asked = text == "yes"; }

bool read(Number& field, std::string_view text, const Limits& limits) {
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    if (hexadecimal) text.remove_prefix(2);
    u64 number = 0;
    const auto [rest, error] = std::from_chars(text.begin(), text.end(), number, hexadecimal ? 16 : 10);
    if (error != std::errc{}) return false;

    unsigned shift = 0;
    if (rest != text.end()) {
        const size_t suffix = std::string_view("kKmMgG").find(*rest);
        if (!limits.suffixes || rest + 1 != text.end() || suffix == std::string_view::npos) return false;
        shift = 10 * (static_cast<unsigned>(suffix) / 2 + 1);
    }
    if (number > limits.high >> shift || number << shift < limits.low) return false;
    field = number << shift;
    return true;
}

bool read(Ratio& field, std::string_view text, const Limits& limits) {
    double value = 0, place = 1;
    size_t digits = 0, decimals = 0;
    for (const char c : text) {
        if (c == '.' && place == 1 && digits != 0) {
            place = 0.1;
            continue;
        }
        if (c < '0' || c > '9' || ++digits > 9) return false;
        if (place < 1 && ++decimals > 4) return false;
        value = place < 1 ? value + place * (c - '0') : 10 * value + (c - '0');
        if (place < 1) place /= 10;
    }
    constexpr double rounding = 1e-9;
    if (digits == 0 || value < limits.least - rounding || value > limits.most + rounding) return false;
    field.value = value;
    return true;
}

bool read(MaybeNumber& field, std::string_view text, const Limits& limits) {
    Number number = 0;
    if (!read(number, text, limits)) return false;
    field = number;
    return true;
}

/// Paths become absolute: nested guests are given them, wherever the guest has gone by then. A '+' before one
/// stays.
bool read(Text& field, std::string_view text, const Limits& limits) {
    field = text;
    const size_t begin = text.starts_with('+');
    char here[PATH_MAX];
    if (limits.path && text.size() > begin && text[begin] != '/' && getcwd(here, sizeof here))
        field.insert(begin, std::string(here) + "/");
    return true;
}
bool read(MaybeText& field, std::string_view text, const Limits& limits) {
    return read(field.emplace(), text, limits);
}
bool read(OutputFile& field, std::string_view text, const Limits&) {
    if (text == "-") return field.name = text, true;
    return read(field.name, text, paths());
}
bool read(Ignored&, std::string_view, const Limits&) { return true; }

bool read(List& field, std::string_view text, const Limits& limits) {
    List items;
    bool good = true;
    split(text, [&](std::string_view item) {
        const size_t assignment = item.find('=');
        good &=
            !item.empty() && assignment != 0 && limits.assignments == (assignment != std::string_view::npos);
        items.emplace_back(item);
    });
    if (good) field.insert(field.end(), items.begin(), items.end());
    return good;
}

template <ItemSet T>
bool read(T& field, std::string_view text, const Limits&) {
    T items;
    bool known = true;
    split(text, [&](std::string_view name) {
        const auto item = index_of(values_of<T>(), name);
        if (item) items.add(static_cast<ItemOf<T>::Type>(*item));
        known &= item.has_value();
    });
    if (known) field = items;
    return known;
}

template <Choice T>
bool read(T& field, std::string_view text, const Limits&) {
    const auto index = index_of(values_of<T>(), text);
    if (index) field = static_cast<T>(*index);
    return index.has_value();
}

// text(field, limits) is what read() would take back.

std::string text(Flag field, const Limits&) { return field ? "yes" : "no"; }
std::string text(Action, const Limits&) { return {}; }
std::string text(Ignored, const Limits&) { return {}; }
std::string text(const Text& field, const Limits&) { return field; }
std::string text(const MaybeText& field, const Limits&) { return field.value_or(""); }
std::string text(const OutputFile& field, const Limits&) { return field.name.value_or(""); }
std::string text(const MaybeNumber& field, const Limits& limits);

std::string text(Number field, const Limits& limits) {
    if (limits.hexadecimal) return std::string(std::string_view(Hex(field)));
    unsigned suffix = 0;
    if (limits.suffixes && field)
        for (; suffix < 3 && field % 1024 == 0; suffix++) field /= 1024;
    char digits[std::numeric_limits<u64>::digits10 + 1];
    std::string result(digits, std::to_chars(std::begin(digits), std::end(digits), field).ptr);
    if (suffix) result += " kMG"[suffix];
    return result;
}
std::string text(Ratio field, const Limits&) {
    const u64 all = static_cast<u64>(field.value * 10000 + 0.5);
    std::string decimals = std::to_string(10000 + all % 10000).substr(1);
    decimals.resize(decimals.find_last_not_of('0') + 1);
    return std::to_string(all / 10000) + (decimals.empty() ? "" : "." + decimals);
}
std::string text(const MaybeNumber& field, const Limits& limits) { return field ? text(*field, limits) : ""; }

std::string text(const List& field, const Limits&) {
    std::string list;
    for (const std::string& item : field) list += (list.empty() ? "" : ",") + item;
    return list;
}

template <ItemSet T>
std::string text(T field, const Limits&) {
    std::string list;
    for (u8 i = 0; i < values_of<T>().size(); i++) {
        if (!field.has(static_cast<ItemOf<T>::Type>(i))) continue;
        if (!list.empty()) list += ',';
        list += values_of<T>()[i].name;
    }
    return list;
}

template <Choice T>
std::string text(T field, const Limits&) {
    return std::string(values_of<T>()[static_cast<u8>(field)].name);
}

/// What to say after "expected".
template <class T>
std::string expected(const Limits& limits) {
    if constexpr (std::same_as<T, Action>) return "no value";
    if constexpr (std::same_as<T, Flag>) return "yes or no";
    if constexpr (std::same_as<T, List>) return limits.assignments ? "NAME=VALUE" : "NAME";
    if constexpr (ItemSet<T>) return "items out of " + joined(values_of<T>(), ", ");
    if constexpr (std::same_as<T, Ratio>)
        return "a number from " + text(Ratio{limits.least}, limits) + " to " +
               text(Ratio{limits.most}, limits);
    if constexpr (Choice<T>)
        return (values_of<T>().size() > 1 ? "one of " : "") + joined(values_of<T>(), ", ");
    if (limits.high == std::numeric_limits<u64>::max()) return limits.hexadecimal ? "an address" : "a number";
    return (limits.suffixes ? "a size from " : "a number from ") + text(limits.low, limits) + " to " +
           text(limits.high, limits);
}

constexpr bool pass = true, keep = false;

constexpr OptionInfo table[] = {
#define OPTION(group, field, type, initial, allowed, nested, name, qemu, qemu_variable, value, sentence) \
    {OptionGroup::group,          name,   qemu,    qemu_variable, value, bare_value<type>(),             \
     !std::same_as<type, Action>, nested, sentence},
#include "base/options.def"
#undef OPTION
};

/// Sets one option from `value`. `origin` is where that stands, for the message: --engine=x or KILN_ENGINE=x.
Result<void> set(Options& options, OptionId id, std::string_view value, std::string_view origin) {
    if (!option_values(id).empty() && (value == "help" || value == "?")) {
        options.list_values = id;
        return {};
    }
    const auto read_into = [&]<class T>(T& field, const Limits& limits) -> Result<void> {
        if (!read(field, value, limits))
            return fail(std::string(origin) + ": expected " + expected<T>(limits));
        options.given.set(static_cast<u8>(id));
        return {};
    };
    switch (id) {
#define OPTION(group, field, type, initial, allowed, ...) \
    case OptionId::field: return read_into(options.field, allowed);
#include "base/options.def"
#undef OPTION
    }
    KILN_UNREACHABLE();
}

std::string text_of(const Options& options, OptionId id) {
    switch (id) {
#define OPTION(group, field, type, initial, allowed, ...) \
    case OptionId::field: return text(options.field, allowed);
#include "base/options.def"
#undef OPTION
    }
    KILN_UNREACHABLE();
}

/// The value of a variable of the environment; nothing when it is unset.
std::optional<std::string_view> variable(char* const* environment, std::string_view name) {
    for (; *environment; environment++) {
        const std::string_view entry = *environment;
        if (entry.starts_with(name) && entry.substr(name.size()).starts_with('='))
            return entry.substr(name.size() + 1);
    }
    return std::nullopt;
}

/// Finds an option by what stands between its dashes and its '='.
std::optional<OptionId> find(std::string_view name) {
    const auto row = std::ranges::find_if(table, [&](const OptionInfo& option) {
        return option.name == name || (!name.empty() && option.qemu == name);
    });
    if (row == std::end(table)) return std::nullopt;
    return static_cast<OptionId>(row - table);
}

Error unknown_option(std::string_view word, std::string_view name) {
    std::string_view names[option_count];
    std::ranges::transform(table, names, &OptionInfo::name);
    Error error{"unknown option " + std::string(word)};
    if (const std::string_view near = nearest(name, names); !near.empty())
        error.message += "; did you mean --" + std::string(near) + "?";
    return error;
}

}  // namespace

const OptionInfo& info(OptionId id) { return table[static_cast<u8>(id)]; }

std::string variable_name(const OptionInfo& option) {
    std::string name = "KILN_";
    for (char c : option.name)
        name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return name;
}

std::span<const NamedValue> option_values(OptionId id) {
    switch (id) {
#define OPTION(group, field, type, ...) \
    case OptionId::field: return values_of<type>();
#include "base/options.def"
#undef OPTION
    }
    KILN_UNREACHABLE();
}

std::string Options::default_text(OptionId id) { return text_of({}, id); }

std::vector<std::string> Options::nested_words() const {
    std::vector<std::string> words;
    for (u8 i = 0; i < option_count; i++) {
        const auto id = static_cast<OptionId>(i);
        if (!given[i] || !table[i].passed_on) continue;
        std::string value = text_of(*this, id);
        // The log goes on where this process has left it.
        if (id == OptionId::trace_file && !value.starts_with('+')) value.insert(0, "+");
        words.push_back("--" + std::string(table[i].name) + "=" + value);
    }
    return words;
}

std::optional<u64> read_size(std::string_view text) {
    Number bytes = 0;
    return read(bytes, text, sizes(0, ~u64{0})) ? std::optional(bytes) : std::nullopt;
}

Result<void> read_environment(Options& options, char* const* environment, Dialect dialect) {
    for (u8 i = 0; i < option_count; i++) {
        const OptionInfo& option = table[i];
        const auto apply = [&](std::string_view name, bool presence_is_enough) -> Result<void> {
            const auto value = variable(environment, name);
            if (!value || (value->empty() && !presence_is_enough)) return {};
            return set(options, static_cast<OptionId>(i), presence_is_enough ? "yes" : *value,
                       std::string(name) + "=" + std::string(*value));
        };
        if (dialect == Dialect::qemu && !option.qemu_variable.empty()) {
            // qemu-user asks only whether the variable of a flag is there.
            if (auto done = apply(option.qemu_variable, option.is_flag()); !done) return done;
        }
        if (!option.has_variable) continue;
        if (auto done = apply(variable_name(option), false); !done) return done;
    }
    return {};
}

Result<std::size_t> read_arguments(Options& options, std::span<const char* const> words) {
    for (size_t i = 0; i < words.size(); i++) {
        const std::string_view word = words[i];
        if (word == "--") return i + 1;
        if (word.size() < 2 || word[0] != '-') return i;

        const std::string_view text = word.substr(word[1] == '-' ? 2 : 1);
        const std::string_view name = text.substr(0, text.find('='));
        const auto id = find(name);
        if (!id) return tl::unexpected(unknown_option(word, name));

        const OptionInfo& option = info(*id);
        std::string origin(word);
        std::string_view value = option.bare;
        if (name.size() < text.size()) {
            value = text.substr(name.size() + 1);
        } else if (option.needs_value()) {
            if (++i == words.size())
                return fail(
                    origin + " needs a value: " +
                    (option.value.empty() ? joined(option_values(*id), ", ") : std::string(option.value)));
            value = words[i];
            origin += ' ' + std::string(value);
        }
        if (auto done = set(options, *id, value, origin); !done) return tl::unexpected(done.error());
    }
    return words.size();
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    // A letter missing, added, replaced or swapped with its neighbour is one mistake. Half of the letters may
    // be wrong, up to three.
    size_t least = std::min<size_t>(3, word.size() / 2) + 1;
    std::string_view best;
    for (std::string_view candidate : candidates) {
        // cost[i][j]: mistakes between the first i letters of the word and the first j of the candidate.
        std::vector<std::vector<size_t>> cost(word.size() + 1, std::vector<size_t>(candidate.size() + 1));
        for (size_t i = 0; i <= word.size(); i++) {
            for (size_t j = 0; j <= candidate.size(); j++) {
                if (i == 0 || j == 0) {
                    cost[i][j] = i + j;
                    continue;
                }
                cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                       cost[i - 1][j - 1] + (word[i - 1] != candidate[j - 1])});
                if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1])
                    cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
        if (cost.back().back() < least) {
            least = cost.back().back();
            best = candidate;
        }
    }
    return best;
}

}  // namespace kiln

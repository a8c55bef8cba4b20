// The options of every command that runs a guest: one row each in options.def, a field each in Options.
//
// The columns. `group` is the heading in help texts. `field` is the member of Options, of the C++ type `type`
// (namespace option_types), whose value is `default` until something sets it. `allowed` limits numbers.
// `nested` says whether a program that the guest starts is given the option too (pass) or not (keep: its
// effect lies in the guest by then). `name` is the long form, --name, from which the environment twin
// follows: --max-unit is KILN_MAX_UNIT. `qemu` and `QEMU_ variable` are qemu-user's names for the same.
// `value` stands for the value in help texts; choices and flags name theirs themselves.
//
// The environment comes first; the command line overrides it, and adds to lists. An empty variable is an
// unset one.
#pragma once

#include <bitset>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/types.h"

namespace kiln {

enum class HostFeature : u8 {
#define HOST_FEATURE(name, sentence) name,
#include "base/host_features.def"
#undef HOST_FEATURE
};

/// A set of them.
struct HostFeatureSet {
    u32 bits = 0;

    constexpr bool has(HostFeature feature) const { return bits >> static_cast<u8>(feature) & 1; }
    constexpr void add(HostFeature feature) { bits |= u32{1} << static_cast<u8>(feature); }
};

/// The types that fields have. A choice is an enum; its values on the command line are its enumerators'
/// names, in one row each with a sentence.
namespace option_types {

#define KILN_CPU_VALUES(VALUE)                    \
    VALUE(max, "every extension that Kiln knows") \
    VALUE(any, "the same")                        \
    VALUE(rv64, "the same, by the name that qemu has for its generic 64-bit RISC-V")
#define KILN_ENGINE_KIND_VALUES(VALUE)                                             \
    VALUE(interp, "interprets the IR: no compilation, the reference for all else") \
    VALUE(jit1, "compiles every unit when it is first executed, in one pass")      \
    VALUE(jit2, "compiles the region around every address that is executed")       \
    VALUE(hybrid, "interprets what runs a few times and compiles the rest")
#define KILN_OPT_LEVEL_VALUES(VALUE)                         \
    VALUE(none, "run the IR as it was lifted")               \
    VALUE(tier0, "the passes that pay for interpreted code") \
    VALUE(full, "every pass")
#define KILN_TRANSLATION_VALUES(VALUE)                                                                  \
    VALUE(templates, "copy what was found for the shape of each instruction, unless passes are to run") \
    VALUE(ir, "lift each unit into IR")
#define KILN_LOCKSTEP_VALUES(VALUE)                                               \
    VALUE(off, "no")                                                              \
    VALUE(units, "each unit by itself, with its IR and host code where it fails") \
    VALUE(stretch, "some hundred instructions at a time, with units linked as ever, and regions")
#define KILN_STORE_MODE_VALUES(VALUE)               \
    VALUE(off, "every process compiles for itself") \
    VALUE(ro, "use what is kept, and keep nothing") \
    VALUE(rw, "use what is kept, and keep what is new")
#define KILN_STATS_FORMAT_VALUES(VALUE) \
    VALUE(off, "no report")             \
    VALUE(text, "for people")           \
    VALUE(json, "for programs")

#define KILN_ENUMERATOR(name, sentence) name,
enum class Cpu : u8 { KILN_CPU_VALUES(KILN_ENUMERATOR) };
enum class EngineKind : u8 { KILN_ENGINE_KIND_VALUES(KILN_ENUMERATOR) };
enum class OptLevel : u8 { KILN_OPT_LEVEL_VALUES(KILN_ENUMERATOR) };
enum class StatsFormat : u8 { KILN_STATS_FORMAT_VALUES(KILN_ENUMERATOR) };
enum class StoreMode : u8 { KILN_STORE_MODE_VALUES(KILN_ENUMERATOR) };
enum class Translation : u8 { KILN_TRANSLATION_VALUES(KILN_ENUMERATOR) };
enum class Lockstep : u8 { KILN_LOCKSTEP_VALUES(KILN_ENUMERATOR) };
#undef KILN_ENUMERATOR

/// On or off; the bare option is on.
using Flag = bool;
/// Asks for something other than running a program: on the command line only, and never with a value.
struct Action {
    bool asked = false;
};
using Number = u64;
using MaybeNumber = std::optional<u64>;
using Text = std::string;
using MaybeText = std::optional<std::string>;
/// A number with decimals, four at most.
struct Ratio {
    double value = 0;
    operator double() const { return value; }
};
/// Where to write something, if it is wanted at all: "-", the bare option, is standard error.
struct OutputFile {
    std::optional<std::string> name;
};
/// Separated by commas; an option given again adds to it.
using List = std::vector<std::string>;
using LogItems = kiln::LogItems;
using HostFeatureSet = kiln::HostFeatureSet;
/// Taken from those who know it from qemu-user, without effect.
struct Ignored {};

}  // namespace option_types

using option_types::Cpu;
using option_types::EngineKind;
using option_types::Lockstep;
using option_types::OptLevel;
using option_types::StatsFormat;
using option_types::StoreMode;
using option_types::Translation;

enum class OptionId : u8 {
#define OPTION(group, field, ...) field,
#include "base/options.def"
#undef OPTION
};
inline constexpr std::size_t option_count = 0
#define OPTION(...) +1
#include "base/options.def"
#undef OPTION
    ;

enum class OptionGroup : u8 { guest, engine, proof, watch, compat, about };

/// What help texts need to know of a row.
struct OptionInfo {
    OptionGroup group;
    std::string_view name;           ///< without dashes
    std::string_view qemu;           ///< qemu-user's spelling without its dash; may be empty
    std::string_view qemu_variable;  ///< may be empty
    std::string_view value;          ///< what stands for the value; empty for flags and choices
    std::string_view bare;  ///< the value that the option has when it is given none; empty: it needs one
    bool has_variable;      ///< whether there is a KILN_ variable
    bool passed_on;         ///< whether nested guests are given it
    std::string_view sentence;

    bool needs_value() const { return bare.empty(); }
    bool is_flag() const { return bare == "yes"; }
};
const OptionInfo& info(OptionId id);
/// KILN_ENGINE for --engine.
std::string variable_name(const OptionInfo& option);

struct NamedValue {
    std::string_view name;
    std::string_view sentence;
};
/// The values of an option that is a choice or a list of items; empty for the others.
std::span<const NamedValue> option_values(OptionId id);

/// Who is asking: kiln itself, or somebody who calls it as qemu-user. The second has QEMU_ variables too;
/// options are the same, each under either name.
enum class Dialect : u8 { kiln, qemu };

struct Options {
#define OPTION(group, field, type, initial, ...) option_types::type field = initial;
#include "base/options.def"
#undef OPTION

    /// The options that something has set.
    std::bitset<option_count> given;
    /// The option whose value was `help`: its values are to be listed, nothing is to be run.
    std::optional<OptionId> list_values;
    /// The default of the option `id` as it would be written; empty for none.
    static std::string default_text(OptionId id);

    /// The command-line words that give a nested guest the same options.
    std::vector<std::string> nested_words() const;
};

/// A number of bytes, as options take it: k, M and G may follow.
std::optional<u64> read_size(std::string_view text);

/// Sets what the environment (NAME=value strings, null at the end) says; KILN_ variables win over QEMU_ ones.
Result<void> read_environment(Options& options, char* const* environment, Dialect dialect);

/// Sets what `words` (without the command's own name) say, up to the first that is not an option or the value
/// of one;
/// "--" ends the options too. Returns how many words were read: the program is the next.
Result<std::size_t> read_arguments(Options& options, std::span<const char* const> words);

/// The one of `candidates` that a mistyped `word` was most likely meant to be; empty when none is close.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace kiln

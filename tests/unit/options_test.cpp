// The option table: reading, precedence, limits, messages, and that what nested guests are given reads back.
#include "base/options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <climits>
#include <set>

namespace kiln {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Result<size_t> read(Options& options, std::vector<const char*> words) {
    return read_arguments(options, words);
}

Result<void> read_variables(Options& options, std::vector<const char*> entries,
                            Dialect dialect = Dialect::kiln) {
    entries.push_back(nullptr);
    return read_environment(options, const_cast<char* const*>(entries.data()), dialect);
}

std::string complaint(std::vector<const char*> words) {
    Options options;
    const auto result = read(options, std::move(words));
    return result ? "no complaint" : result.error().message;
}

TEST(Options, DefaultsAreTheTables) {
    const Options options;
    EXPECT_EQ(options.engine, EngineKind::hybrid);
    EXPECT_EQ(options.max_unit, 64u);
    EXPECT_EQ(options.stats, StatsFormat::off);
    EXPECT_FALSE(options.sysroot);
    EXPECT_TRUE(options.given.none());
    EXPECT_EQ(Options::default_text(OptionId::max_unit), "64");
}

TEST(Options, ProgramsOwnOptionsAreLeftAlone) {
    Options options;
    EXPECT_EQ(read(options, {"--opt=full", "prog", "--opt=none"}), 1u);
    EXPECT_EQ(options.opt, OptLevel::full);
    EXPECT_EQ(read(options, {"--opt", "none", "--", "-prog"}), 3u);
    EXPECT_EQ(options.opt, OptLevel::none);
    EXPECT_EQ(read(options, {"-", "x"}), 0u);
    EXPECT_EQ(read(options, {}), 0u);
}

TEST(Options, QemuSpellingsMeanTheSame) {
    Options options;
    ASSERT_TRUE(
        read(options, {"-L",  "/tree", "-E",       "A=1,B=2", "-E",           "C=x=y", "-U",       "D,E",
                       "-0",  "me",    "-strace",  "-d",      "unimp,strace", "-D",    "/tmp/log", "-s",
                       "16M", "-B",    "0x10000",  "-cpu",    "rv64",         "-seed", "7",        "-r",
                       "6.6", "-R",    "whatever", "-p",      "4096"}));
    EXPECT_EQ(options.sysroot, "/tree");
    EXPECT_THAT(options.set_env, ElementsAre("A=1", "B=2", "C=x=y"));
    EXPECT_THAT(options.unset_env, ElementsAre("D", "E"));
    EXPECT_EQ(options.argv0, "me");
    EXPECT_TRUE(options.strace);
    EXPECT_TRUE(options.trace.has(LogItem::unimp));
    EXPECT_EQ(options.trace_file, "/tmp/log");
    EXPECT_EQ(options.stack_size, 16u << 20);
    EXPECT_EQ(options.guest_base, 0x10000u);
    EXPECT_EQ(options.cpu, Cpu::rv64);
    EXPECT_EQ(options.seed, 7u);
    EXPECT_EQ(options.release, "6.6");
}

TEST(Options, BareAndGivenValues) {
    Options options;
    ASSERT_TRUE(read(options, {"--stats", "--strace"}));
    EXPECT_EQ(options.stats, StatsFormat::text);
    EXPECT_TRUE(options.strace);
    ASSERT_TRUE(read(options, {"--stats=json", "--strace=no"}));
    EXPECT_EQ(options.stats, StatsFormat::json);
    EXPECT_FALSE(options.strace);
    EXPECT_EQ(read(options, {"--stats", "json"}), 1u);
}

TEST(Options, TheCommandLineBeatsKilnVariablesBeatQemuVariables) {
    Options options;
    ASSERT_TRUE(read_variables(
        options, {"QEMU_LD_PREFIX=/q", "QEMU_UNAME=1", "KILN_RELEASE=2", "KILN_MAX_UNIT=3"}, Dialect::qemu));
    EXPECT_EQ(options.sysroot, "/q");
    EXPECT_EQ(options.release, "2");
    ASSERT_TRUE(read(options, {"--max-unit=4"}));
    EXPECT_EQ(options.max_unit, 4u);
}

TEST(Options, QemuVariablesCountForTheQemuDialectOnly) {
    Options options;
    ASSERT_TRUE(read_variables(options, {"QEMU_UNAME=1", "QEMU_STRACE="}));
    EXPECT_EQ(options.release, "");
    EXPECT_FALSE(options.strace);
    ASSERT_TRUE(read_variables(options, {"QEMU_STRACE="}, Dialect::qemu));
    EXPECT_TRUE(options.strace);
}

TEST(Options, EmptyVariablesAreUnset) {
    Options options;
    ASSERT_TRUE(read_variables(options, {"KILN_OPT=", "KILN_STRACE=", "KILN_OPTX=full"}));
    EXPECT_TRUE(options.given.none());
}

TEST(Options, ListsOfTheEnvironmentGrowOnTheCommandLine) {
    Options options;
    ASSERT_TRUE(read_variables(options, {"KILN_SET_ENV=A=1,B=2"}));
    ASSERT_TRUE(read(options, {"-E", "C=3"}));
    EXPECT_THAT(options.set_env, ElementsAre("A=1", "B=2", "C=3"));
}

TEST(Options, ComplaintsNameOptionValueAndWhatIsAllowed) {
    EXPECT_EQ(complaint({"--max-unit=0"}), "--max-unit=0: expected a number from 1 to 256");
    EXPECT_EQ(complaint({"--max-unit", "257"}), "--max-unit 257: expected a number from 1 to 256");
    EXPECT_EQ(complaint({"--engine=jit9"}), "--engine=jit9: expected one of interp, jit1, jit2, hybrid");
    EXPECT_EQ(complaint({"--opt=fast"}), "--opt=fast: expected one of none, tier0, full");
    EXPECT_EQ(complaint({"--strace=maybe"}), "--strace=maybe: expected yes or no");
    EXPECT_EQ(complaint({"--help=me"}), "--help=me: expected no value");
    EXPECT_EQ(complaint({"-E", "novalue"}), "-E novalue: expected NAME=VALUE");
    EXPECT_EQ(complaint({"-E", "=x"}), "-E =x: expected NAME=VALUE");
    EXPECT_EQ(complaint({"-U", "A=1"}), "-U A=1: expected NAME");
    EXPECT_EQ(complaint({"-B", "xyz"}), "-B xyz: expected an address");
    EXPECT_EQ(complaint({"-B", "-1"}), "-B -1: expected an address");
    EXPECT_THAT(complaint({"-d", "unimp,nothing"}), HasSubstr("-d unimp,nothing: expected items out of"));
    EXPECT_EQ(complaint({"-s", "1k"}), "-s 1k: expected a size from 64k to 1024G");
    EXPECT_EQ(complaint({"-s", "99999999999999999999"}),
              "-s 99999999999999999999: expected a size from 64k to 1024G");
    EXPECT_EQ(complaint({"-s", "18446744073709551615G"}),
              "-s 18446744073709551615G: expected a size from 64k to 1024G");
    EXPECT_EQ(complaint({"-s", "8MB"}), "-s 8MB: expected a size from 64k to 1024G");
    EXPECT_EQ(complaint({"--sysroot"}), "--sysroot needs a value: DIR");
    EXPECT_EQ(complaint({"--opt"}), "--opt needs a value: none, tier0, full");

    Options options;
    EXPECT_EQ(read_variables(options, {"KILN_MAX_UNIT=x"}).error().message,
              "KILN_MAX_UNIT=x: expected a number from 1 to 256");
}

TEST(Options, UnknownOptionsSuggestTheNearest) {
    EXPECT_EQ(complaint({"--engin=interp"}), "unknown option --engin=interp; did you mean --engine?");
    EXPECT_EQ(complaint({"-sysrot", "x"}), "unknown option -sysrot; did you mean --sysroot?");
    EXPECT_EQ(complaint({"-otp=full"}), "unknown option -otp=full; did you mean --opt?");
    EXPECT_EQ(complaint({"--frobnicate"}), "unknown option --frobnicate");
    EXPECT_EQ(complaint({"-x"}), "unknown option -x");
    EXPECT_EQ(complaint({"--=1"}), "unknown option --=1");
}

TEST(Options, Ratios) {
    Options options;
    EXPECT_EQ(Options::default_text(OptionId::ewma_alpha), "0.2");
    EXPECT_EQ(Options::default_text(OptionId::decay), "1");
    ASSERT_TRUE(read(options, {"--ewma-alpha=0.3", "--decay=0.9505"}));
    EXPECT_DOUBLE_EQ(options.ewma_alpha, 0.3);
    EXPECT_DOUBLE_EQ(options.decay, 0.9505);
    EXPECT_THAT(options.nested_words(), ElementsAre("--ewma-alpha=0.3", "--decay=0.9505"));
    EXPECT_EQ(complaint({"--ewma-alpha=0.31"}), "--ewma-alpha=0.31: expected a number from 0.1 to 0.3");
    for (const char* wrong :
         {"--decay=1.0001", "--decay=0.4", "--decay=.9", "--decay=0.95001", "--decay=0.9.5", "--decay=-1",
          "--decay=1e0", "--decay=9999999999", "--decay=x"})
        EXPECT_THAT(complaint({wrong}), testing::EndsWith(": expected a number from 0.5 to 1"));
    EXPECT_EQ(complaint({"--hot-after=0"}), "--hot-after=0: expected a number from 1 to 1048576");
    EXPECT_EQ(complaint({"--cache-size=1k"}), "--cache-size=1k: expected a size from 64k to 1024G");
    EXPECT_EQ(complaint({"--cache-units=1"}), "--cache-units=1: expected a number from 64 to 1073741824");
}

TEST(Options, HelpAsAValueListsTheValues) {
    Options options;
    ASSERT_TRUE(read(options, {"-cpu", "help"}));
    EXPECT_EQ(options.list_values, OptionId::cpu);
    ASSERT_TRUE(read(options, {"-d", "?"}));
    EXPECT_EQ(options.list_values, OptionId::trace);
    EXPECT_EQ(option_values(OptionId::trace).size(), log_items().size());
    ASSERT_TRUE(read(options, {"-L", "help"}));
    EXPECT_THAT(*options.sysroot, testing::EndsWith("/help"));
}

TEST(Options, PathsBecomeAbsolute) {
    char here[PATH_MAX];
    ASSERT_TRUE(getcwd(here, sizeof here));
    Options options;
    ASSERT_TRUE(read(options, {"-L", "tree", "-D", "+log", "--stats-file=stats"}));
    EXPECT_EQ(options.sysroot, std::string(here) + "/tree");
    EXPECT_EQ(options.trace_file, "+" + std::string(here) + "/log");
    EXPECT_EQ(options.stats_file, std::string(here) + "/stats");
    ASSERT_TRUE(read(options, {"-L", ""}));
    EXPECT_EQ(options.sysroot, "");
}

TEST(Options, NestedGuestsAreGivenWhatWasSet) {
    Options options;
    ASSERT_TRUE(read(options, {"--engine=interp", "-L", "/tree", "-E", "A=1", "-0", "me", "-s", "512k", "-B",
                               "0x40000000", "--strace", "-d", "unimp", "-D", "/log", "--stats=json"}));
    const std::vector<std::string> words = options.nested_words();
    EXPECT_THAT(words, ElementsAre("--sysroot=/tree", "--stack-size=512k", "--guest-base=0x40000000",
                                   "--engine=interp", "--strace=yes", "--trace=unimp", "--trace-file=+/log",
                                   "--stats=json"));
    Options again;
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    ASSERT_EQ(read(again, pointers), pointers.size());
    EXPECT_EQ(again.nested_words(), words);
    EXPECT_EQ(again.stack_size, 512u << 10);
}

TEST(Options, RowsAreWellFormed) {
    std::set<std::string_view> names;
    for (size_t i = 0; i < option_count; i++) {
        const OptionInfo& option = info(static_cast<OptionId>(i));
        EXPECT_TRUE(names.insert(option.name).second) << option.name << " is there twice";
        EXPECT_TRUE(option.qemu.empty() || option.qemu == option.name || names.insert(option.qemu).second)
            << option.qemu << " is there twice";
        EXPECT_FALSE(option.sentence.empty());
        EXPECT_THAT(option.sentence, Not(testing::EndsWith(".")));
        const bool has_value = !option.value.empty() || !option_values(static_cast<OptionId>(i)).empty();
        EXPECT_NE(has_value, option.is_flag()) << option.name;
        EXPECT_EQ(option.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0-"), std::string_view::npos);
    }
}

}  // namespace
}  // namespace kiln

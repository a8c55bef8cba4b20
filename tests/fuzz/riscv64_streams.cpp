// riscv64_streams: random streams of riscv64 instructions, run by Kiln and by qemu, or by Kiln in several
// ways, must leave the same registers, flags, memory and signals.
//
// The parts: riscv64/generator.h makes streams, riscv64/program.h guest programs of them, riscv64/oracle.h
// runs and compares, riscv64/reduce.h and riscv64/report.h make a difference something that a person can
// read.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "fuzz/riscv64/generator.h"
#include "fuzz/riscv64/oracle.h"
#include "fuzz/riscv64/reduce.h"
#include "fuzz/riscv64/report.h"
#include "isa/riscv64/table.h"

namespace kiln::fuzz {
namespace {

constexpr const char* usage =
    R"(usage: riscv64_streams [options]
Compares Kiln with qemu-riscv64 (7.2) on random riscv64 instructions. Exit status 1: they differ.
  --instructions=N    how many to run, 1e8 is fine (default 1e6); counted as they stand in the streams, once for each
                      input state: jumps and faults leave some out, loops repeat more, so that 1.8 times as many run
  --seed=N            of the first program; each program has the next number (default 1)
  --only=STREAM       one stream of the program of --seed
  --self              compare Kiln with itself instead: each instruction alone, interpreted units as usual and with
                      full optimization, compiled units, regions; this contains the extensions that qemu does not have
  --faulting=PERCENT  streams that may fault (default 10)
  --inputs=N          states each stream is run from (default 4)
  --streams=N         streams in a program (default 1000)
  --jobs=N            programs tested at once (default 2)
  --differences=N     stop after so many, or as many more as there are jobs (default 5)
  --elf=FILE          write the (reduced) program of a difference there
  --kiln=COMMAND      default: the kiln of this build, `run`
  --qemu=COMMAND      default: qemu-riscv64 with every extension that it knows
)";

struct Options {
    u64 instructions = 1'000'000;
    u64 seed = 1;
    u64 streams = 1000;
    u64 jobs = 2;
    u64 differences = 5;
    i64 only = -1;
    bool self = false;
    StreamShape shape;
    std::string elf;
    std::string kiln = KILN_COMMAND;
    std::string qemu = KILN_QEMU_COMMAND;
};

std::vector<std::string> words(const std::string& text) {
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

/// False for an argument that is none.
bool read_option(Options& options, std::string_view argument) {
    if (argument == "--self") {
        options.self = true;
        options.shape.scope = Scope::all;
        return true;
    }
    const size_t equals = argument.find('=');
    if (equals == argument.npos) return false;
    const std::string name(argument.substr(0, equals)), value(argument.substr(equals + 1));
    const auto number = [&] { return static_cast<u64>(std::strtod(value.c_str(), nullptr)); };
    if (name == "--instructions")
        options.instructions = number();
    else if (name == "--seed")
        options.seed = number();
    else if (name == "--only")
        options.only = static_cast<i64>(number());
    else if (name == "--faulting")
        options.shape.faulting_percent = static_cast<unsigned>(number());
    else if (name == "--inputs")
        options.shape.inputs = static_cast<unsigned>(number());
    else if (name == "--streams")
        options.streams = std::clamp<u64>(number(), 1, max_streams);
    else if (name == "--jobs")
        options.jobs = std::max<u64>(number(), 1);
    else if (name == "--differences")
        options.differences = number();
    else if (name == "--elf")
        options.elf = value;
    else if (name == "--kiln")
        options.kiln = value;
    else if (name == "--qemu")
        options.qemu = value;
    else
        return false;
    return true;
}

std::vector<Engine> engines(const Options& options) {
    const auto kiln_with = [&](const char* name, std::initializer_list<const char*> more) {
        Engine engine{name, words(options.kiln)};
        engine.command.insert(engine.command.end(), more.begin(), more.end());
        return engine;
    };
    if (options.self)
        return {kiln_with("one by one", {"--engine=interp", "--max-unit=1", "--translation=ir"}),
                kiln_with("interpreter", {"--engine=interp"}),
                kiln_with("full", {"--engine=interp", "--opt=full"}), kiln_with("tier 1", {"--engine=jit1"}),
                kiln_with("tier 2", {"--engine=jit2"})};
    return {{"qemu", words(options.qemu)}, kiln_with("kiln", {})};
}

/// What all jobs share.
struct Progress {
    std::mutex lock;
    std::atomic<u64> next_program = 0;
    std::atomic<u64> instructions = 0;
    std::atomic<u64> runs = 0, faults = 0;
    std::atomic<u64> differences = 0;
    std::set<riscv64::InstId> rows;  ///< under the lock
};

std::vector<Stream> program_streams(const Options& options, u64 seed) {
    Random random(seed);
    std::vector<Stream> streams;
    for (u64 n = 0; n < options.streams; n++) {
        // A generator for each stream, so that one more draw in a stream leaves the others as they were.
        Random own(random.next());
        streams.push_back(random_stream(own, options.shape));
    }
    return streams;
}

void write_file(const std::string& path, const std::string& bytes) {
    if (FILE* file = std::fopen(path.c_str(), "wb")) {
        std::fwrite(bytes.data(), 1, bytes.size(), file);
        std::fclose(file);
    }
}

void report(const Options& options, Oracle& oracle, Progress& progress, u64 seed, i64 index,
            const Stream* stream) {
    std::string text =
        fmt::format("difference: riscv64_streams {}--faulting={} --inputs={} --streams={} --seed={}",
                    options.self ? "--self " : "", options.shape.faulting_percent, options.shape.inputs,
                    options.streams, seed);
    if (stream) {
        const Stream small = reduced(oracle, *stream);
        text += fmt::format(" --only={}\n", index) + describe_difference(oracle, small);
        if (!options.elf.empty()) write_file(options.elf, build_program({small}).elf);
    } else {
        text += "\n  the streams of this program differ in company, but none was found that does alone\n";
    }
    std::lock_guard guard(progress.lock);
    progress.differences++;
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

/// Reports each stream that differs. Where a program does not end well, one.
void examine(const Options& options, Oracle& oracle, Progress& progress, u64 seed,
             const std::vector<Stream>& streams, const Program& program,
             const std::vector<Outcome>& outcomes) {
    std::set<size_t> suspects;
    if (std::ranges::all_of(outcomes, [](const Outcome& outcome) { return outcome.failure.empty(); }))
        for (size_t run : differing_runs(outcomes, program.runs.size()))
            suspects.insert(program.runs[run].stream);
    bool found = false;
    for (size_t suspect : suspects) {
        if (progress.differences >= options.differences) return;
        if (oracle.agrees({streams[suspect]})) continue;
        found = true;
        report(options, oracle, progress, seed, static_cast<i64>(suspect), &streams[suspect]);
    }
    if (found) return;
    const std::optional<size_t> one = find_differing_stream(oracle, streams);
    report(options, oracle, progress, seed, one ? static_cast<i64>(*one) : -1,
           one ? &streams[*one] : nullptr);
}

void count(const Options& options, Progress& progress, const std::vector<Stream>& streams,
           const Program& program, const Outcome& outcome) {
    progress.runs += program.runs.size();
    for (size_t run = 0; outcome.failure.empty() && run < program.runs.size(); run++)
        progress.faults += outcome.block(run).signal != 0;
    u64 instructions = 0;
    std::lock_guard guard(progress.lock);
    for (const Stream& stream : streams) {
        instructions += stream.items.size() * options.shape.inputs;
        for (const Item& item : stream.items) progress.rows.insert(item.inst.id);
    }
    // A sign of life for a person who waits for a long run.
    constexpr u64 step = 10'000'000;
    const u64 before = progress.instructions.fetch_add(instructions);
    if (before / step != (before + instructions) / step)
        fmt::print(stderr, "{} million instructions\n", (before + instructions) / 1'000'000);
}

void work(const Options& options, const std::string& directory, Progress& progress) {
    Oracle oracle(engines(options), directory);
    while (progress.instructions < options.instructions && progress.differences < options.differences) {
        const u64 seed = options.seed + progress.next_program++;
        std::vector<Stream> streams = program_streams(options, seed);
        const Program program = build_program(streams);
        const std::vector<Outcome> outcomes = oracle.run(program);
        if (!all_agree(outcomes)) examine(options, oracle, progress, seed, streams, program, outcomes);
        count(options, progress, streams, program, outcomes[0]);
    }
}

/// The stream of --only, as it is and reduced.
int work_on_one(const Options& options, const std::string& directory) {
    Oracle oracle(engines(options), directory);
    const std::vector<Stream> streams = program_streams(options, options.seed);
    const size_t index = std::min(static_cast<size_t>(options.only), streams.size() - 1);
    if (oracle.agrees({streams[index]})) {
        std::puts("no difference");
        return 0;
    }
    Progress progress;
    report(options, oracle, progress, options.seed, static_cast<i64>(index), &streams[index]);
    return 1;
}

/// How many rows of the scope no stream contained. None may be missing in a run of some size.
size_t report_missing_rows(const Options& options, const Progress& progress) {
    size_t missing = 0;
    for (riscv64::InstId id : rows_in_scope(options.shape.scope)) {
        if (progress.rows.contains(id)) continue;
        missing++;
        fmt::print("not tested: {}\n", riscv64::info(id).mnemonic());
    }
    return missing;
}

int run(const Options& options) {
    const char* directory = std::getenv("TMPDIR");
    if (!directory) directory = "/tmp";
    if (options.only >= 0) return work_on_one(options, directory);

    Progress progress;
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> jobs;
    for (u64 n = 0; n < options.jobs; n++) jobs.emplace_back([&] { work(options, directory, progress); });
    for (std::thread& job : jobs) job.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    const size_t missing = report_missing_rows(options, progress);
    fmt::print(
        "{} instructions in {} programs, seeds {} to {}: {} differences; {} of {} runs ended by a fault; {} "
        "of {} table "
        "rows; {:.1f} s, {:.0f} per second\n",
        progress.instructions.load(), progress.next_program.load(), options.seed,
        options.seed + progress.next_program - 1, progress.differences.load(), progress.faults.load(),
        progress.runs.load(), rows_in_scope(options.shape.scope).size() - missing,
        rows_in_scope(options.shape.scope).size(), seconds,
        static_cast<double>(progress.instructions) / seconds);
    const bool large = options.instructions >= 1'000'000;
    return progress.differences != 0 || (large && missing != 0) ? 1 : 0;
}

}  // namespace
}  // namespace kiln::fuzz

int main(int argc, char** argv) {
    kiln::fuzz::Options options;
    for (int i = 1; i < argc; i++) {
        if (kiln::fuzz::read_option(options, argv[i])) continue;
        std::fputs(kiln::fuzz::usage, stderr);
        return 2;
    }
    return kiln::fuzz::run(options);
}

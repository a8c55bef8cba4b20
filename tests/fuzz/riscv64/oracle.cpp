// Starts engines as processes and reads what the test program wrote.
#include "fuzz/riscv64/oracle.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace kiln::fuzz {
namespace {

/// A program takes some hundredths of a second; one that takes so long does not end.
constexpr rlim_t cpu_seconds = 30;

std::string how_it_ended(int status) {
    if (WIFSIGNALED(status)) return std::string("killed by ") + strsignal(WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) return "exit status " + std::to_string(WEXITSTATUS(status));
    return {};
}

/// With a misaligned atomic access the kernel gives the instruction's address (tests/linux/guests/faults.c checks it), but
/// qemu-user the access's.
void leave_out_known_differences(Outcome& outcome) {
    for (size_t at = Layout::page; at < outcome.output.size(); at += sizeof(Block)) {
        auto& block = *reinterpret_cast<Block*>(outcome.output.data() + at);
        if (block.signal == SIGBUS && block.signal_code == BUS_ADRALN) block.signal_address = 0;
    }
}

}  // namespace

Oracle::Oracle(std::vector<Engine> engines, const std::string& directory) : engines_(std::move(engines)) {
    path_ = directory + "/riscv64_streams.XXXXXX";
    const int file = mkstemp(path_.data());
    KILN_CHECK(file >= 0 && fchmod(file, 0700) == 0);
    close(file);
}

Oracle::~Oracle() { unlink(path_.c_str()); }

std::vector<Outcome> Oracle::run(const Program& program) {
    const int file = open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    KILN_CHECK(file >= 0);
    KILN_CHECK(write(file, program.elf.data(), program.elf.size()) ==
               static_cast<ssize_t>(program.elf.size()));
    close(file);
    std::vector<Outcome> outcomes;
    for (const Engine& engine : engines_)
        outcomes.push_back(run_under(engine, output_bytes(program.runs.size())));
    return outcomes;
}

Outcome Oracle::run_under(const Engine& engine, size_t expected_bytes) {
    std::vector<char*> arguments;
    for (const std::string& word : engine.command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(path_.data());
    arguments.push_back(nullptr);
    const int output = memfd_create("output", MFD_CLOEXEC);
    KILN_CHECK(output >= 0);
    const pid_t child = fork();
    KILN_CHECK(child >= 0);
    if (child == 0) {
        const rlimit cpu = {cpu_seconds, cpu_seconds}, core = {0, 0};
        setrlimit(RLIMIT_CPU, &cpu);
        setrlimit(RLIMIT_CORE, &core);
        dup2(output, STDOUT_FILENO);
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    KILN_CHECK(waitpid(child, &status, 0) == child);

    Outcome outcome;
    outcome.failure = how_it_ended(status);
    const off_t bytes = lseek(output, 0, SEEK_END);
    outcome.output.resize(static_cast<size_t>(bytes));
    KILN_CHECK(pread(output, outcome.output.data(), outcome.output.size(), 0) == bytes);
    close(output);
    if (outcome.failure.empty() && outcome.output.size() != expected_bytes)
        outcome.failure = "wrote " + std::to_string(bytes) + " bytes of " + std::to_string(expected_bytes);
    if (outcome.failure.empty()) leave_out_known_differences(outcome);
    return outcome;
}

bool Oracle::agrees(const std::vector<Stream>& streams) { return all_agree(run(build_program(streams))); }

bool Oracle::differs(const std::vector<Stream>& streams) {
    const std::vector<Outcome> outcomes = run(build_program(streams));
    return outcomes[0].failure.empty() && !all_agree(outcomes);
}

std::vector<size_t> differing_runs(const std::vector<Outcome>& outcomes, size_t runs) {
    std::vector<size_t> differing;
    for (size_t run = 0; run < runs; run++) {
        const auto differs = [&](const Outcome& outcome) {
            return std::memcmp(&outcome.block(run), &outcomes[0].block(run), sizeof(Block)) != 0;
        };
        if (std::ranges::any_of(outcomes, differs)) differing.push_back(run);
    }
    return differing;
}

bool all_agree(const std::vector<Outcome>& outcomes) {
    return std::ranges::all_of(outcomes, [&](const Outcome& outcome) {
        return outcome.failure.empty() && outcome.output == outcomes[0].output;
    });
}

}  // namespace kiln::fuzz

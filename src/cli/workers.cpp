#include "cli/workers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace kiln::cli {
namespace {

/// What a process writes into its pipe, which holds it.
struct Message {
    int verdict;
    u32 text_bytes;
    u64 figures[4];
    char text[1000];
};

struct Worker {
    std::size_t job;
    int pipe;
};

[[noreturn]] void work(const std::function<JobReport(std::size_t)>& job, std::size_t number, int pipe) {
    const JobReport report = job(number);
    Message message{};
    message.verdict = report.verdict;
    message.text_bytes = static_cast<u32>(std::min(report.text.size(), sizeof message.text));
    std::ranges::copy(report.figures, message.figures);
    std::memcpy(message.text, report.text.data(), message.text_bytes);
    (void)!write(pipe, &message, sizeof message);
    _exit(0);
}

JobReport report_of(int pipe) {
    Message message;
    JobReport report;
    report.verdict = job_crashed;
    if (read(pipe, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) return report;
    report.verdict = message.verdict;
    report.text.assign(message.text, std::min<std::size_t>(message.text_bytes, sizeof message.text));
    std::ranges::copy(message.figures, report.figures);
    return report;
}

}  // namespace

bool run_jobs(std::size_t count, unsigned parallel, const std::function<JobReport(std::size_t)>& job,
              const std::function<void(std::size_t, const JobReport&)>& done) {
    std::map<pid_t, Worker> workers;
    for (std::size_t next = 0; next < count || !workers.empty();) {
        if (next < count && workers.size() < std::max(1u, parallel)) {
            int ends[2];
            if (pipe(ends) != 0) return false;
            const pid_t child = fork();
            if (child == 0) work(job, next, ends[1]);
            close(ends[1]);
            if (child < 0) {
                close(ends[0]);
                return false;
            }
            workers[child] = {next++, ends[0]};
            continue;
        }
        const pid_t ended = waitpid(-1, nullptr, 0);
        const auto worker = workers.find(ended);
        if (worker == workers.end()) {
            if (ended < 0) return false;
            continue;
        }
        done(worker->second.job, report_of(worker->second.pipe));
        close(worker->second.pipe);
        workers.erase(worker);
    }
    return true;
}

}  // namespace kiln::cli

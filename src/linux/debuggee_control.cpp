// The debugger's side: stopping and resuming guest threads, and what can be asked of them.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "linux/debuggee.h"
#include "linux/guest_memory.h"
#include "linux/own_descriptors.h"
#include "linux/proc_files.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

using run::ResumeMode;
using run::Resumption;
using run::StopEvent;
using run::StopKind;
using run::ThreadNumber;

/// Its address marks kicks.
char kick_mark;

void kick(pid_t thread) {
    siginfo_t info{};
    info.si_signo = SIGBUS;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_ptr = &kick_mark;
    host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()), static_cast<u64>(thread), SIGBUS,
                 reinterpret_cast<u64>(&info));
}

/// Whether an event says something that is still true, and unknown to the debugger, after another thread's
/// event came first. A breakpoint that is still there is run into again.
bool outlives_resume(StopKind kind) {
    switch (kind) {
        case StopKind::signal:
        case StopKind::watchpoint:
        case StopKind::call_entry:
        case StopKind::call_return:
        case StopKind::fork:
        case StopKind::vfork:
        case StopKind::vfork_done:
        case StopKind::execute:
        case StopKind::executed:
        case StopKind::ended:
        case StopKind::killed: return true;
        case StopKind::interrupt:
        case StopKind::breakpoint:
        case StopKind::step:
        case StopKind::none_left: return false;
    }
    return false;
}

}  // namespace

bool is_kick(const siginfo_t& info) {
    return info.si_code == SI_QUEUE && info.si_value.sival_ptr == &kick_mark;
}

DebuggedThread* DebuggedProcess::find(ThreadNumber number) const {
    for (const DebuggedThread& known : threads_)
        if (known.thread.tid == number) return const_cast<DebuggedThread*>(&known);
    return nullptr;
}

// ---- Stopping and going on ----

void DebuggedProcess::wake_debugger() {
    if (debugger_thread_ != 0) kick(debugger_thread_);
}

void DebuggedProcess::stop_all(Lock& lock) {
    using namespace std::chrono_literals;
    constexpr auto kick_again = 20ms;
    constexpr int patience = 5;  // kicks, for threads that wait in the kernel and cannot be interrupted
    all_stopped_ = true;
    for (DebuggedThread& known : threads_) known.mode = ResumeMode::hold;
    for (int kicks = 0;; ++kicks) {
        bool running = false, calling = false;
        for (DebuggedThread& known : threads_) {
            if (known.parked) continue;
            (known.in_call ? calling : running) = true;
            kick(known.thread.tid);
        }
        if (!running && (!calling || kicks >= patience)) return;
        changed_.wait_for(lock, kick_again, [&] {
            return std::ranges::all_of(threads_, [](const DebuggedThread& known) { return known.parked; });
        });
    }
}

void DebuggedProcess::resume(std::span<const Resumption> resumptions) {
    // Nobody is in translated code now.
    process_.engine.set_stops(breakpoints_);
    process_.engine.set_watching(!watched_.empty());
    const std::scoped_lock lock(mutex_);
    all_stopped_ = false;
    for (DebuggedThread& known : threads_) known.resumed = false;
    for (const Resumption& how : resumptions) {
        DebuggedThread* known = find(how.thread);
        if (known == nullptr || how.mode == ResumeMode::hold) continue;
        if (known->event && !outlives_resume(known->event->kind)) known->event.reset();
        known->watch.ranges = watched_;
        known->resumed = true;
        known->mode = how.mode;
        known->signal = how.signal;
        known->range_begin = how.range_begin;
        known->range_end = how.range_end;
    }
    changed_.notify_all();
}

void DebuggedProcess::interrupt() {
    const std::scoped_lock lock(mutex_);
    interrupted_ = true;
}

void DebuggedProcess::wait(int descriptor) {
    {
        const std::scoped_lock lock(mutex_);
        debugger_thread_ = static_cast<pid_t>(host_syscall(SYS_gettid));
        if (interrupted_) return;
        for (const DebuggedThread& known : threads_)
            if (known.has_news()) return;
    }
    // Kicks are blocked on this thread but here, so none is missed.
    sigset_t all_but_kicks;
    sigfillset(&all_but_kicks);
    sigdelset(&all_but_kicks, SIGBUS);
    pollfd input{descriptor, POLLIN, 0};
    ::ppoll(&input, 1, nullptr, &all_but_kicks);
}

std::optional<StopEvent> DebuggedProcess::next_event() {
    Lock lock(mutex_);
    // A thread that stands still may have something to tell too: when it is resumed.
    const auto with_event = [&] { return std::ranges::find_if(threads_, &DebuggedThread::has_news); };
    auto found = with_event();
    const bool nobody_runs = std::ranges::all_of(
        threads_, [](const DebuggedThread& known) { return known.mode == ResumeMode::hold; });
    if (found == threads_.end() && !interrupted_ && !nobody_runs) return std::nullopt;
    stop_all(lock);
    found = with_event();
    const bool interrupted = std::exchange(interrupted_, false);
    if (found != threads_.end()) {
        found->last_event = *found->event;
        found->event.reset();
        return found->last_event;
    }
    if (interrupted && !threads_.empty()) {
        StopEvent event{.kind = StopKind::interrupt, .thread = threads_.front().thread.tid};
        threads_.front().last_event = event;
        return event;
    }
    return StopEvent{.kind = StopKind::none_left};
}

void DebuggedProcess::detach() {
    process_.engine.set_stops({});
    process_.engine.set_watching(false);
    const std::scoped_lock lock(mutex_);
    active_ = all_stopped_ = false;
    debugger_thread_ = 0;
    for (DebuggedThread& known : threads_) {
        // A signal that stopped the thread is not lost.
        const StopEvent& last = known.event ? *known.event : known.last_event;
        const bool stopped_by_it = known.mode == ResumeMode::hold && last.kind == StopKind::signal;
        known.signal = stopped_by_it && last.signal != SIGTRAP ? last.signal : 0;
        known.event.reset();
        known.mode = ResumeMode::run;
        known.thread.context.watch = nullptr;
    }
    changed_.notify_all();
}

void DebuggedProcess::kill() {
    for (;;) host_syscall(SYS_kill, static_cast<u64>(getpid()), SIGKILL);
}

// ---- What the guest stops for ----

void DebuggedProcess::set_breakpoints(std::vector<GuestAddr> addresses) {
    breakpoints_ = std::move(addresses);
}

void DebuggedProcess::set_watchpoints(std::vector<abi::WatchedRange> ranges) {
    const std::scoped_lock lock(mutex_);
    watched_ = std::move(ranges);
}

void DebuggedProcess::pass_signals(u64 signals) {
    const std::scoped_lock lock(mutex_);
    passed_signals_ = signals;
}

void DebuggedProcess::catch_calls(std::optional<std::vector<u64>> numbers) {
    const std::scoped_lock lock(mutex_);
    caught_calls_ = std::move(numbers);
}

// ---- What there is to see ----

i64 DebuggedProcess::process() const { return getpid(); }

std::vector<ThreadNumber> DebuggedProcess::threads() const {
    const std::scoped_lock lock(mutex_);
    std::vector<ThreadNumber> numbers;
    for (const DebuggedThread& known : threads_) numbers.push_back(known.thread.tid);
    return numbers;
}

std::string DebuggedProcess::thread_name(ThreadNumber number) const {
    const std::string file = "/proc/self/task/" + std::to_string(number) + "/comm";
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char name[32];
    const ssize_t bytes = ::read(fd, name, sizeof name);
    ::close(fd);
    return bytes > 1 ? std::string(name, static_cast<std::size_t>(bytes) - 1) : std::string();
}

abi::Context* DebuggedProcess::registers(ThreadNumber number) {
    const std::scoped_lock lock(mutex_);
    DebuggedThread* known = find(number);
    return known == nullptr ? nullptr : &known->thread.context;
}

const ir::StateLayout& DebuggedProcess::layout() const { return process_.engine.layout(); }
EngineKind DebuggedProcess::engine() const { return process_.engine.kind(); }
void DebuggedProcess::switch_engine(EngineKind kind) { process_.engine.switch_to(kind); }

std::span<const u8> DebuggedProcess::signal_info(ThreadNumber number) const {
    const std::scoped_lock lock(mutex_);
    const DebuggedThread* known = find(number);
    if (known == nullptr || known->last_event.kind != StopKind::signal) return {};
    return {reinterpret_cast<const u8*>(&known->info), sizeof known->info};
}

// The host's rights do not bind /proc/self/mem, so that a debugger can look at guarded and change protected
// pages.
std::size_t DebuggedProcess::read_memory(GuestAddr from, std::span<u8> to) {
    if (memory_file_ < 0) memory_file_ = ::open("/proc/thread-self/mem", O_RDWR | O_CLOEXEC);
    std::size_t done = 0;
    while (done < to.size()) {
        const std::optional<mem::Region> region = process_.memory.find(from + done);
        if (!region) break;
        const std::size_t piece = std::min<u64>(to.size() - done, region->end - (from + done));
        const u8* host = process_.memory.host(from + done);
        ssize_t bytes = ::pread(memory_file_, to.data() + done, piece, reinterpret_cast<off_t>(host));
        if (bytes <= 0) break;
        done += static_cast<std::size_t>(bytes);
    }
    return done;
}

bool DebuggedProcess::write_memory(GuestAddr to, std::span<const u8> from) {
    if (memory_file_ < 0) memory_file_ = ::open("/proc/thread-self/mem", O_RDWR | O_CLOEXEC);
    std::size_t done = 0;
    while (done < from.size()) {
        const std::optional<mem::Region> region = process_.memory.find(to + done);
        if (!region) break;
        const std::size_t piece = std::min<u64>(from.size() - done, region->end - (to + done));
        u8* host = process_.memory.host(to + done);
        ssize_t bytes = ::pwrite(memory_file_, from.data() + done, piece, reinterpret_cast<off_t>(host));
        if (bytes <= 0) break;
        done += static_cast<std::size_t>(bytes);
    }
    process_.engine.invalidate(to, done);
    return done == from.size();
}

std::string DebuggedProcess::executable() const { return process_.program.executable; }

std::span<const u8> DebuggedProcess::auxiliary_vector() const { return process_.program.auxv; }

void DebuggedProcess::separate_descriptors(int keep) {
    if (::unshare(CLONE_FILES) != 0) return;
    std::vector<int> kept{keep};
    if (parents_socket_ >= 0) kept.push_back(parents_socket_);
    for (int own : own_descriptors(process_))
        if (own >= 0) kept.push_back(own);
    std::ranges::sort(kept);
    int next = 0;
    for (int fd : kept) {
        if (fd > next) ::close_range(static_cast<unsigned>(next), static_cast<unsigned>(fd - 1), 0);
        next = fd + 1;
    }
    ::close_range(static_cast<unsigned>(next), ~0u, 0);
}

int DebuggedProcess::open_file(const std::string& path, int flags, int mode) {
    DebuggedThread* any = nullptr;
    {
        const std::scoped_lock lock(mutex_);
        if (!threads_.empty()) any = &threads_.front();
    }
    const int host_flags = process_.arch.open_flags_to_host(flags) | O_CLOEXEC;
    if (any != nullptr)
        if (std::optional<i64> fd = open_proc_file(any->thread, path, host_flags))
            return static_cast<int>(*fd);
    const std::string host = process_.sysroot.translate(path);
    return static_cast<int>(host_syscall(SYS_openat, static_cast<u64>(AT_FDCWD),
                                         reinterpret_cast<u64>(host.c_str()), static_cast<u64>(host_flags),
                                         static_cast<u64>(mode)));
}

int DebuggedProcess::read_link(const std::string& path, std::span<char> target) {
    if (std::optional<std::string> own = proc_link_target(process_, path)) {
        const std::size_t bytes = std::min(own->size(), target.size());
        std::memcpy(target.data(), own->data(), bytes);
        return static_cast<int>(bytes);
    }
    const std::string host = process_.sysroot.translate(path, LastLink::keep);
    return static_cast<int>(host_syscall(SYS_readlinkat, static_cast<u64>(AT_FDCWD),
                                         reinterpret_cast<u64>(host.c_str()),
                                         reinterpret_cast<u64>(target.data()), target.size()));
}

}  // namespace kiln::user

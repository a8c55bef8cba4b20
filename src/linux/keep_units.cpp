#include "linux/keep_units.h"

#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "linux/process.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"
#include "mem/access.h"

namespace kiln::user {
namespace {

/// This process's alone: a child may share the table (CLONE_FILES).
void close_all_descriptors() { host_syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE); }

/// Replaces mapped files by copies where code is, and lets go of the others: a file that is mapped keeps its file system
/// from being unmounted. False when there is no memory.
bool let_go_of_files(mem::AddressSpace& memory) {
    for (const mem::Region& region : memory.regions()) {
        if (region.backing->anonymous) continue;
        u8* const place = memory.host(region.begin);
        if (!(region.prot & PROT_EXEC)) {
            munmap(place, region.bytes());
            continue;
        }
        void* const copy =
            mmap(nullptr, region.bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy == MAP_FAILED) return false;
        // What a file that became shorter does not have is no code.
        (void)mem::copy_from(copy, place, region.bytes());
        if (mremap(copy, region.bytes(), region.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED)
            return false;
    }
    return true;
}

[[noreturn]] void save(Thread& thread, run::Saving& saving) {
    close_all_descriptors();
    setsid();
    setpriority(PRIO_PROCESS, 0, 19);
    // Where this is not allowed, nobody has mounted what could be unmounted.
    unshare(CLONE_NEWNS);
    if (chdir("/") == 0 && let_go_of_files(thread.process.memory))
        thread.process.engine.finish_saving(*thread.engine_thread, saving);
    _exit(0);
}

/// fork(2) for a child that nobody hears of. Only where this is the process's one thread.
pid_t fork_silently() { return static_cast<pid_t>(host_syscall(SYS_clone, 0, 0, 0, 0, 0)); }

void wait_a_moment(pid_t saving) {
    constexpr int most_milliseconds = 2000, step = 2;
    const timespec pause{.tv_nsec = step * 1'000'000};
    for (int waited = 0; waited < most_milliseconds && waitpid(saving, nullptr, WNOHANG) == 0; waited += step)
        nanosleep(&pause, nullptr);
}

}  // namespace

void keep_units(Thread& thread, Next next) {
    Process& process = thread.process;
    const bool alone = process.threads <= 1, ends = next == Next::it_ends;
    if (thread.shares_parent_memory || process.debugged != nullptr || (!ends && !alone)) return;
    if (next != Next::it_goes_on) process.engine.end_use();
    if (!process.saves_units) return;
    const std::unique_ptr<run::Saving> saving = process.engine.begin_saving();
    if (saving == nullptr) return;
    // Before the child has them: somebody may wait for the other end of a pipe to close, or for a lock.
    if (ends && alone) close_all_descriptors();
    auto engine = process.engine.freeze();
    auto memory = process.memory.freeze();
    const SignalsBlocked blocked;
    const auto save_in_child = [&] {
        engine.unlock();
        memory.unlock();
        save(thread, *saving);
    };
    if (ends) {
        const pid_t child = fork();
        if (child == 0) save_in_child();
        if (child > 0 && getpid() == 1) wait_a_moment(child);
        return;
    }
    // The program goes on and may wait for its children: the one that saves must not be one of them.
    const pid_t middle = fork_silently();
    if (middle == 0) {
        if (fork_silently() == 0) save_in_child();
        _exit(0);
    }
    if (middle > 0) host_syscall(SYS_wait4, static_cast<u64>(middle), 0, __WALL, 0);
}

void keep_units_now_and_then(Thread& thread) {
    Process& process = thread.process;
    if (process.request.save_every == 0) return;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    // Who moves the time on is the one to save.
    i64 due = process.save_due.load(std::memory_order_relaxed);
    const i64 later = now.tv_sec + static_cast<i64>(process.request.save_every);
    if ((due != 0 && now.tv_sec < due) || !process.save_due.compare_exchange_strong(due, later)) return;
    if (due != 0) keep_units(thread, Next::it_goes_on);
}

}  // namespace kiln::user

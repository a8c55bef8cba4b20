// Calls about the process and the machine: uname(2), limits. Elsewhere: prctl.cpp, clone.cpp, exec.cpp, the
// end of threads and processes in threads.cpp.
#include <linux/kcmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "linux/guest_memory.h"
#include "linux/other_guests.h"
#include "linux/own_descriptors.h"
#include "linux/proc_files.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

i64 change_memory_limit(Thread& thread, int resource, const rlimit* wanted, rlimit& before) {
    Process& process = thread.process;
    std::scoped_lock lock(process.limits_mutex);
    MemoryLimits& limits = thread.own_limits ? *thread.own_limits : process.limits;
    before = limits.get(resource);
    if (wanted == nullptr) return 0;
    if (i64 error = limits.set(resource, *wanted); error < 0) return error;
    if (!thread.shares_parent_memory) bind_memory(process);
    return 0;
}

i64 change_limit(Thread& thread, int pid, int resource, u64 wanted, u64 old) {
    rlimit limit, before;
    if (wanted != 0 && !load(thread, wanted, limit)) return -EFAULT;
    const rlimit* change = wanted != 0 ? &limit : nullptr;
    const bool own = pid == 0 || pid == getpid();
    // Another guest's limit would bind the kiln that runs it: it keeps its own.
    const std::string other = "/proc/" + std::to_string(pid) + "/exe";
    if (!own && change != nullptr && MemoryLimits::covers(resource) &&
        proc_link_target(thread.process, other))
        return -EPERM;
    i64 result = own && MemoryLimits::covers(resource)
                     ? change_memory_limit(thread, resource, change, before)
                     : host_syscall(SYS_prlimit64, static_cast<u64>(pid), static_cast<u64>(resource),
                                    reinterpret_cast<u64>(change), reinterpret_cast<u64>(&before));
    if (result < 0) return result;
    if (!own && MemoryLimits::covers(resource)) before = limit_of_other(pid, resource).value_or(before);
    return old == 0 || store(thread, old, before) ? 0 : -EFAULT;
}

}  // namespace

void bind_memory(Process& process) {
    show_limits(process.limits);
    show_descriptors(own_descriptors(process));
    process.memory.set_bounds(
        {.total = process.limits.get(RLIMIT_AS).rlim_cur, .data = process.limits.get(RLIMIT_DATA).rlim_cur});
}

i64 calls::uname(Thread& thread, const Call& call) {
    utsname name;
    if (i64 result = host_syscall(SYS_uname, reinterpret_cast<u64>(&name)); result < 0) return result;
    const Process& process = thread.process;
    auto set = [](auto& field, std::string_view text) {
        std::memset(field, 0, sizeof field);
        std::memcpy(field, text.data(), std::min(text.size(), sizeof field - 1));
    };
    set(name.machine, process.arch.elf_target().name);
    // glibc for young architectures refuses kernels it thinks too old.
    if (!process.request.release.empty())
        set(name.release, process.request.release);
    else if (std::atoi(name.release) < 6)
        set(name.release, "6.1.0");
    return store(thread, call[0], name) ? 0 : -EFAULT;
}

i64 calls::getrlimit(Thread& thread, const Call& call) {
    const i64 result = change_limit(thread, 0, call.word(0), 0, call[1]);
    return result == 0 && call[1] == 0 ? -EFAULT : result;
}

i64 calls::setrlimit(Thread& thread, const Call& call) {
    return call[1] == 0 ? -EFAULT : change_limit(thread, 0, call.word(0), call[1], 0);
}

i64 calls::prlimit64(Thread& thread, const Call& call) {
    return change_limit(thread, call.word(0), call.word(1), call[2], call[3]);
}

i64 calls::kcmp(Thread& thread, const Call& call) {
    const u64 second =
        call.word(2) == KCMP_EPOLL_TFD ? reinterpret_cast<u64>(host_pointer(thread, call[4])) : call[4];
    return host_syscall(SYS_kcmp, static_cast<u64>(call.word(0)), static_cast<u64>(call.word(1)),
                        static_cast<u64>(call.word(2)), call[3], second);
}

}  // namespace kiln::user

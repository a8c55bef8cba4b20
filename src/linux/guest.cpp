// From a request to a running guest and its exit status.
#include "linux/guest.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "linux/debuggee.h"
#include "linux/exec.h"
#include "linux/guest_memory.h"
#include "linux/host_view.h"
#include "linux/safe_syscall.h"
#include "linux/signals.h"
#include "linux/threads.h"
#include "run/wiring.h"

namespace kiln::user {

int run_program(const RunRequest& request, std::optional<StartFailure>& failure) {
    const Arch& arch = riscv64_arch();
    auto give_up = [&](Error error) {
        int status = exit_status_of(error.code);
        failure = StartFailure{std::move(error), status};
        return status;
    };
    open_own_executable(request.started_by_binfmt);
    MemoryLimits limits;
    if (auto begun = limits.begin(request.limits); !begun) return give_up(begun.error());
    Sysroot sysroot(request.sysroot);
    mem::AddressSpace::Options space;
    space.base = request.guest_base;
    auto memory = mem::AddressSpace::create(space);
    if (!memory) return give_up(memory.error());
    const u64 stack_bytes =
        request.stack_bytes ? request.stack_bytes : stack_bytes_for(limits.get(RLIMIT_STACK).rlim_cur);
    LoadRequest load{request.program,   request.exec_name,   request.program_file,
                     request.args,      request.environment, sysroot,
                     arch.elf_target(), stack_bytes,         request.seed};
    auto program = load_program(**memory, load);
    if (!program) return give_up(program.error());
    if (request.program_file >= 0) ::close(request.program_file);

    auto engine = run::make_engine(run::frontend_of(run::GuestIsa::riscv64), **memory, request.engine);
    Process process(request, arch, **memory, *engine, sysroot);
    process.program = std::move(*program);
    process.limits = limits;
    bind_memory(process);

    show_on_host(process);

    SignalMask inherited;
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, 0, reinterpret_cast<u64>(&inherited), sizeof inherited);
    HostSignalStack signal_stack;
    abi::Context* state = arch.new_state();
    arch.set_pc(*state, process.program.pc);
    arch.set_stack_pointer(*state, process.program.sp);
    auto thread = std::make_unique<Thread>(process, process.signals, state);
    // As after execve(2), which does not set the flag of a stack that is not there.
    thread->altstack.flags = 0;
    process.threads = 1;
    count(Counter::guest_threads);
    Thread::set_current(thread.get());
    std::optional<DebuggedProcess> debuggee;
    if (request.debugger != nullptr) {
        process.signals.capture_all();
        process.debugged = &debuggee.emplace(process);
        debuggee->enter(*thread);
        if (auto started = request.debugger->start(*debuggee); !started) return give_up(started.error());
    }
    process.signals.inherit(process.memory.base() != 0);  // robust_list.h says why
    set_mask(*thread, inherited);
    run_thread(*thread);

    int status = thread->exit_status;
    if (process.threads.fetch_sub(1) == 1) {
        process.threads = 1;
        end_process(*thread, status);
    }
    if (thread->debugged != nullptr) debuggee->leave(*thread);
    // Others go on: the process lives, and this thread's status becomes the process's, until the last one
    // ends.
    SignalMask all{~u64{0}};
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&all), 0, sizeof all);
    Thread::set_current(nullptr);
    thread.reset();
    for (;;) host_syscall(SYS_exit, static_cast<u64>(status));
}

}  // namespace kiln::user

#include "linux/host_view.h"

#include <linux/prctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "linux/safe_syscall.h"

namespace kiln::user {

void show_on_host(const Process& process) {
    const LoadedProgram& program = process.program;
    // As execve(2) names a process.
    const std::string& name = process.request.exec_name;
    ::prctl(PR_SET_NAME, name.c_str() + (name.rfind('/') + 1));

    const auto host = [&](GuestAddr address) { return reinterpret_cast<u64>(process.memory.host(address)); };
    // The heap stays kiln's: its beginning is not known to us, and need only not lie behind its end.
    const u64 heap_end = static_cast<u64>(host_syscall(SYS_brk, 0));
    prctl_mm_map map{};
    map.start_code = map.start_data = host(program.program_begin);
    map.end_code = map.end_data = host(program.program_end);
    map.start_brk = map.brk = heap_end;
    map.start_stack = host(program.sp);
    map.arg_start = host(program.args_begin);
    map.arg_end = map.env_start = host(program.args_end);
    map.env_end = host(program.environment_end);
    map.exe_fd = ~0u;  // none
    ::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

}  // namespace kiln::user

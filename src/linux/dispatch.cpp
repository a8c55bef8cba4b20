// The table of system calls and the way of one call: registers, handler, result or restart.
#include <fcntl.h>

#include <bit>
#include <cerrno>

#include "linux/guest_memory.h"
#include "linux/host_numbers.h"
#include "linux/keep_units.h"
#include "linux/own_descriptors.h"
#include "linux/safe_syscall.h"
#include "linux/strace.h"

namespace kiln::user {
namespace {

/// Whether path argument `index` stands for a symbolic link itself: the kind says so unless flags do.
LastLink last_link(const Call& call, unsigned index) {
    const bool keep = arg_pass(call.row.args[index]) == ArgPass::link;
    for (unsigned i = 0; i < 6; ++i) {
        if (call.row.args[i] != ArgKind::at_flags_) continue;
        if (call[i] & (keep ? AT_SYMLINK_FOLLOW : AT_SYMLINK_NOFOLLOW))
            return keep ? LastLink::follow : LastLink::keep;
    }
    return keep ? LastLink::keep : LastLink::follow;
}

/// The handler of HOST rows.
template <long host_number>
i64 host_call(Thread& thread, const Call& call) {
    u64 words[6];
    std::optional<PathArg> paths[2];
    unsigned path_count = 0;
    for (unsigned i = 0; i < 6; ++i) switch (arg_pass(call.row.args[i])) {
            case ArgPass::value: words[i] = call[i]; break;
            case ArgPass::open_flags:
                words[i] = static_cast<u64>(thread.process.arch.open_flags_to_host(call.word(i)));
                break;
            case ArgPass::pointer: words[i] = reinterpret_cast<u64>(host_pointer(thread, call[i])); break;
            case ArgPass::path:
            case ArgPass::link:
                words[i] = reinterpret_cast<u64>(
                    paths[path_count++].emplace(thread, call[i], last_link(call, i)).host());
                break;
        }
    return waiting_syscall(thread, host_number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

constexpr std::array<CallRow, call_numbers> make_table() {
    std::array<CallRow, call_numbers> table{};
    for (CallRow& row : table) row.handler = calls::unimplemented;
    using namespace calls;
#define HOST(name) (host_call<SYS_##name>)
#define SYSCALL(number, name, handler, args, meaning) \
    table[number] = {#name, handler, parse_args(args), meaning};
#include "linux/syscalls.def"
#undef SYSCALL
#undef HOST
    return table;
}

constexpr std::array<CallRow, call_numbers> table = make_table();
constexpr CallRow no_row{"", calls::unimplemented, {}, ""};

}  // namespace

const CallRow& call_row(u64 number) { return number < call_numbers ? table[number] : no_row; }

i64 calls::absent(Thread&, const Call&) { return -ENOSYS; }

i64 calls::unimplemented(Thread& thread, const Call& call) {
    if (!log_on(LogItem::unimp)) return -ENOSYS;
    if (!thread.process.unimplemented_said[std::min(call.number, u64{call_numbers})].first()) return -ENOSYS;
    std::string_view name = call.row.name.empty() ? "no such number" : call.row.name;
    log_line({"kiln: unimplemented system call ", Decimal(static_cast<i64>(call.number)), " (", name, ")"});
    return -ENOSYS;
}

namespace {

bool may_not_return(const CallRow& row) {
    for (CallHandler handler :
         {calls::exit, calls::exit_group, calls::execve, calls::execveat, calls::rt_sigreturn})
        if (row.handler == handler) return true;
    return false;
}

}  // namespace

std::vector<NamedCount> Process::call_counts() const {
    std::vector<NamedCount> counts;
    for (u64 number = 0; number < call_numbers; ++number)
        if (u64 made = calls[number].load(std::memory_order_relaxed); made != 0)
            counts.push_back({call_row(number).name, made});
    return counts;
}

void make_call(Thread& thread) {
    const Arch& arch = thread.process.arch;
    u64 number = arch.call_number(thread.context);
    Call call{number, call_row(number), arch.call_args(thread.context)};
    if (number < call_numbers) thread.process.calls[number].fetch_add(1, std::memory_order_relaxed);
    count(Counter::syscalls);
    if (thread.process.engine.has_unsaved()) keep_units_now_and_then(thread);
    const bool traced = log_on(LogItem::strace);
    // A call that does not return has its line before it is made.
    std::string before;
    if (traced) {
        before = format_before(thread, call);
        if (may_not_return(call.row)) trace_call(thread, before + " = ?");
    }
    for (unsigned left = call.row.args.descriptors; left != 0; left &= left - 1) {
        u64& descriptor = call.args[static_cast<unsigned>(std::countr_zero(left))];
        if (is_own_descriptor(thread.process, static_cast<int>(descriptor))) descriptor = no_descriptor;
    }
    i64 result = call.row.handler(thread, call);
    // The kernel may have been refused a page only because code that was made from it is watched.
    if (result == -EFAULT && thread.process.engine.allow_writes(GuestAddr(0), thread.process.memory.limit()))
        result = call.row.handler(thread, call);
    if (traced && result != registers_set) trace_call(thread, format_call(thread, call, before, result));
    if (result == registers_set) return;
    if (result == restart_always || result == restart_without_handler) {
        thread.interrupted_call = result;
        return;
    }
    arch.set_call_result(thread.context, result);
}

}  // namespace kiln::user

// prctl(2) and keyctl(2): calls with a request of their own; prctls.def and keyctls.def have them.
#include <sys/syscall.h>

#include "linux/guest_memory.h"
#include "linux/requests.h"
#include "linux/safe_syscall.h"

namespace kiln::user {
namespace {

i64 tid_address(Thread& thread, const Call& call) {
    return store(thread, call[1], thread.clear_child_tid) ? 0 : -EFAULT;
}

i64 name_memory(Thread& thread, const Call& call) {
    if (call[1] != PR_SET_VMA_ANON_NAME) return -EINVAL;
    if (call[2] % mem::page_bytes != 0) return -EINVAL;
    if (!thread.process.memory.contains(call.address(2), call[3])) return -ENOMEM;
    constexpr std::size_t longest = 80;
    std::string name;
    if (call[4] != 0) {
        std::optional<std::string> given = thread.process.memory.read_string(call.address(4), longest);
        if (!given) return -EFAULT;
        if (given->size() == longest) return -EINVAL;
        for (char c : *given)
            if (c < ' ' || c > '~' || std::string_view("[]\\$`").find(c) != std::string_view::npos)
                return -EINVAL;
        name = "[anon:" + *given + "]";
    }
    thread.process.memory.set_name(call.address(2), call[3], std::move(name));
    return 0;
}

i64 auxiliary_vector(Thread& thread, const Call& call) {
    if (call[3] != 0 || call[4] != 0) return -EINVAL;
    const auto& vector = thread.process.program.auxv;
    const u64 bytes = std::min<u64>(call[2], vector.size());
    if (!thread.process.memory.write(call.address(1), vector.data(), bytes)) return -EFAULT;
    return static_cast<i64>(vector.size());
}

i64 pass_on(Thread& thread, const Call& call, long number, const ArgList& args) {
    u64 words[4];
    for (unsigned i = 0; i < 4; ++i) words[i] = host_argument(thread, args[i], call[i + 1]);
    return waiting_syscall(thread, number, call.word(0), words[0], words[1], words[2], words[3]);
}

/// From now on processes whose parent has ended become this one's children: those that save units would, too.
i64 adopt_orphans(Thread& thread, const Call& call) {
    if (call[1] != 0) thread.process.saves_units = false;
    return pass_on(thread, call, SYS_prctl, *prctl_args(call.word(0)));
}

}  // namespace

i64 calls::prctl(Thread& thread, const Call& call) {
    constexpr CallHandler HOST = nullptr;
    auto handler_of = [&](int operation) -> std::optional<CallHandler> {
        switch (operation) {
#define PRCTL(name, handler, args, meaning) \
    case name: return handler;
#include "linux/prctls.def"
#undef PRCTL
            default: return std::nullopt;
        }
    };
    const std::optional<CallHandler> handler = handler_of(call.word(0));
    if (!handler) return -EINVAL;
    if (*handler != HOST) return (*handler)(thread, call);
    return pass_on(thread, call, SYS_prctl, *prctl_args(call.word(0)));
}

i64 calls::keyctl(Thread& thread, const Call& call) {
    const std::optional<ArgList> args = keyctl_args(call.word(0));
    return args ? pass_on(thread, call, SYS_keyctl, *args) : -EOPNOTSUPP;
}

}  // namespace kiln::user

#include "linux/requests.h"

#include <sys/sem.h>

#include "linux/guest_memory.h"
#include "linux/ioctl_requests.h"

namespace kiln::user {

std::optional<ArgList> ioctl_args(u32 request) {
    switch (request) {
#define IOCTL(name, args, meaning) \
    case static_cast<u32>(name): return parse_args(args);
#include "linux/ioctls.def"
#undef IOCTL
        default: return std::nullopt;
    }
}

std::optional<ArgList> fcntl_args(int command) {
    switch (command) {
#define FCNTL(name, args, meaning) \
    case name: return parse_args(args);
#include "linux/fcntls.def"
#undef FCNTL
        default: return std::nullopt;
    }
}

std::optional<ArgList> prctl_args(int operation) {
    switch (operation) {
#define PRCTL(name, handler, args, meaning) \
    case name: return parse_args(args);
#include "linux/prctls.def"
#undef PRCTL
        default: return std::nullopt;
    }
}

std::optional<ArgList> keyctl_args(int operation) {
    switch (operation) {
#define KEYCTL(name, args, meaning) \
    case name: return parse_args(args);
#include "linux/keyctls.def"
#undef KEYCTL
        default: return std::nullopt;
    }
}

std::optional<ArgList> semctl_args(int command) {
    switch (command) {
        case SETVAL: return parse_args("int");
        case GETALL:
        case SETALL:
        case IPC_INFO:
        case SEM_INFO: return parse_args("ptr");
        case IPC_STAT:
        case SEM_STAT:
        case SEM_STAT_ANY: return parse_args(">semid_ds");
        case IPC_SET: return parse_args("semid_ds");
        default: return ArgList{};
    }
}

u64 host_argument(const Thread& thread, ArgKind kind, u64 value) {
    switch (arg_pass(kind)) {
        case ArgPass::value: return value;
        case ArgPass::open_flags:
            return static_cast<u64>(thread.process.arch.open_flags_to_host(static_cast<int>(value)));
        case ArgPass::pointer:
        case ArgPass::path:
        case ArgPass::link: break;
    }
    return reinterpret_cast<u64>(host_pointer(thread, value));
}

}  // namespace kiln::user

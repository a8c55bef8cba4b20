// The system call table, the conversions and the text of -strace, without a running guest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>
#include <regex>
#include <set>

#include "abi/riscv64/state.h"
#include "linux/guest_memory.h"
#include "linux/guest_stat.h"
#include "linux/process.h"
#include "linux/signals.h"
#include "linux/strace.h"
#include "linux/strace_show.h"
#include "mem/fault.h"
#include "run/wiring.h"

namespace kiln::user {
namespace {

class Syscalls : public testing::Test {
  protected:
    Syscalls() {
        mem::install_fault_handlers();
        auto space = mem::AddressSpace::create({});
        memory = std::move(*space);
        engine = run::make_engine(run::frontend_of(run::GuestIsa::riscv64), *memory, {});
        process = std::make_unique<Process>(request, riscv64_arch(), *memory, *engine, sysroot);
        thread = std::make_unique<Thread>(*process, process->signals, process->arch.new_state());
        page = GuestAddr(static_cast<u64>(
            memory->map(GuestAddr(0), 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    }

    static u64 number_of(std::string_view name) {
        for (u64 number = 0; number < call_numbers; ++number)
            if (call_row(number).name == name) return number;
        ADD_FAILURE() << name;
        return 0;
    }
    Call call(std::string_view name, Args args) {
        u64 number = number_of(name);
        return {number, call_row(number), args};
    }
    /// The line for a call that gave `result`.
    std::string line(std::string_view name, Args args, i64 result) {
        Call made = call(name, args);
        return format_call(*thread, made, format_before(*thread, made), result);
    }
    u64 put(u64 offset, const void* data, std::size_t bytes) {
        EXPECT_TRUE(memory->write(page + offset, data, bytes));
        return (page + offset).raw;
    }
    u64 put(u64 offset, const char* text) { return put(offset, text, std::strlen(text) + 1); }

    RunRequest request;
    Sysroot sysroot;
    std::unique_ptr<mem::AddressSpace> memory;
    std::unique_ptr<run::Engine> engine;
    std::unique_ptr<Process> process;
    std::unique_ptr<Thread> thread;
    GuestAddr page;
};

TEST_F(Syscalls, NumbersAreThoseOfTheKernelsHeader) {
    std::ifstream header("/usr/riscv64-linux-gnu/include/asm-generic/unistd.h");
    if (!header) GTEST_SKIP() << "no cross headers";
    std::regex define(R"(#define __NR(3264)?_(\w+)\s+(\d+))");
    int compared = 0;
    for (std::string text; std::getline(header, text);) {
        std::smatch match;
        if (!std::regex_search(text, match, define)) continue;
        std::string name = match[2];
        u64 number = std::stoull(match[3]);
        // Those with 64-bit times are for 32-bit machines; the rest are not calls.
        if ((number >= 403 && number <= 423) || name == "syscalls" || name == "arch_specific_syscall")
            continue;
        if (name == "fstatat") name = "newfstatat";
        // The same number as sync_file_range, under the name it has on other machines.
        if (name == "sync_file_range2") continue;
        EXPECT_EQ(call_row(number).name, name) << number;
        ++compared;
    }
    EXPECT_GT(compared, 300);
}

TEST_F(Syscalls, EveryRowHasAHandlerAndItsOwnName) {
    std::set<std::string_view> names;
    for (u64 number = 0; number < call_numbers; ++number) {
        const CallRow& row = call_row(number);
        ASSERT_NE(row.handler, nullptr);
        if (!row.name.empty()) {
            EXPECT_TRUE(names.insert(row.name).second) << row.name;
        }
    }
    EXPECT_EQ(call_row(5000).handler, call_row(250).handler);
}

TEST_F(Syscalls, StatIsConvertedFieldByField) {
    struct stat host{};
    host.st_dev = 1;
    host.st_ino = 2;
    host.st_mode = 0100644;
    host.st_nlink = 3;
    host.st_uid = 4;
    host.st_gid = 5;
    host.st_rdev = 6;
    host.st_size = 7;
    host.st_blksize = 8;
    host.st_blocks = 9;
    host.st_atim = {10, 11};
    host.st_mtim = {12, 13};
    host.st_ctim = {14, 15};
    GuestStat guest = guest_stat(host);
    // As words, so that the offsets are checked too.
    u32 words[32];
    std::memcpy(words, &guest, sizeof words);
    const u32 expected[32] = {1, 0, 2,  0, 0100644, 3, 4,  5, 6,  0, 0,  0, 7,  0, 8, 0,
                              9, 0, 10, 0, 11,      0, 12, 0, 13, 0, 14, 0, 15, 0, 0, 0};
    for (int i = 0; i < 32; ++i) EXPECT_EQ(words[i], expected[i]) << "word " << i;
}

TEST_F(Syscalls, ASignalFrameKeepsEveryRegister) {
    auto& state = reinterpret_cast<riscv64::State&>(thread->context);
    for (u64 i = 1; i < 32; ++i) state.x[i] = 0x1000 + i;
    for (u64 i = 0; i < 32; ++i) state.f[i] = 0x2000 + i;
    state.pc = 0x3000;
    state.frm = 2;
    state.context.fp_flags = 21;
    state.x[2] = page.raw + 8000;
    siginfo_t info{};
    info.si_signo = SIGUSR1;
    SignalAction action{0x4000, 0, {}};
    AltStack altstack{0x5000, 0, 0, 0x6000};
    ASSERT_TRUE(process->arch.push_signal_frame(thread->context, *memory, GuestAddr(state.x[2]), SIGUSR1,
                                                info, action, GuestAddr(0x7000), SignalMask{0x55}, altstack));
    EXPECT_EQ(state.pc, 0x4000u);
    EXPECT_EQ(state.x[1], 0x7000u);
    EXPECT_EQ(state.x[10], static_cast<u64>(SIGUSR1));
    EXPECT_EQ(state.x[11], state.x[2]);
    EXPECT_EQ(state.x[12], state.x[2] + 128);
    EXPECT_EQ(state.x[2] % 16, 0u);
    // Offsets of struct ucontext: the mask at 40, pc at 176, x31 at 424, f0 at 432, fcsr at 688.
    u64 mask = 0, pc = 0, x31 = 0, f0 = 0;
    u32 fcsr = 0;
    u64 context = state.x[12];
    ASSERT_TRUE(load(*thread, context + 40, mask) && load(*thread, context + 176, pc) &&
                load(*thread, context + 424, x31) && load(*thread, context + 432, f0) &&
                load(*thread, context + 688, fcsr));
    EXPECT_EQ(mask, 0x55u);
    EXPECT_EQ(pc, 0x3000u);
    EXPECT_EQ(x31, 0x101fu);
    EXPECT_EQ(f0, 0x2000u);
    EXPECT_EQ(fcsr, 2u << 5 | 21u);

    u64 frame = state.x[2];
    std::memset(state.x, 0, sizeof state.x);
    std::memset(state.f, 0, sizeof state.f);
    state.frm = state.context.fp_flags = 0;
    state.x[2] = frame;
    SignalMask restored;
    AltStack stack;
    ASSERT_TRUE(process->arch.pop_signal_frame(thread->context, *memory, restored, stack));
    EXPECT_EQ(restored.bits, 0x55u);
    EXPECT_EQ(stack.sp, 0x5000u);
    EXPECT_EQ(state.pc, 0x3000u);
    EXPECT_EQ(state.x[2], page.raw + 8000);
    for (u64 i = 3; i < 32; ++i) EXPECT_EQ(state.x[i], 0x1000 + i);
    for (u64 i = 0; i < 32; ++i) EXPECT_EQ(state.f[i], 0x2000 + i);
    EXPECT_EQ(state.frm, 2u);
    EXPECT_EQ(state.context.fp_flags, 21u);
}

TEST_F(Syscalls, AFrameThatCannotBeWrittenChangesNothing) {
    auto& state = reinterpret_cast<riscv64::State&>(thread->context);
    state.pc = 0x3000;
    EXPECT_FALSE(process->arch.push_signal_frame(thread->context, *memory, GuestAddr(page.raw + 100), SIGUSR1,
                                                 {}, {}, GuestAddr(0), {}, {}));
    EXPECT_EQ(state.pc, 0x3000u);
}

TEST_F(Syscalls, PathsAndFlagsReadLikeStrace) {
    u64 path = put(0, "/etc/\"x\"\n");
    EXPECT_EQ(
        line("openat", {static_cast<u64>(AT_FDCWD), path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644}, -ENOENT),
        "openat(AT_FDCWD, \"/etc/\\\"x\\\"\\n\", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) "
        "= -1 ENOENT (No such file or directory)");
    EXPECT_EQ(line("openat", {5, path, 0, 0}, 3), "openat(5, \"/etc/\\\"x\\\"\\n\", O_RDONLY, 000) = 3");
    EXPECT_EQ(line("faccessat", {static_cast<u64>(AT_FDCWD), 8, 4}, -EFAULT),
              "faccessat(AT_FDCWD, 0x8, R_OK)           = -1 EFAULT (Bad address)");
}

TEST_F(Syscalls, BuffersAreCutAndEscaped) {
    u64 text = put(0, "0123456789012345678901234567890123456789");
    EXPECT_EQ(line("write", {1, text, 40}, 40), "write(1, \"01234567890123456789012345678901\"..., 40) = 40");
    u64 bytes = put(100,
                    "\0\1\xff"
                    "8",
                    4);
    EXPECT_EQ(line("write", {1, bytes, 4}, 4), "write(1, \"\\0\\1\\3778\", 4)                 = 4");
    // What was read is known only afterwards, and only as much as was read.
    EXPECT_EQ(line("read", {0, text, 100}, 3), "read(0, \"012\", 100)                      = 3");
    EXPECT_EQ(line("read", {0, text, 100}, -EINTR).find("read(0, 0x"), 0u);
}

TEST_F(Syscalls, MemoryCallsHaveNamesAndAddresses) {
    EXPECT_EQ(
        line("mmap", {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~u64{0}, 0}, 0x10000),
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000");
    EXPECT_EQ(line("mprotect", {0x1000, 4096, 0}, 0), "mprotect(0x1000, 4096, PROT_NONE)        = 0");
    EXPECT_EQ(line("mmap", {0, 1, 0x40000000, 0, ~u64{0}, 0}, -EINVAL),
              "mmap(NULL, 1, 0x40000000, 0, -1, 0)      = -1 EINVAL (Invalid argument)");
}

TEST_F(Syscalls, StructuresAreShown) {
    i64 time[2] = {1, 500};
    EXPECT_EQ(line("nanosleep", {put(0, time, sizeof time), 0}, 0),
              "nanosleep({tv_sec=1, tv_nsec=500}, NULL) = 0");
    SignalMask set = SignalMask::of(SIGCHLD) | SignalMask::of(SIGINT);
    EXPECT_EQ(line("rt_sigprocmask", {0, put(0, &set, sizeof set), 0, 8}, 0),
              "rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0");
    set = ~SignalMask::of(SIGKILL);
    EXPECT_EQ(line("rt_sigprocmask", {2, put(0, &set, sizeof set), 0, 8}, 0),
              "rt_sigprocmask(SIG_SETMASK, ~[KILL], NULL, 8) = 0");
    i32 pair[2] = {3, 4};
    EXPECT_EQ(line("pipe2", {put(0, pair, sizeof pair), O_CLOEXEC}, 0),
              "pipe2([3, 4], O_CLOEXEC)                 = 0");
    u64 argv[3] = {put(200, "a"), put(210, "b c"), 0};
    u64 list = put(0, argv, sizeof argv), program = put(300, "/bin/a");
    EXPECT_EQ(format_before(*thread, call("execve", {program, list, list})),
              "execve(\"/bin/a\", [\"a\", \"b c\"], " + format_argument(*thread, call("brk", {list}), 0, 0) +
                  " /* 2 vars */)");
}

TEST_F(Syscalls, EveryKindOfArgumentHasWhatItIsShownWith) {
    struct Kind {
        ArgKind kind;
        std::string_view name, show;
    };
    const Kind kinds[] = {
#define ARG(kind, pass, show, meaning) {ArgKind::kind##_, #kind, #show},
#include "linux/args.def"
#undef ARG
    };
    for (const Kind& kind : kinds) {
        if (kind.show == "flags" || kind.show == "choice" || kind.show == "futex_operation") {
            EXPECT_TRUE(has_names(kind.kind)) << kind.name;
        }
        if (kind.show == "structure" || kind.show == "items") {
            EXPECT_TRUE(has_rows(kind.kind)) << kind.name;
        }
    }
}

TEST_F(Syscalls, EveryCallIsShownWithAllItsArgumentsWhateverTheyAre) {
    std::string zeros(4096, '\0'), ones(4096, '\xff');
    const u64 at_zeros = put(0, zeros.data(), zeros.size()), at_ones = put(4096, ones.data(), ones.size());
    const u64 values[] = {0, 1, at_zeros, at_ones, at_ones + 4090, 8, ~u64{0}, u64{1} << 63, 0x7fffffff};
    for (u64 number = 0; number < call_numbers; ++number) {
        const CallRow& row = call_row(number);
        if (row.name.empty()) continue;
        for (u64 value : values) {
            const Call made{number, row, {value, value, value, value, value, value}};
            for (i64 result : {i64{0}, i64{1}, i64{4096}, i64{-EFAULT}}) {
                const std::string text = format_call(*thread, made, format_before(*thread, made), result);
                EXPECT_TRUE(text.starts_with(std::string(row.name) + "(")) << text;
                EXPECT_EQ(text.find('\1'), text.npos) << text;
                EXPECT_EQ(text.find(", ,"), text.npos) << text;
                EXPECT_EQ(text.find(", )"), text.npos) << text;
                EXPECT_LT(text.size(), 20000u) << row.name;
            }
        }
    }
}

TEST_F(Syscalls, RequestsSayWhatTheirArgumentIs) {
    const i32 three = 3;
    const u64 number = put(0, &three, sizeof three);
    EXPECT_EQ(line("ioctl", {5, FIONREAD, number}, 0), "ioctl(5, FIONREAD, [3])                  = 0");
    EXPECT_EQ(line("ioctl", {5, FIOCLEX, 7}, 0), "ioctl(5, FIOCLEX)                        = 0");
    EXPECT_EQ(line("ioctl", {5, 0x12345678, 7}, -ENOTTY),
              "ioctl(5, 0x12345678, 0x7)                = -1 ENOTTY (Inappropriate ioctl for device)");
    EXPECT_EQ(line("fcntl", {3, F_GETFL, 9}, 2),
              "fcntl(3, F_GETFL)                        = 2 (flags O_RDWR)");
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_len = 10;
    EXPECT_EQ(line("fcntl", {3, F_SETLK, put(0, &lock, sizeof lock)}, 0),
              "fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=10, l_pid=0}) = 0");
    EXPECT_EQ(line("prctl", {PR_SET_NAME, put(0, "name")}, 0),
              "prctl(PR_SET_NAME, \"name\")               = 0");
    EXPECT_EQ(line("prctl", {PR_GET_DUMPABLE}, 1), "prctl(PR_GET_DUMPABLE)                   = 1");
}

TEST_F(Syscalls, MessagesAndListsAreShown) {
    const u64 first = put(500, "hello"), second = put(520, "world");
    iovec buffers[2] = {{reinterpret_cast<void*>(first), 5}, {reinterpret_cast<void*>(second), 5}};
    const u64 list = put(600, buffers, sizeof buffers);
    EXPECT_EQ(line("writev", {1, list, 2}, 10),
              "writev(1, [{iov_base=\"hello\", iov_len=5}, {iov_base=\"world\", iov_len=5}], 2) = 10");
    EXPECT_EQ(line("readv", {1, list, 2}, 7),
              "readv(1, [{iov_base=\"hello\", iov_len=5}, {iov_base=\"wo\", iov_len=5}], 2) = 7");
    struct {
        u64 bytes = CMSG_LEN(sizeof(int));
        int level = SOL_SOCKET, type = SCM_RIGHTS, fd = 7;
    } control;
    msghdr message{};
    message.msg_iov = reinterpret_cast<iovec*>(list);
    message.msg_iovlen = 1;
    message.msg_control = reinterpret_cast<void*>(put(700, &control, sizeof control));
    message.msg_controllen = sizeof control;
    EXPECT_EQ(
        line("sendmsg", {4, put(800, &message, sizeof message), MSG_DONTWAIT}, 5),
        "sendmsg(4, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"hello\", iov_len=5}], msg_iovlen=1, "
        "msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[7]}], "
        "msg_controllen=24, msg_flags=0}, MSG_DONTWAIT) = 5");
    pollfd waits[2] = {{3, POLLIN, POLLIN}, {4, POLLOUT | POLLERR, 0}};
    EXPECT_EQ(
        line("ppoll", {put(0, waits, sizeof waits), 2, 0, 0, 8}, 1),
        "ppoll([{fd=3, events=POLLIN, revents=POLLIN}, {fd=4, events=POLLOUT|POLLERR, revents=0}], 2, NULL, "
        "NULL, 8) = 1");
    const i32 one = 1;
    EXPECT_EQ(line("setsockopt", {3, SOL_SOCKET, SO_REUSEADDR, put(0, &one, 4), 4}, 0),
              "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
    SignalAction action{0x10000, SA_RESTART, SignalMask::of(SIGINT)};
    EXPECT_EQ(line("rt_sigaction", {SIGCHLD, put(0, &action, sizeof action), 0, 8}, 0),
              "rt_sigaction(SIGCHLD, {sa_handler=0x10000, sa_mask=[INT], sa_flags=SA_RESTART}, NULL, 8) = 0");
    const i32 status = 3 << 8;
    EXPECT_EQ(line("wait4", {~u64{0}, put(0, &status, 4), WNOHANG, 0}, 17),
              "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG, NULL) = 17");
}

TEST_F(Syscalls, ResultsAndNames) {
    EXPECT_EQ(signal_name(SIGCHLD), "SIGCHLD");
    EXPECT_EQ(signal_name(33), "SIGRT_1");
    EXPECT_EQ(signal_name(99), "99");
    EXPECT_EQ(errno_name(ENOENT), "ENOENT");
    EXPECT_EQ(errno_name(4000), "4000");
    EXPECT_EQ(format_result(call_row(number_of("read")), -ENOSYS), "-1 ENOSYS (Function not implemented)");
    EXPECT_EQ(format_result(call_row(number_of("brk")), 0x1000), "0x1000");
    EXPECT_EQ(format_result(call_row(number_of("lseek")), -5000), "-5000");
    EXPECT_EQ(line("kill", {1, SIGTERM}, 0), "kill(1, SIGTERM)                         = 0");
    EXPECT_EQ(line("futex", {0x1000, 129, 1, 0, 0, 0}, 1),
              "futex(0x1000, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) = 1");
}

TEST_F(Syscalls, BadAddressesNeverReachTheHost) {
    EXPECT_EQ(host_pointer(*thread, 0), nullptr);
    EXPECT_EQ(host_pointer(*thread, page.raw), memory->host(page));
    // Beyond the guest's space lies kiln: the kernel is given an address that no process has.
    EXPECT_GE(reinterpret_cast<u64>(host_pointer(*thread, memory->limit())), u64{1} << 63);
    EXPECT_GE(reinterpret_cast<u64>(host_pointer(*thread, ~u64{0})), u64{1} << 63);
    EXPECT_GE(reinterpret_cast<u64>(host_pointer(*thread, page.raw, memory->limit())), u64{1} << 63);
}

}  // namespace
}  // namespace kiln::user

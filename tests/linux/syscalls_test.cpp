// The system call table, the conversions and the text of -strace, without a running guest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

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

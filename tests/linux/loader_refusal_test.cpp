// What the loader refuses: each kind of bad input gets one clear line, the errno that execve(2) would give,
// the exit status of a shell, and leaves nothing in memory.
#include <sys/resource.h>

#include <cerrno>

#include "loader_fixture.h"

namespace kiln::user {
namespace {

using test::ElfBuilder;

TEST_F(LoaderTest, RefusesArgumentsThatTheStackCannotHold) {
    const std::string path = write_file("program", ElfBuilder().bytes());
    args.assign(1, std::string(200'000, 'x'));
    expect_refused(load(path), E2BIG, 126, "too long");
    args.assign(100, std::string(100'000, 'x'));
    expect_refused(load(path), E2BIG, 126, "too long");
    args.assign(10, std::string(100'000, 'x'));
    EXPECT_TRUE(load(path));
}

TEST_F(LoaderTest, RefusesFilesThatCannotBeExecuted) {
    expect_refused(load(directory + "/nothing"), ENOENT, 127, "no such file");
    expect_refused(load(write_file("file", "x") + "/nothing"), ENOTDIR, 126, "Not a directory");
    expect_refused(load(directory), EACCES, 126, "is a directory");
    expect_refused(load(write_file("plain", ElfBuilder().bytes(), 0644)), EACCES, 126, "no permission");
    const std::string fifo = directory + "/fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0755), 0);
    expect_refused(load(fifo), EACCES, 126, "not a regular file");
    std::filesystem::create_symlink("loop", directory + "/loop");
    expect_refused(load(directory + "/loop"), ELOOP, 126, "cannot be opened");
}

TEST_F(LoaderTest, RefusesFilesThatAreNoProgram) {
    expect_refused(load(write_file("empty", "")), ENOEXEC, 126, "empty file");
    expect_refused(load(write_file("text", "hello\n")), ENOEXEC, 126, "is not an ELF program");
    expect_refused(load(write_file("script", "#!/bin/sh\n")), ENOEXEC, 126, "is a script");
    expect_refused(load(write_file("magic",
                                   "\x7f"
                                   "ELF")),
                   ENOEXEC, 126, "ends within the ELF header");
    const std::string whole = ElfBuilder().bytes();
    for (size_t bytes = 1; bytes < whole.size(); bytes += bytes < 130 ? 1 : 97) {
        auto result = load(write_file("cut", whole.substr(0, bytes)));
        ASSERT_FALSE(result) << bytes;
        EXPECT_EQ(exit_status_of(result.error().code), 126) << bytes;
    }
    expect_refused(load(write_file("cut", whole.substr(0, whole.size() - 1))), ENOEXEC, 126, "truncated");
}

struct BadFile {
    const char* name;
    void (*damage)(ElfBuilder& builder);
    int code;
    const char* words;
};

constexpr u64 far = ~u64{0} - 0xfff;

const BadFile bad_files[] = {
    {"x86_64", [](ElfBuilder& b) { b.header.e_machine = EM_X86_64; }, ENOEXEC, "for x86-64, not for riscv64"},
    {"aarch64", [](ElfBuilder& b) { b.header.e_machine = EM_AARCH64; }, ENOEXEC,
     "for aarch64, not for riscv64"},
    {"unknown_machine", [](ElfBuilder& b) { b.header.e_machine = 0xbeef; }, ENOEXEC, "another machine"},
    {"class32", [](ElfBuilder& b) { b.header.e_ident[EI_CLASS] = ELFCLASS32; }, ENOEXEC, "32-bit program"},
    {"no_class", [](ElfBuilder& b) { b.header.e_ident[EI_CLASS] = 9; }, ENOEXEC, "damaged"},
    {"big_endian",
     [](ElfBuilder& b) {
         b.header.e_ident[EI_DATA] = ELFDATA2MSB;
         b.header.e_machine = EM_RISCV << 8;
     },
     ENOEXEC, "big-endian"},
    {"version", [](ElfBuilder& b) { b.header.e_ident[EI_VERSION] = 0; }, ENOEXEC, "damaged"},
    {"object_file", [](ElfBuilder& b) { b.header.e_type = ET_REL; }, ENOEXEC, "object file"},
    {"core_dump", [](ElfBuilder& b) { b.header.e_type = ET_CORE; }, ENOEXEC, "core dump"},
    {"type", [](ElfBuilder& b) { b.header.e_type = 77; }, ENOEXEC, "damaged"},
    {"header_size", [](ElfBuilder& b) { b.header.e_phentsize = 32; }, ENOEXEC, "impossible size"},
    {"header_size_0", [](ElfBuilder& b) { b.header.e_phentsize = 0; }, ENOEXEC, "impossible size"},
    {"no_headers", [](ElfBuilder& b) { b.rows.clear(); }, ENOEXEC, "no program headers"},
    {"many_headers", [](ElfBuilder& b) { b.header.e_phnum = 0xffff; }, ENOEXEC, "too many"},
    {"headers_beyond", [](ElfBuilder& b) { b.header.e_phoff = 1 << 20; }, ENOEXEC,
     "program headers lie beyond"},
    {"headers_wrap", [](ElfBuilder& b) { b.header.e_phoff = ~u64{0} - 8; }, ENOEXEC,
     "program headers lie beyond"},
    {"nothing_to_load", [](ElfBuilder& b) { b.rows[0].p_type = PT_NOTE; }, ENOEXEC, "nothing to load"},
    {"empty_segment", [](ElfBuilder& b) { b.rows[0].p_filesz = b.rows[0].p_memsz = 0; }, ENOEXEC,
     "nothing to load"},
    {"file_larger", [](ElfBuilder& b) { b.rows[0].p_memsz = 8; }, ENOEXEC, "larger in the file"},
    {"segment_beyond", [](ElfBuilder& b) { b.rows[0].p_filesz = b.rows[0].p_memsz = 1 << 20; }, ENOEXEC,
     "truncated"},
    {"segment_offset_wrap", [](ElfBuilder& b) { b.rows[0].p_offset = far; }, ENOEXEC, "truncated"},
    {"segment_size_wrap", [](ElfBuilder& b) { b.rows[0].p_filesz = b.rows[0].p_memsz = ~u64{0}; }, ENOEXEC,
     "truncated"},
    {"unaligned", [](ElfBuilder& b) { b.rows[0].p_vaddr += 0x10; }, ENOEXEC, "not aligned"},
    {"address_wrap",
     [](ElfBuilder& b) {
         b.rows[0].p_vaddr = far;
         b.rows[0].p_memsz = 0x10000;
     },
     ENOMEM, "beyond the address space"},
    {"huge_memory", [](ElfBuilder& b) { b.rows[0].p_memsz = ~u64{0} - 0x20000; }, ENOMEM,
     "beyond the address space"},
    {"too_high", [](ElfBuilder& b) { b.rows[0].p_vaddr = u64{1} << 38; }, ENOMEM, "beyond the address space"},
    {"too_low", [](ElfBuilder& b) { b.rows[0].p_vaddr = 0; }, EPERM, "below 64 KiB"},
    {"over_the_stack", [](ElfBuilder& b) { b.rows[0].p_vaddr = (u64{1} << 38) - 0x10000; }, EEXIST,
     "no memory for the guest's stack"},
    {"no_room_for_alignment",
     [](ElfBuilder& b) {
         b.header.e_type = ET_DYN;
         b.rows[0].p_align = u64{1} << 38;
     },
     ENOMEM, "no room"},
    {"alignment", [](ElfBuilder& b) { b.rows[0].p_align = u64{1} << 63; }, ENOEXEC, "impossible alignment"},
    {"overlap", [](ElfBuilder& b) { b.add_load(0, ElfBuilder::address + 0x1000, 0x100, 0x100, PF_R); },
     ENOEXEC, "overlap"},
    {"out_of_order",
     [](ElfBuilder& b) {
         b.add_load(0, ElfBuilder::address + 0x20000, 0x100, 0x100, PF_R);
         b.add_load(0, ElfBuilder::address + 0x10000, 0x100, 0x100, PF_R);
     },
     ENOEXEC, "out of order"},
    {"interpreter_without_end", [](ElfBuilder& b) { b.add_interpreter("/lib/ld.so"); }, ENOEXEC,
     "has no end"},
    {"interpreter_empty", [](ElfBuilder& b) { b.add_interpreter(std::string_view("\0\0", 2)); }, ENOEXEC,
     "is empty"},
    {"interpreter_no_bytes", [](ElfBuilder& b) { b.add_interpreter(""); }, ENOEXEC, "impossible length"},
    {"interpreter_long", [](ElfBuilder& b) { b.add_interpreter(std::string(5000, '\0')); }, ENOEXEC,
     "impossible length"},
    {"interpreter_beyond",
     [](ElfBuilder& b) {
         b.add_interpreter("/lib/ld.so");
         b.rows.back().p_offset = far;
     },
     ENOEXEC, "outside the file"},
};

class BadFileTest : public LoaderTest, public testing::WithParamInterface<BadFile> {};

TEST_P(BadFileTest, IsRefusedWithOneClearLine) {
    ElfBuilder builder;
    GetParam().damage(builder);
    const int exit_status = GetParam().code == ENOMEM ? 1 : 126;
    expect_refused(load(builder), GetParam().code, exit_status, GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(Files, BadFileTest, testing::ValuesIn(bad_files),
                         [](const auto& info) { return info.param.name; });

TEST_F(LoaderTest, SizesThatCannotBeHadDoNotTouchTheMachine) {
    // Inside the address space, far beyond any memory: the host refuses it, or gives addresses without
    // memory.
    ElfBuilder builder;
    builder.add_load(0, u64{1} << 36, 0, u64{3} << 36, PF_R | PF_W);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    auto program = load(builder);
    getrusage(RUSAGE_SELF, &after);
    if (!program) expect_refused(program, ENOMEM, 1, "zeroed memory");
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10) << "KiB";
}

TEST(ExitStatus, IsAShells) {
    EXPECT_EQ(exit_status_of(ENOENT), 127);
    for (int code : {EACCES, ENOEXEC, EPERM, ENOTDIR, ELOOP, E2BIG, EISDIR})
        EXPECT_EQ(exit_status_of(code), 126);
    for (int code : {ENOMEM, EMFILE, ENFILE, EIO}) EXPECT_EQ(exit_status_of(code), 1);
}

}  // namespace
}  // namespace kiln::user

// The loader: what a started program finds in memory. What it refuses is in loader_refusal_test.cpp.
#include "linux/loader.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>

#include "loader_fixture.h"

namespace kiln::user {
namespace {

using mem::page_bytes;
using test::ElfBuilder;

constexpr u64 code_at = ElfBuilder::address + ElfBuilder::contents_offset;

TEST_F(LoaderTest, LoadsAStaticProgramWhereItWantsToBe) {
    for (bool low : {true, false}) {
        make_space(low);
        auto program = load(ElfBuilder());
        ASSERT_TRUE(program) << program.error().message;
        EXPECT_EQ(program->pc, GuestAddr(code_at));
        EXPECT_EQ(program->program_entry, GuestAddr(code_at));
        EXPECT_EQ(program->load_bias, 0u);
        EXPECT_EQ(program->interpreter_base, GuestAddr(0));
        EXPECT_EQ(program->brk_start, GuestAddr(0x12000));
        EXPECT_EQ(space->brk(GuestAddr(0)), GuestAddr(0x12000));
        EXPECT_EQ(space->brk(GuestAddr(0x14000)), GuestAddr(0x14000));
        EXPECT_EQ(program->executable, std::filesystem::canonical(directory + "/program"));
        const auto code = space->fetch(program->pc);
        ASSERT_GE(code.size(), 12u);
        EXPECT_EQ(code[0], 0x93);
        const auto back = space->fetch(program->signal_return);
        ASSERT_GE(back.size(), 8u);
        EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(back.data()), 8),
                  test::riscv64_target().sigreturn);
        EXPECT_EQ(prot_at(program->signal_return.raw), PROT_READ | PROT_EXEC);
    }
}

TEST_F(LoaderTest, ZeroesWhatTheFileDoesNotFill) {
    ElfBuilder builder;
    const u64 offset = builder.append(std::string(0x800, 'd'));
    const u64 data = ElfBuilder::address + 0x10000 + offset;
    builder.add_load(offset, data, 0x400, 0x3000, PF_R | PF_W);
    // A segment without the right to write, and one without bytes in the file.
    builder.add_load(offset, data + 0x10000, 0x10, 0x100, PF_R);
    builder.add_load(0, data + 0x20003, 0, 0x1000, PF_R | PF_W);
    auto program = load(builder);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(word_at(data + 0x3f8), 0x6464646464646464u);
    EXPECT_EQ(word_at(data + 0x400), 0u);
    EXPECT_EQ(word_at(data + 0x2ff8), 0u);
    EXPECT_EQ(word_at((data & ~0xfffull) + 0xff8), 0u) << "to the end of the page";
    EXPECT_EQ(prot_at(data), PROT_READ | PROT_WRITE);
    EXPECT_EQ(word_at(data + 0x10008), 0x6464646464646464u);
    EXPECT_EQ(word_at(data + 0x10010), 0u);
    EXPECT_EQ(prot_at(data + 0x10000), PROT_READ);
    EXPECT_EQ(word_at(data + 0x20ff8), 0u);
    EXPECT_EQ(program->program_end, GuestAddr(data + 0x21003));
    EXPECT_EQ(program->brk_start, GuestAddr((data + 0x21003 + 0xfff) & ~0xfffull));
    // The file itself is not written to.
    std::ifstream file(directory + "/program", std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), builder.bytes());
}

TEST_F(LoaderTest, SegmentsMayShareAPage) {
    ElfBuilder builder;
    builder.rows[0].p_filesz = builder.rows[0].p_memsz = ElfBuilder::contents_offset + 12;
    const u64 offset = builder.append("data in the page of the code");
    builder.add_load(offset, ElfBuilder::address + offset, 28, 28, PF_R | PF_W | PF_X);
    auto program = load(builder);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(space->fetch(program->pc)[0], 0x93);
    EXPECT_EQ(string_at(ElfBuilder::address + offset).substr(0, 7), "data in");
}

TEST_F(LoaderTest, StackHoldsArgumentsEnvironmentAndAuxiliaryVector) {
    auto program = load(ElfBuilder());
    ASSERT_TRUE(program) << program.error().message;
    u64 at = program->sp.raw;
    EXPECT_EQ(at % 16, 0u);
    EXPECT_EQ(word_at(at), 3u);
    EXPECT_EQ(string_at(word_at(at + 8)), "program");
    EXPECT_EQ(string_at(word_at(at + 16)), "one");
    EXPECT_EQ(string_at(word_at(at + 24)), "");
    EXPECT_EQ(word_at(at + 32), 0u);
    EXPECT_EQ(string_at(word_at(at + 40)), "A=1");
    EXPECT_EQ(string_at(word_at(at + 48)), "PATH=/bin");
    EXPECT_EQ(word_at(at + 56), 0u);
    at += 64;
    std::map<u64, u64> auxv;
    std::vector<u8> copy(program->auxv.size());
    ASSERT_TRUE(space->read(GuestAddr(at), copy.data(), copy.size()));
    EXPECT_EQ(copy, program->auxv);
    for (; word_at(at) != AT_NULL; at += 16) EXPECT_TRUE(auxv.emplace(word_at(at), word_at(at + 8)).second);
    EXPECT_EQ(auxv.at(AT_PHDR), ElfBuilder::address + sizeof(Elf64_Ehdr));
    EXPECT_EQ(auxv.at(AT_PHENT), sizeof(Elf64_Phdr));
    EXPECT_EQ(auxv.at(AT_PHNUM), 1u);
    EXPECT_EQ(auxv.at(AT_PAGESZ), page_bytes);
    EXPECT_EQ(auxv.at(AT_BASE), 0u);
    EXPECT_EQ(auxv.at(AT_FLAGS), 0u);
    EXPECT_EQ(auxv.at(AT_ENTRY), code_at);
    EXPECT_EQ(auxv.at(AT_UID), getuid());
    EXPECT_EQ(auxv.at(AT_EUID), geteuid());
    EXPECT_EQ(auxv.at(AT_GID), getgid());
    EXPECT_EQ(auxv.at(AT_EGID), getegid());
    EXPECT_EQ(auxv.at(AT_SECURE), getauxval(AT_SECURE));
    EXPECT_EQ(auxv.at(AT_CLKTCK), static_cast<u64>(sysconf(_SC_CLK_TCK)));
    EXPECT_EQ(auxv.at(AT_HWCAP), 0x112du);
    EXPECT_EQ(string_at(auxv.at(AT_EXECFN)), directory + "/program");
    EXPECT_EQ(auxv.count(AT_PLATFORM), 0u);
    EXPECT_EQ(auxv.count(AT_SYSINFO_EHDR), 0u);
    EXPECT_NE(word_at(auxv.at(AT_RANDOM)), word_at(auxv.at(AT_RANDOM) + 8));
    // The strings lie as /proc/self/cmdline and environ show them.
    std::string strings(program->environment_end - program->args_begin, '?');
    ASSERT_TRUE(space->read(program->args_begin, strings.data(), strings.size()));
    EXPECT_EQ(strings, std::string("program\0one\0\0A=1\0PATH=/bin\0", 27));
    EXPECT_EQ(program->args_end - program->args_begin, 13u);
}

TEST_F(LoaderTest, StackAlignmentDoesNotDependOnTheArguments) {
    for (size_t count = 0; count < 6; ++count) {
        args.assign(count, "x");
        environment.assign(count / 2, "yy");
        make_space(true);
        auto program = load(ElfBuilder());
        ASSERT_TRUE(program) << program.error().message;
        EXPECT_EQ(program->sp.raw % 16, 0u);
        EXPECT_EQ(word_at(program->sp.raw), std::max<size_t>(count, 1))
            << "an empty argv gets an empty string";
    }
}

TEST_F(LoaderTest, StackHasTheSizeAskedForAndAHoleBelow) {
    auto program = load(write_file("program", ElfBuilder().bytes()), Sysroot(), u64{300} << 20);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(program->stack_end - program->stack_begin, u64{300} << 20);
    EXPECT_EQ(prot_at(program->stack_begin.raw), PROT_READ | PROT_WRITE) << "no PT_GNU_STACK: not executable";
    EXPECT_EQ(prot_at(program->stack_begin.raw - 1), -1);
    const i64 at = space->map(GuestAddr(0), page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_LT(static_cast<u64>(at), program->stack_begin.raw - (1u << 20));
    EXPECT_EQ(space->find(program->sp)->backing->name, "[stack]");
    EXPECT_EQ(stack_bytes_for(1), 128u << 10);
    EXPECT_EQ(stack_bytes_for(3u << 20), 3u << 20);
    EXPECT_EQ(stack_bytes_for(u64{1} << 40), 1u << 30);
    EXPECT_EQ(stack_bytes_for(RLIM_INFINITY), 8u << 20);
}

TEST_F(LoaderTest, ProgramHeaderAsksForAnExecutableStack) {
    ElfBuilder builder;
    builder.rows.push_back({.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X});
    auto program = load(builder);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(prot_at(program->sp.raw), PROT_READ | PROT_WRITE | PROT_EXEC);
}

TEST_F(LoaderTest, LoadsPositionIndependentPrograms) {
    ElfBuilder builder(ET_DYN);
    builder.rows[0].p_align = 0x200000;
    auto program = load(builder);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_NE(program->load_bias, 0u);
    EXPECT_EQ(program->load_bias % 0x200000, 0u);
    EXPECT_EQ(program->pc.raw, program->load_bias + ElfBuilder::contents_offset);
    EXPECT_EQ(program->brk_start.raw, program->load_bias + 0x2000);
    EXPECT_EQ(space->fetch(program->pc)[0], 0x93);
    EXPECT_EQ(space->regions().size(), 3u) << "program, signal page, stack: the slack is given back";
}

TEST_F(LoaderTest, NamesAnOddDynamicLinkerInOneLine) {
    ElfBuilder builder;
    builder.add_interpreter(std::string_view("/two\nlines\0", 11));
    expect_refused(load(builder), ENOENT, 127, "dynamic linker /two?lines is not there");
}

TEST_F(LoaderTest, LoadsTheDynamicLinkerFromTheSysroot) {
    const std::string name = "/lib/kiln-test-ld.so";
    ElfBuilder linker(ET_DYN);
    linker.header.e_entry += 4;
    const std::string linker_path = write_file("root" + name, linker.bytes());
    ElfBuilder builder;
    builder.add_interpreter(name + std::string(1, '\0'));
    const std::string path = write_file("program", builder.bytes());

    auto program = load(path, Sysroot(directory + "/root"));
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_NE(program->interpreter_base, GuestAddr(0));
    EXPECT_EQ(program->pc, program->interpreter_base + ElfBuilder::contents_offset + 4);
    EXPECT_EQ(program->program_entry, GuestAddr(code_at));
    EXPECT_EQ(program->interpreter, std::filesystem::canonical(linker_path));
    EXPECT_EQ(space->fetch(program->pc)[1], 0x05) << "li a0, 0";

    make_space(true);
    expect_refused(load(path), ENOENT, 127, "dynamic linker " + name + " is not there");
    write_file("root" + name, "not a linker at all, and long enough to hold a whole header of the sort.");
    expect_refused(load(path, Sysroot(directory + "/root")), ENOEXEC, 126, "is not an ELF program");
    write_file("root" + name, linker.bytes(), 0644);
    expect_refused(load(path, Sysroot(directory + "/root")), EACCES, 126, "no permission");
}

TEST_F(LoaderTest, LoadsAnOpenFile) {
    const std::string path = write_file("program", ElfBuilder().bytes());
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    auto program = load_program(*space, {.path = "a name of no file",
                                         .file = file,
                                         .args = args,
                                         .environment = environment,
                                         .sysroot = Sysroot(),
                                         .target = test::riscv64_target()});
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(program->executable, std::filesystem::canonical(path));
    EXPECT_EQ(close(file), 0) << "still open";
}

TEST(Shebang, IsReadAsLinuxReadsIt) {
    auto read = [](std::string_view head) {
        auto shebang = parse_shebang(head);
        return shebang ? shebang->interpreter + "|" + shebang->argument : "none";
    };
    EXPECT_EQ(read("#!/bin/sh\necho"), "/bin/sh|");
    EXPECT_EQ(read("#! \t/usr/bin/env  python3 -u \t\nx"), "/usr/bin/env|python3 -u");
    EXPECT_EQ(read("#!/bin/sh"), "/bin/sh|");
    EXPECT_EQ(read(std::string_view("#!/bin/sh\0 -x\n", 14)), "/bin/sh|");
    EXPECT_EQ(read("#!\n/bin/sh"), "none");
    EXPECT_EQ(read("#!"), "none");
    EXPECT_EQ(read("#"), "none");
    EXPECT_EQ(read(""), "none");
    EXPECT_EQ(read("#!" + std::string(300, 'x') + "\n"), "none")
        << "the path goes on behind what is looked at";
    EXPECT_EQ(read("#!/bin/sh " + std::string(300, 'x') + "\n"), "/bin/sh|" + std::string(246, 'x'));
}

}  // namespace
}  // namespace kiln::user

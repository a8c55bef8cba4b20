// Names of functions from ELF files: this test's own, and damaged copies of it.
#include "debug/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

namespace kiln::debug {
extern "C" [[gnu::noinline]] void looked_up_by_name() { asm volatile(""); }

namespace {

/// Where `place` in this program is in its file.
u64 file_offset(const void* place) {
    const auto* const headers = reinterpret_cast<const Elf64_Phdr*>(getauxval(AT_PHDR));
    const u64 count = getauxval(AT_PHNUM);
    u64 base = 0;
    for (u64 i = 0; i < count; ++i)
        if (headers[i].p_type == PT_PHDR) base = reinterpret_cast<u64>(headers) - headers[i].p_vaddr;
    const u64 address = reinterpret_cast<u64>(place) - base;
    for (u64 i = 0; i < count; ++i)
        if (headers[i].p_type == PT_LOAD && address - headers[i].p_vaddr < headers[i].p_filesz)
            return address - headers[i].p_vaddr + headers[i].p_offset;
    return 0;
}

/// A file in memory with this content.
int memory_file(std::span<const u8> content) {
    const int fd = memfd_create("symbols", 0);
    EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    return fd;
}

TEST(ElfSymbols, AFunctionAndAPlaceInIt) {
    const int fd = open("/proc/self/exe", O_RDONLY);
    const ElfSymbols symbols(fd);
    close(fd);
    u64 offset = file_offset(reinterpret_cast<const void*>(&looked_up_by_name));
    ASSERT_NE(offset, 0u);
    const auto* symbol = symbols.find(offset);
    ASSERT_NE(symbol, nullptr);
    EXPECT_EQ(symbol->name, "looked_up_by_name");
    EXPECT_EQ(offset, 0u);
    u64 beyond = ~u64{0};
    EXPECT_EQ(symbols.find(beyond), nullptr);
}

TEST(ElfSymbols, NoFile) {
    u64 offset = 0;
    EXPECT_EQ(ElfSymbols(-1).find(offset), nullptr);
    const u8 text[] = "#!/bin/sh";
    const int fd = memory_file(text);
    EXPECT_EQ(ElfSymbols(fd).find(offset), nullptr);
    close(fd);
}

/// A small file with a table of two functions, header and tables of which are damaged at random.
TEST(ElfSymbols, DamagedFiles) {
    struct File {
        Elf64_Ehdr header{};
        Elf64_Phdr segment{};
        Elf64_Shdr section[3]{};
        Elf64_Sym symbol[3]{};
        char strings[16] = "\0one\0two";
    } file;
    std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_phoff = offsetof(File, segment);
    file.header.e_phnum = 1;
    file.header.e_shoff = offsetof(File, section);
    file.header.e_shnum = 3;
    file.segment = {.p_type = PT_LOAD, .p_offset = 0x1000, .p_vaddr = 0x11000, .p_filesz = 0x1000};
    file.section[1] = {.sh_type = SHT_SYMTAB,
                       .sh_offset = offsetof(File, symbol),
                       .sh_size = sizeof file.symbol,
                       .sh_link = 2};
    file.section[2] = {
        .sh_type = SHT_STRTAB, .sh_offset = offsetof(File, strings), .sh_size = sizeof file.strings};
    const auto function = [](u32 name, u64 address) {
        return Elf64_Sym{
            .st_name = name, .st_info = STT_FUNC, .st_shndx = 1, .st_value = address, .st_size = 16};
    };
    file.symbol[1] = function(1, 0x11100);
    file.symbol[2] = function(5, 0x11110);
    const auto look = [](std::span<const u8> content, u64 offset) {
        const int fd = memory_file(content);
        const ElfSymbols symbols(fd);
        close(fd);
        const auto* symbol = symbols.find(offset);
        return symbol == nullptr ? std::string() : std::string(symbol->name);
    };
    const std::span<const u8> whole(reinterpret_cast<const u8*>(&file), sizeof file);
    EXPECT_EQ(look(whole, 0x110f), "one");
    EXPECT_EQ(look(whole, 0x1110), "two");
    EXPECT_EQ(look(whole, 0x1120), "");

    std::mt19937 random(1);
    unsigned still_there = 0;
    for (int i = 0; i < 5000; ++i) {
        std::vector<u8> damaged(whole.begin(), whole.end());
        for (int n = 0; n < 3; ++n) damaged[random() % damaged.size()] = static_cast<u8>(random());
        if (i % 5 == 0) damaged.resize(random() % damaged.size());
        still_there += look(damaged, 0x1100) == "one";
    }
    EXPECT_GT(still_there, 1000u);
    EXPECT_LT(still_there, 5000u);
}

}  // namespace
}  // namespace kiln::debug

// Fuzz target: any bytes as a program file. The loader refuses them with one line and leaves nothing behind,
// or gives a program that is as it says.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "elf_builder.h"
#include "fuzz.h"
#include "linux/loader.h"
#include "mem/fault.h"

namespace kiln {
namespace {

// What a fuzzed file may ask for is bounded by the space, so that many runs a second are possible.
constexpr u64 limit = u64{1} << 34;

mem::AddressSpace& space() {
    static std::unique_ptr<mem::AddressSpace> made = [] {
        mem::install_fault_handlers();
        auto result = mem::AddressSpace::create({.limit = limit});
        KILN_CHECK(result);
        return std::move(*result);
    }();
    return *made;
}

void check_program(const user::LoadedProgram& program) {
    u64 previous_end = mem::lowest_address;
    for (const mem::Region& region : space().regions()) {
        KILN_CHECK(region.begin.raw >= previous_end && region.end.raw <= limit && region.bytes() > 0);
        KILN_CHECK(region.begin.raw % mem::page_bytes == 0 && region.end.raw % mem::page_bytes == 0);
        previous_end = region.end.raw;
    }
    u64 argc = 0;
    KILN_CHECK(program.sp.raw % 16 == 0 && space().read(program.sp, &argc, sizeof argc) && argc == 1);
    KILN_CHECK(space().fetch(program.signal_return).size() >= 8);
    KILN_CHECK(space().find(program.program_begin) && space().find(program.program_end - 1));
    KILN_CHECK(program.brk_start >= program.program_end);
    const GuestAddr heap_end = space().brk(program.brk_start + 1);
    KILN_CHECK(heap_end == program.brk_start || heap_end == program.brk_start + 1);
    space().fetch(program.pc);
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
    std::vector<std::string> seeds;
    seeds.push_back(test::ElfBuilder().bytes());
    seeds.push_back(test::ElfBuilder(ET_DYN).bytes());
    test::ElfBuilder full;
    const u64 offset = full.append("data");
    full.add_load(offset, test::ElfBuilder::address + 0x10000 + offset, 4, 0x2000, PF_R | PF_W);
    full.add_load(0, test::ElfBuilder::address + 0x20000, 0, 0x100, PF_R);
    full.rows.push_back({.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W});
    seeds.push_back(full.bytes());
    full.add_interpreter(std::string_view("/lib/none\0", 10));
    seeds.push_back(full.bytes());
    return seeds;
}

}  // namespace kiln

extern "C" int LLVMFuzzerTestOneInput(const kiln::u8* data, size_t size) {
    using namespace kiln;
    static const int file = memfd_create("elf_loader_fuzz", MFD_CLOEXEC);
    KILN_CHECK(ftruncate(file, static_cast<off_t>(size)) == 0);
    KILN_CHECK(pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
    static const user::Sysroot no_sysroot;
    const std::string args[] = {"program"};
    auto program = user::load_program(space(), {.path = "program",
                                                .file = file,
                                                .args = args,
                                                .environment = {},
                                                .sysroot = no_sysroot,
                                                .target = test::riscv64_target()});
    if (program) {
        check_program(*program);
        space().clear();
    } else {
        KILN_CHECK(!program.error().message.empty() && program.error().code != 0);
        KILN_CHECK(program.error().message.find('\n') == std::string::npos);
    }
    KILN_CHECK(space().regions().empty());
    return 0;
}

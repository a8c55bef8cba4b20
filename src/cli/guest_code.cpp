#include "cli/guest_code.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "linux/arch.h"
#include "store/files.h"

namespace kiln::cli {

bool map_guest_code(mem::AddressSpace& space, const abi::ImageOrigin& origin) {
    const store::Descriptor file(::open(origin.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file || origin.offset > origin.begin || origin.end <= origin.begin) return false;
    const auto map = [&](u64 begin, u64 bytes, int prot, u64 offset) {
        return space.map(GuestAddr(begin), bytes, prot, MAP_PRIVATE | MAP_FIXED, file.get(), offset) ==
               static_cast<i64>(begin);
    };
    return (origin.offset == 0 || map(origin.begin - origin.offset, mem::page_bytes, PROT_READ, 0)) &&
           map(origin.begin, origin.end - origin.begin, PROT_READ | PROT_EXEC, origin.offset);
}

std::unique_ptr<abi::Context, void (*)(abi::Context*)> new_guest_state() {
    return {user::riscv64_arch().new_state(),
            [](abi::Context* context) { user::riscv64_arch().delete_state(context); }};
}

}  // namespace kiln::cli

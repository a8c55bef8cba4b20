// Where the items of a stream come to lie.
#include "fuzz/riscv64/stream.h"

namespace kiln::fuzz {

std::vector<i32> item_offsets(const Stream& stream) {
    std::vector<i32> offsets = {0};
    for (const Item& item : stream.items) offsets.push_back(offsets.back() + item.inst.length);
    return offsets;
}

riscv64::Decoded placed_instruction(const Stream& stream, const std::vector<i32>& offsets, size_t index) {
    const Item& item = stream.items[index];
    riscv64::Decoded inst = item.inst;
    if (item.target < 0) return inst;
    inst.imm = offsets[static_cast<size_t>(item.target)] - offsets[static_cast<size_t>(item.origin)];
    inst.raw = riscv64::encode(inst);
    return inst;
}

std::vector<u16> stream_code(const Stream& stream) {
    const std::vector<i32> offsets = item_offsets(stream);
    std::vector<u16> code;
    for (size_t i = 0; i < stream.items.size(); i++) {
        const riscv64::Decoded inst = placed_instruction(stream, offsets, i);
        code.push_back(static_cast<u16>(inst.raw));
        if (inst.length == 4) code.push_back(static_cast<u16>(inst.raw >> 16));
    }
    return code;
}

}  // namespace kiln::fuzz

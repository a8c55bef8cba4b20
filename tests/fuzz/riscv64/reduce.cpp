// Reduction by trying: a change is kept if the difference stays.
#include "fuzz/riscv64/reduce.h"

#include <algorithm>

#include "fuzz/riscv64/kinds.h"

namespace kiln::fuzz {
namespace {

constexpr u32 nop = 0x00000013, c_nop = 0x0001;

/// Takes `changed` in place of `stream` if it still differs.
void keep_if_it_differs(Oracle& oracle, Stream& stream, Stream changed) {
    if (oracle.differs({changed})) stream = std::move(changed);
}

/// Whether the stream might run for ever without the item.
bool counts(const Stream& stream, const Item& item) {
    const auto goes_back = [](const Item& other) { return other.target >= 0 && other.target < other.origin; };
    return stream.counter != 0 && written_registers(item.inst) == u32{1} << stream.counter &&
           std::ranges::any_of(stream.items, goes_back);
}

/// Whether without the item control would run into a function, and return from it to where it was before.
bool leads_around(const Stream& stream, size_t index) {
    const std::vector<Item>& items = stream.items;
    return index + 1 < items.size() && items[index].inst.id == riscv64::InstId::jal &&
           items[index + 1].function > items[index].function;
}

bool holds_address(const Stream& stream, unsigned reg) {
    const auto names = [&](const Pointer& pointer) { return pointer.reg == reg; };
    return std::ranges::any_of(stream.pointers, names) ||
           std::ranges::find(stream.bad_pointers, reg) != stream.bad_pointers.end();
}

}  // namespace

bool is_nop(const Item& item) { return item.inst.raw == nop || item.inst.raw == c_nop; }

std::optional<size_t> find_differing_stream(Oracle& oracle, const std::vector<Stream>& streams) {
    size_t begin = 0, end = streams.size();
    const auto part_differs = [&](size_t from, size_t to) {
        return !oracle.agrees({streams.begin() + static_cast<std::ptrdiff_t>(from),
                               streams.begin() + static_cast<std::ptrdiff_t>(to)});
    };
    while (end - begin > 1) {
        const size_t middle = begin + (end - begin) / 2;
        if (part_differs(begin, middle))
            end = middle;
        else if (part_differs(middle, end))
            begin = middle;
        else
            return std::nullopt;
    }
    return part_differs(begin, end) ? std::optional(begin) : std::nullopt;
}

Stream reduced(Oracle& oracle, Stream stream) {
    for (const Input& input : stream.inputs) {
        Stream alone = stream;
        alone.inputs = {input};
        if (!oracle.differs({alone})) continue;
        stream = std::move(alone);
        break;
    }
    for (size_t i = stream.items.size(); i-- > 0;) {
        if (counts(stream, stream.items[i]) || leads_around(stream, i)) continue;
        Stream changed = stream;
        Item& item = changed.items[i];
        item = {.inst = riscv64::decode(item.inst.length == 4 ? nop : c_nop), .function = item.function};
        keep_if_it_differs(oracle, stream, std::move(changed));
    }
    Stream changed = stream;
    for (Input& input : changed.inputs) input.window = {};
    keep_if_it_differs(oracle, stream, std::move(changed));
    changed = stream;
    for (Input& input : changed.inputs) input.fcsr = 0;
    keep_if_it_differs(oracle, stream, std::move(changed));
    for (unsigned reg = 0; reg < 32; reg++) {
        changed = stream;
        for (Input& input : changed.inputs) input.f[reg] = 0;
        keep_if_it_differs(oracle, stream, std::move(changed));
        if (holds_address(stream, reg)) continue;
        changed = stream;
        for (Input& input : changed.inputs) input.x[reg] = 0;
        keep_if_it_differs(oracle, stream, std::move(changed));
    }
    return stream;
}

}  // namespace kiln::fuzz

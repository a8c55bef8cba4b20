// Prints a difference.
#include "fuzz/riscv64/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "fuzz/riscv64/reduce.h"
#include "isa/riscv64/disasm.h"

namespace kiln::fuzz {
namespace {

struct Row {
    std::string name;
    size_t offset;  ///< in Block
};

std::vector<Row> block_rows() {
    std::vector<Row> rows;
    for (unsigned reg = 1; reg < 32; reg++)
        rows.push_back(
            {fmt::format("x{} {}", reg, riscv64::integer_register_name(reg)), offsetof(Block, x) + 8 * reg});
    for (unsigned reg = 0; reg < 32; reg++)
        rows.push_back(
            {fmt::format("f{} {}", reg, riscv64::float_register_name(reg)), offsetof(Block, f) + 8 * reg});
    rows.push_back({"fcsr", offsetof(Block, fcsr)});
    rows.push_back({"signal", offsetof(Block, signal)});
    rows.push_back({"si_code", offsetof(Block, signal_code)});
    rows.push_back({"si_addr", offsetof(Block, signal_address)});
    rows.push_back({"signal pc", offsetof(Block, signal_pc)});
    rows.push_back({"context", offsetof(Block, context_hash)});
    for (unsigned i = 0; i < std::size(Block{}.edge); i++)
        rows.push_back({fmt::format("edge+{}", 8 * i), offsetof(Block, edge) + 8 * i});
    for (unsigned i = 0; i < std::size(Block{}.window); i++)
        rows.push_back({fmt::format("window{:+}", 8 * static_cast<i32>(i) - window_bytes / 2),
                        offsetof(Block, window) + 8 * i});
    return rows;
}

u64 value_at(const void* block, size_t offset) {
    u64 value;
    std::memcpy(&value, static_cast<const char*>(block) + offset, sizeof value);
    return value;
}

/// The first block as the program's file holds it.
Block block_before(const Program& program) {
    Block block;
    std::memcpy(&block, program.elf.data() + program.blocks_offset, sizeof block);
    return block;
}

void list_code(std::string& text, const Stream& stream, u64 address) {
    auto out = std::back_inserter(text);
    const std::vector<i32> offsets = item_offsets(stream);
    for (size_t i = 0; i < stream.items.size(); i++) {
        if (is_nop(stream.items[i])) continue;
        const u64 pc = address + static_cast<u64>(offsets[i]);
        const riscv64::Decoded inst = placed_instruction(stream, offsets, i);
        fmt::format_to(out, "  {:8x}  {:0{}x}{:{}}  {}\n", pc, inst.raw, 2 * inst.length, "",
                       8 - 2 * inst.length, riscv64::disassemble(inst, GuestAddr(pc)));
    }
    fmt::format_to(out, "  {:8x}  the end (no-operations left out)\n",
                   address + static_cast<u64>(offsets.back()));
}

}  // namespace

std::string describe_difference(Oracle& oracle, const Stream& stream) {
    Stream alone = stream;
    alone.inputs.resize(1);
    const Program program = build_program({alone});
    const std::vector<Outcome> outcomes = oracle.run(program);

    std::string text;
    auto out = std::back_inserter(text);
    list_code(text, alone, program.stream_addresses[0]);
    bool complete = true;
    for (size_t i = 0; i < outcomes.size(); i++) {
        if (outcomes[i].failure.empty()) continue;
        complete = false;
        fmt::format_to(out, "  {}: {}\n", oracle.engines()[i].name, outcomes[i].failure);
    }
    const Block before = block_before(program);
    fmt::format_to(out, "    {:<12} {:>16}", "", "before");
    if (complete)
        for (const Engine& engine : oracle.engines()) fmt::format_to(out, "  {:>16}", engine.name);
    text += '\n';
    for (const Row& row : block_rows()) {
        const u64 was = value_at(&before, row.offset);
        bool changed = was != 0, differs = false;
        if (complete) {
            const u64 reference = value_at(&outcomes[0].block(0), row.offset);
            for (const Outcome& outcome : outcomes)
                differs |= value_at(&outcome.block(0), row.offset) != reference;
            changed |= reference != was;
        }
        if (!differs && !changed) continue;
        fmt::format_to(out, "  {} {:<12} {:16x}", differs ? '*' : ' ', row.name, was);
        if (complete)
            for (const Outcome& outcome : outcomes)
                fmt::format_to(out, "  {:16x}", value_at(&outcome.block(0), row.offset));
        text += '\n';
    }
    if (complete && std::memcmp(outcomes[0].output.data(), outcomes.back().output.data(), Layout::page) != 0)
        text += "  * the page at the edge differs\n";
    return text;
}

}  // namespace kiln::fuzz

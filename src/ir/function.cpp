#include "ir/function.h"

#include "base/check.h"

namespace kiln::ir {

void Function::clear(GuestAddr entry) {
    entry_ = entry;
    insts_.clear();
    block_count_ = 0;
    edges_.clear();
    way_pool_.clear();
    case_pool_.clear();
    value_pool_.clear();
    frame_pool_.clear();
    origins_.clear();
}

BlockId Function::add_block() {
    if (block_count_ == blocks_.size()) blocks_.emplace_back();
    Block& block = blocks_[block_count_];
    block.first = block.last = ValueId::none;
    block.params.clear();
    return BlockId(block_count_++);
}

ValueId Function::add_param(BlockId block, Type type) {
    const auto id = ValueId(value_count());
    insts_.emplace_back(Op::param, type).block = block;
    (*this)[block].params.push_back(id);
    return id;
}

OriginId Function::add_origin(GuestAddr pc) {
    origins_.push_back(pc);
    return OriginId(origins_.size() - 1);
}

EdgeId Function::add_edge(BlockId target, std::span<const ValueId> args) {
    edges_.push_back({target, add_values(args)});
    return EdgeId(edges_.size() - 1);
}

Range Function::add_ways(EdgeId otherwise, std::span<const SwitchCase> cases) {
    const Range range{static_cast<u32>(way_pool_.size()), static_cast<u32>(cases.size() + 1)};
    way_pool_.push_back(otherwise);
    case_pool_.push_back(0);
    for (const SwitchCase& c : cases) {
        way_pool_.push_back(c.edge);
        case_pool_.push_back(c.value);
    }
    return range;
}

Range Function::add_values(std::span<const ValueId> values) {
    const Range range{static_cast<u32>(value_pool_.size()), static_cast<u32>(values.size())};
    value_pool_.insert(value_pool_.end(), values.begin(), values.end());
    return range;
}

Range Function::add_frame(std::span<const FrameEntry> entries) {
    const Range range{static_cast<u32>(frame_pool_.size()), static_cast<u32>(entries.size())};
    frame_pool_.insert(frame_pool_.end(), entries.begin(), entries.end());
    return range;
}

ValueId Function::append(BlockId block, const Inst& inst) {
    const auto id = ValueId(value_count());
    link_last(block, insts_.emplace_back(inst), id);
    return id;
}

Inst& Function::append(BlockId block, Op op, Type type) {
    const auto id = ValueId(value_count());
    Inst& added = insts_.emplace_back(op, type);
    link_last(block, added, id);
    return added;
}

void Function::link_last(BlockId block_id, Inst& added, ValueId id) {
    Block& block = (*this)[block_id];
    added.block = block_id;
    added.prev = block.last;
    added.next = ValueId::none;
    if (block.last == ValueId::none)
        block.first = id;
    else
        (*this)[block.last].next = id;
    block.last = id;
}

ValueId Function::insert_before(ValueId before, const Inst& inst) {
    const auto id = ValueId(value_count());
    Inst& added = insts_.emplace_back(inst);
    Inst& after = (*this)[before];
    KILN_CHECK(after.block != BlockId::none);
    added.block = after.block;
    added.prev = after.prev;
    added.next = before;
    if (after.prev == ValueId::none)
        (*this)[after.block].first = id;
    else
        (*this)[after.prev].next = id;
    after.prev = id;
    return id;
}

void Function::remove(ValueId id) {
    Inst& inst = (*this)[id];
    KILN_CHECK(inst.block != BlockId::none);
    Block& block = (*this)[inst.block];
    if (inst.prev == ValueId::none)
        block.first = inst.next;
    else
        (*this)[inst.prev].next = inst.next;
    if (inst.next == ValueId::none)
        block.last = inst.prev;
    else
        (*this)[inst.next].prev = inst.prev;
    inst.block = BlockId::none;
}

void Function::keep_blocks(std::span<const u8> keep) {
    std::vector<BlockId> renumbered(block_count_, BlockId::none);
    u32 kept = 0;
    for (u32 b = 0; b < block_count_; ++b) {
        if (keep[b]) {
            renumbered[b] = BlockId(kept);
            std::swap(blocks_[kept++], blocks_[b]);  // a swap keeps the parameter lists' memory
        }
    }
    block_count_ = kept;
    for (Inst& inst : insts_)
        if (inst.block != BlockId::none) inst.block = renumbered[index(inst.block)];
    for (Edge& e : edges_)
        if (e.target != BlockId::none) e.target = renumbered[index(e.target)];
}

}  // namespace kiln::ir

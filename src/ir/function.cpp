#include "ir/function.h"

#include "base/check.h"

namespace kiln::ir {

void Function::clear(GuestAddr entry) {
    entry_ = entry;
    insts_.clear();
    block_count_ = 0;
    edges_.clear();
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

ValueId Function::append(BlockId block_id, const Inst& inst) {
    const auto id = ValueId(value_count());
    Inst& added = insts_.emplace_back(inst);
    Block& block = (*this)[block_id];
    added.block = block_id;
    added.prev = block.last;
    added.next = ValueId::none;
    if (block.last == ValueId::none)
        block.first = id;
    else
        (*this)[block.last].next = id;
    block.last = id;
    return id;
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

Type Function::result_type(ValueId id) const {
    const Inst& inst = (*this)[id];
    switch (info(inst.op).result) {
        case ResultRule::none: return Type::none;
        case ResultRule::i1: return Type::i1;
        case ResultRule::same: return inst.type;
    }
    KILN_UNREACHABLE();
}

const Effects& Function::effects(ValueId id) const {
    const Inst& inst = (*this)[id];
    return inst.op == Op::call ? env()[inst.helper].effects : info(inst.op).effects;
}

std::span<const EdgeId> Function::edges_of(const Inst& terminator) const {
    if (terminator.op == Op::br) return {terminator.edges, 1};
    if (terminator.op == Op::br_if) return {terminator.edges, 2};
    return {};
}

}  // namespace kiln::ir

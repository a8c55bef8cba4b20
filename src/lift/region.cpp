#include "lift/region.h"

#include <algorithm>

#include "ir/dominators.h"

namespace kiln::lift {

using namespace ir;

namespace {

/// Basic blocks are cut after so many instructions.
constexpr u32 max_block = 64;

}  // namespace

bool RegionFormer::form(Function& f, GuestAddr pc, abi::CodeSource& code, const RegionOptions& options,
                        abi::Lifted& result) {
    f.clear(pc);
    f_ = &f;
    options_ = &options;
    code_ = &code;
    result_ = &result;
    result.instructions = 0;
    result.ranges.clear();
    result.fetch_failed = false;
    nodes_.clear();
    ways_.clear();
    calls_.assign(1, Call{});
    // Nothing leads to a function's first block.
    const BlockId entry = f.add_block();
    from_ = no_node;
    go_on(entry, {pc, no_call}, OriginId::none);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = nodes_[i];
        from_ = i;
        if (result.instructions < options.max_instructions)
            lift(node, std::min(max_block, options.max_instructions - result.instructions));
        else
            leave(node);
    }
    if (is_entered_behind()) copy_first();
    return count_and_poll();
}

/// Whether the region's first block is in a loop that control also comes into right behind it: so it is the loop's end rather
/// than its head.
bool RegionFormer::is_entered_behind() const {
    std::vector<std::vector<std::size_t>> leads_to(nodes_.size()), comes_from(nodes_.size());
    for (const Way& way : ways_) {
        if (way.from == no_node) continue;
        leads_to[way.from].push_back(way.node);
        comes_from[way.node].push_back(way.from);
    }
    // Breadth first from the first block: the shortest way back to it, and where that begins.
    std::vector<std::size_t> first_step(nodes_.size(), no_node), work;
    for (std::size_t next : leads_to[0]) {
        if (next == 0) return false;
        if (first_step[next] != no_node) continue;
        first_step[next] = next;
        work.push_back(next);
    }
    for (std::size_t i = 0; i < work.size(); ++i)
        for (std::size_t next : leads_to[work[i]]) {
            if (next == 0)
                return std::ranges::any_of(comes_from[first_step[work[i]]],
                                           [](std::size_t from) { return from != 0; });
            if (first_step[next] != no_node) continue;
            first_step[next] = first_step[work[i]];
            work.push_back(next);
        }
    return false;
}

/// Gives the loop that the first block is in a copy of it, so that it has one head: the entry keeps the first block.
void RegionFormer::copy_first() {
    const std::size_t ways = ways_.size(), again = nodes_.size();
    nodes_.push_back({nodes_[0].place, f_->add_block()});
    for (std::size_t i = 0; i < ways; ++i) {
        if (ways_[i].node != 0 || ways_[i].from == no_node) continue;
        (*f_)[(*f_)[ways_[i].branch].edges[0]].target = nodes_[again].block;
        ways_[i].node = again;
    }
    from_ = again;
    // As far as the first block goes, so that it leads nowhere else.
    lift(nodes_[again], std::min(max_block, options_->max_instructions));
}

bool RegionFormer::belongs(GuestAddr pc) const {
    if (pc == f_->entry()) return true;
    if (options_->stops != nullptr &&
        std::binary_search(options_->stops->begin(), options_->stops->end(), pc))
        return false;
    return options_->profile == nullptr || options_->profile->at(pc).entries != 0;
}

std::size_t RegionFormer::node(const Place& place) {
    const auto known = std::ranges::find(nodes_, place, &Node::place);
    if (known == nodes_.end()) {
        nodes_.push_back({place, f_->add_block()});
        return nodes_.size() - 1;
    }
    return static_cast<std::size_t>(known - nodes_.begin());
}

void RegionFormer::leave(const Node& node) {
    Inst& inst = f_->append(node.block, Op::goto_pc, Type::none);
    inst.imm = node.place.pc.raw;
}

void RegionFormer::lift(Node& node, u32 most) {
    if (!belongs(node.place.pc)) return leave(node);
    abi::LiftOptions options;
    options.max_instructions = most;
    options.extend = false;
    options.read_once = true;
    options.stops = options_->stops;
    frontend_.lift(part_, node.place.pc, *code_, options, lifted_);
    if (lifted_.fetch_failed || !holds_together()) return leave(node);
    result_->instructions += lifted_.instructions;
    add_ranges();
    node.first_origin = f_->origin_count();
    copy(node);
}

/// Whether the part is of code that may stand between other code of a region: what looks at the engine's own state, or sets
/// the rounding mode that the region is made for, wants units of its own.
bool RegionFormer::holds_together() const {
    const SlotId rounding = part_.env().layout->rounding;
    bool holds = true;
    for (u32 b = 0; b < part_.block_count(); ++b)
        part_.for_each(BlockId(b), [&](ValueId id, const Inst& inst) {
            if (inst.op == Op::call && part_.effects(id).any) holds = false;
            if (inst.op == Op::put_state && inst.slot == rounding) holds = false;
        });
    return holds;
}

void RegionFormer::add_ranges() {
    for (const abi::CodeRange& range : lifted_.ranges) {
        const auto covered = [&](const abi::CodeRange& r) {
            return r.begin <= range.begin && range.begin + range.bytes <= r.begin + r.bytes;
        };
        if (std::ranges::none_of(result_->ranges, covered)) result_->ranges.push_back(range);
    }
}

/// Copies the part behind what is there of the region, its first block being the node's.
void RegionFormer::copy(const Node& node) {
    values_.assign(part_.value_count(), ValueId::none);
    blocks_.assign(part_.block_count(), node.block);
    for (u32 b = 1; b < part_.block_count(); ++b) {
        blocks_[b] = f_->add_block();
        for (ValueId p : part_[BlockId(b)].params)
            values_[index(p)] = f_->add_param(blocks_[b], part_[p].type);
    }
    const u32 first_origin = f_->origin_count();
    for (u32 o = 0; o < part_.origin_count(); ++o) f_->add_origin(part_[OriginId(o)]);
    for (u32 b = 0; b < part_.block_count(); ++b) {
        part_.for_each(BlockId(b), [&](ValueId id, const Inst& inst) {
            Inst copied = inst;
            if (inst.origin != OriginId::none) copied.origin = OriginId(index(inst.origin) + first_origin);
            for (unsigned i = 0; i < info(inst.op).args; ++i) copied.args[i] = values_[index(inst.args[i])];
            if (inst.op == Op::call) {
                copied.list = f_->add_values(copied_values(inst.list));
            } else if (info(inst.op).effects.terminator) {
                return copy_end(node, blocks_[b], copied);
            }
            values_[index(id)] = f_->append(blocks_[b], copied);
        });
    }
}

std::span<const ValueId> RegionFormer::copied_values(Range list) {
    copied_.clear();
    for (ValueId v : part_.values(list)) copied_.push_back(values_[index(v)]);
    return copied_;
}

void RegionFormer::copy_end(const Node& node, BlockId block, const Inst& inst) {
    switch (inst.op) {
        case Op::br:
        case Op::br_if: {
            Inst copied = inst;
            for (EdgeId& e : copied.edges)
                if (e != EdgeId::none)
                    e = f_->add_edge(blocks_[index(part_[e].target)], copied_values(part_[e].args));
            f_->append(block, copied);
            return;
        }
        case Op::goto_pc: {
            u32 calls = node.place.calls;
            if (inst.hint() == Hint::call) calls = call(calls, inst);
            const bool followed = inst.hint() != Hint::call || calls != node.place.calls;
            if (followed && belongs(GuestAddr(inst.imm)))
                return go_on(block, {GuestAddr(inst.imm), calls}, inst.origin);
            break;
        }
        case Op::goto_ind:
            if (inst.hint() == Hint::ret && node.place.calls != no_call)
                return go_back(block, inst, node.place.calls);
            break;
        default: break;
    }
    f_->append(block, inst);
}

/// The calls before the callee of a `goto_pc` if it is followed; `outer` if it is not. A call that stands in two blocks is the
/// same: the copy of the first block leads where that does.
u32 RegionFormer::call(u32 outer, const Inst& inst) {
    const GuestAddr callee(inst.imm);
    const u32 depth = calls_[outer].depth + 1;
    if (depth > options_->max_depth) return outer;
    for (u32 at = outer; at != no_call; at = calls_[at].outer)
        if (calls_[at].callee == callee) return outer;
    const Call made{GuestAddr(inst.imm2), callee, outer, depth};
    const auto known = std::find(calls_.begin() + 1, calls_.end(), made) - calls_.begin();
    if (known == std::ssize(calls_)) calls_.push_back(made);
    return static_cast<u32>(known);
}

/// Ends `block` by going on at a place of the region.
void RegionFormer::go_on(BlockId block, const Place& place, OriginId origin) {
    const std::size_t to = node(place);
    const EdgeId edge = f_->add_edge(nodes_[to].block, {});
    Inst branch(Op::br);
    branch.origin = origin;
    branch.edges[0] = edge;
    branch.edges[1] = EdgeId::none;
    ways_.push_back({f_->append(block, branch), from_, to});
}

/// Ends `block` by a return: behind the latest call if that is where it goes.
void RegionFormer::go_back(BlockId block, const Inst& inst, u32 calls) {
    const Call& latest = calls_[calls];
    const BlockId there = f_->add_block(), elsewhere = f_->add_block();
    Inst expected(Op::iconst, Type::i64);
    expected.imm = latest.return_address.raw;
    expected.origin = inst.origin;
    Inst compare(Op::icmp, Type::i64);
    compare.attr0 = static_cast<u8>(Cond::eq);
    compare.origin = inst.origin;
    compare.args[0] = inst.args[0];
    compare.args[1] = f_->append(block, expected);
    Inst branch(Op::br_if);
    branch.origin = inst.origin;
    branch.args[0] = f_->append(block, compare);
    branch.edges[0] = f_->add_edge(there, {});
    branch.edges[1] = f_->add_edge(elsewhere, {});
    f_->append(block, branch);
    f_->append(elsewhere, inst);
    go_on(there, {latest.return_address, latest.outer}, inst.origin);
}

bool RegionFormer::count_and_poll() {
    bool goes_back = false;
    const Dominators dominators(*f_);
    const auto& order = dominators.reverse_postorder();
    std::vector<u32> place(f_->block_count());
    for (u32 i = 0; i < order.size(); ++i) place[index(order[i])] = i;
    for (const Way& way : ways_) {
        const Node& node = nodes_[way.node];
        const Inst branch = (*f_)[way.branch];
        const u32 completed = branch.origin == OriginId::none ? 0 : index(branch.origin) + 1;
        if (completed != node.first_origin) {
            Inst count(Op::count);
            count.origin = branch.origin;
            count.imm = u64{completed} - node.first_origin;
            f_->insert_before(way.branch, count);
        }
        if (place[index(node.block)] > place[index(branch.block)]) continue;
        goes_back = true;
        Inst poll(Op::poll);
        poll.origin = OriginId(node.first_origin);
        poll.frame = {};
        f_->insert_before(way.branch, poll);
    }
    return goes_back;
}

}  // namespace kiln::lift

// What the allocator for regions knows before it gives out registers: blocks, which values live across them, and how
// far away their next uses are at blocks' borders.
#include <algorithm>

#include "base/check.h"
#include "emit/allocate_region.h"

namespace kiln::emit {
namespace {

/// Calls visit(register, whether it is only written) for the register operands that are there.
template <class Visit>
void visit_operands(const MachineInst& inst, const Visit& visit) {
    const std::string_view roles = info(inst.op).roles;
    for (unsigned k = 0; k < roles.size(); ++k)
        if (inst.r[k] != Reg::none) visit(inst.r[k], roles[k] == 'd' || roles[k] == 'e');
    if (inst.mem.base != Reg::none) visit(inst.mem.base, false);
    if (inst.mem.index != Reg::none) visit(inst.mem.index, false);
}

/// `distance` and `by` more; never stays never.
constexpr u32 further(u32 distance, u32 by) { return std::min(distance, ~u32{0} - by) + by; }

}  // namespace

/// The state that must be known at `inst`; `observes`: whether anybody looks there at all.
ValueRange RegionAllocator::observed_state(const MachineInst& inst, bool& observes) const {
    observes = true;
    switch (inst.op) {
        case MachineOp::exit_direct:
        case MachineOp::exit_indirect:
        case MachineOp::side_exit: return f_->exits[inst.target].state;
        default: break;
    }
    observes = inst.site != no_site;
    return observes ? f_->sites[inst.site].state : ValueRange{};
}

/// Calls visit(value) for every value that somebody who looks at the guest's state at `inst` needs: those listed, and what
/// slots held at the entry where none is listed.
template <class Visit>
void RegionAllocator::visit_observed(const MachineInst& inst, Visit&& visit) const {
    bool observes = false;
    const ValueRange range = observed_state(inst, observes);
    if (!observes) return;
    u64 listed = 0;  // the first entry values; it does no harm to keep others for nothing
    for (u32 i = range.begin; i < range.begin + range.count; ++i) {
        const StateValue& state = f_->state[i];
        if (state.value != Reg::none && !is_physical(state.value)) visit(state.value);
        if (const u32 entry = entry_of_[state.offset / 8]; entry - 1 < 64) listed |= u64{1} << (entry - 1);
    }
    for (u32 i = 0; i < f_->entry_values.size(); ++i) {
        const EntryValue& entry = f_->entry_values[i];
        if (i >= 64 || (listed >> i & 1) == 0) visit(entry.value);
    }
}

void RegionAllocator::find_blocks() {
    const auto& code = f_->code;
    blocks_.clear();
    index_of_.assign(f_->predecessors.size(), no_block);
    for (u32 i = 0; i < code.size(); ++i) {
        if (code[i].op != MachineOp::label) continue;
        if (!blocks_.empty()) blocks_.back().end = i;
        index_of_[code[i].target] = static_cast<u32>(blocks_.size());
        Block& block = blocks_.emplace_back();
        block.begin = i;
        block.depth = f_->loop_depths[code[i].target];
    }
    blocks_.back().end = static_cast<u32>(code.size());
    for (u32 b = 0; b < blocks_.size(); ++b) {
        u32 count = 0;
        for (u32 i = blocks_[b].begin; i < blocks_[b].end; ++i) {
            if (code[i].op != MachineOp::jump && code[i].op != MachineOp::jump_if) continue;
            const u32 to = index_of_[code[i].target];
            blocks_[b].successors[count++] = to;
            blocks_[to].predecessors.push_back(b);
            if (!blocks_[to].params.empty()) continue;
            for (const EdgeValue& edge : f_->given(code[i])) blocks_[to].params.push_back(edge.param);
        }
    }
}

void RegionAllocator::find_globals() {
    globals_.clear();
    const auto make_global = [&](Reg value) {
        if (at(value).global != never) return;
        at(value).global = static_cast<u32>(globals_.size());
        globals_.push_back(value);
    };
    for (const EntryValue& entry : f_->entry_values) {
        at(entry.value).home = 0;
        make_global(entry.value);
    }
    for (u32 b = 0; b < blocks_.size(); ++b)
        for (Reg param : blocks_[b].params) {
            at(param).home = b;
            make_global(param);
        }
    for (u32 b = 0; b < blocks_.size(); ++b) {
        const auto use = [&](Reg value) {
            if (is_physical(value)) return;
            if (at(value).home == no_block) at(value).home = b;
            if (at(value).home != b) make_global(value);
        };
        for (u32 i = blocks_[b].begin; i < blocks_[b].end; ++i) {
            const MachineInst& inst = f_->code[i];
            visit_operands(inst, [&](Reg r, bool) { use(r); });
            visit_observed(inst, use);
            for (const EdgeValue& edge : f_->given(inst))
                if (edge.value != Reg::none) use(edge.value);
        }
    }
}

/// Walks a block backwards from what upcoming_ says of its end: the next uses behind each instruction's operands, where
/// values die, and in upcoming_ the next uses at the block's start.
void RegionAllocator::scan(const Block& block) {
    const u32 length = block.end - block.begin;
    next_.resize(length);
    const auto note = [&](Reg value, u32 position, u32 use) {
        u32& upcoming = upcoming_[number(value)];
        if (!is_physical(value) && upcoming == never) at(value).dies = position;
        if (use == position || upcoming == never) upcoming = use;
    };
    for (u32 position = length; position-- > 0;) {
        const MachineInst& inst = f_->code[block.begin + position];
        const std::string_view roles = info(inst.op).roles;
        const Reg regs[6] = {inst.r[0], inst.r[1], inst.r[2], inst.r[3], inst.mem.base, inst.mem.index};
        const auto writes = [&](unsigned k) { return k < 4 && (roles[k] == 'd' || roles[k] == 'e'); };
        for (unsigned k = 0; k < 6; ++k)
            next_[position][k] = regs[k] == Reg::none ? never : upcoming_[number(regs[k])];
        for (unsigned k = 0; k < 6; ++k)
            if (regs[k] != Reg::none && writes(k)) upcoming_[number(regs[k])] = never;
        visit_observed(inst, [&](Reg value) { note(value, position, observed); });
        for (const EdgeValue& edge : f_->given(inst))
            if (edge.value != Reg::none) note(edge.value, position, position);
        for (unsigned k = 0; k < 6; ++k)
            if (regs[k] != Reg::none && !writes(k)) note(regs[k], position, position);
    }
}

void RegionAllocator::find_distances() {
    const std::size_t globals = globals_.size();
    const auto row = [&](std::vector<u32>& table, u32 b) { return table.data() + globals * b; };
    first_.assign(globals * blocks_.size(), never);
    in_ = out_distance_ = first_;
    std::vector<std::vector<u32>> defined(blocks_.size());
    for (u32 g = 0; g < globals; ++g) defined[at(globals_[g]).home].push_back(g);
    for (u32 b = 0; b < blocks_.size(); ++b) note_first_uses(blocks_[b], row(first_, b));
    // The loops over all values are what takes time: nothing in them but minima and sums.
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 b = static_cast<u32>(blocks_.size()); b-- > 0;) {
            const Block& block = blocks_[b];
            u32* __restrict const out = row(out_distance_, b);
            for (u32 s : block.successors) {
                if (s == no_block) continue;
                const u32 by = blocks_[s].depth < block.depth ? loop_end : 0;
                const u32* __restrict const next = row(in_, s);
                for (std::size_t g = 0; g < globals; ++g) out[g] = std::min(out[g], further(next[g], by));
            }
            const u32 length = block.end - block.begin;
            u32* __restrict const in = row(in_, b);
            const u32* __restrict const first = row(first_, b);
            u32 difference = 0;
            for (u32 g : defined[b]) in[g] = std::min(first[g], further(out[g], length));
            for (std::size_t g = 0; g < globals; ++g) {
                const u32 distance = std::min(in[g], std::min(first[g], further(out[g], length)));
                difference |= in[g] ^ distance;
                in[g] = distance;
            }
            for (u32 g : defined[b]) in[g] = never;
            changed |= difference != 0;
        }
    }
    live_.assign(blocks_.size(), {});
    for (u32 b = 0; b < blocks_.size(); ++b) {
        const u32* const in = row(in_, b);
        const u32* const out = row(out_distance_, b);
        for (u32 g = 0; g < globals; ++g)
            if ((in[g] & out[g]) != never || at(globals_[g]).home == b) live_[b].push_back(globals_[g]);
        if (blocks_[b].depth != 0) find_pressure(b);
        find_homes(b);
    }
}

/// Finds how many values a block has at most at one time that are used before a loop around it ends.
void RegionAllocator::find_pressure(u32 index) {
    Block& block = blocks_[index];
    std::array<u32, 2> count{};
    const auto begin_life = [&](Reg value) {
        if (is_physical(value) || std::exchange(at(value).found_for, counted + index) == counted + index)
            return;
        u32& now = count[is_fp(value)];
        block.pressure[is_fp(value)] = std::max(block.pressure[is_fp(value)], ++now);
    };
    for (Reg value : live_[index])
        if (out_distance_[globals_.size() * index + at(value).global] < loop_end) begin_life(value);
    for (u32 i = block.end; i-- > block.begin;) {
        const MachineInst& inst = f_->code[i];
        for (const EdgeValue& edge : f_->given(inst))
            if (edge.value != Reg::none) begin_life(edge.value);
        visit_operands(inst, [&](Reg r, bool) { begin_life(r); });
        // Those written only are not there above.
        visit_operands(inst, [&](Reg r, bool written) {
            if (!written || is_physical(r) || at(r).found_for != counted + index) return;
            at(r).found_for = no_block;
            --count[is_fp(r)];
        });
    }
}

/// Finds the values that are computed while another one of their slot is alive.
void RegionAllocator::find_homes(u32 index) {
    const Block& block = blocks_[index];
    const auto others = [&](Reg value) -> std::vector<Reg>& { return slot_values_[(*f_)[value].slot / 8]; };
    const auto begin_life = [&](Reg value) {
        if (is_physical(value) || (*f_)[value].slot == 0) return;
        if (std::exchange(at(value).found_for, housed + index) != housed + index)
            others(value).push_back(value);
    };
    const auto end_life = [&](Reg value) {
        if (is_physical(value) || (*f_)[value].slot == 0 || at(value).found_for != housed + index) return;
        std::erase(others(value), value);
        at(value).apart |= !others(value).empty();
        at(value).found_for = no_block;
    };
    for (Reg value : live_[index])
        if (out_distance_[globals_.size() * index + at(value).global] != never) begin_life(value);
    for (u32 i = block.end; i-- > block.begin;) {
        const MachineInst& inst = f_->code[i];
        visit_operands(inst, [&](Reg r, bool written) {
            if (written) end_life(r);
        });
        visit_operands(inst, [&](Reg r, bool written) {
            if (!written) begin_life(r);
        });
        visit_observed(inst, begin_life);
        for (const EdgeValue& edge : f_->given(inst))
            if (edge.value != Reg::none) begin_life(edge.value);
    }
    for (Reg value : block.params) end_life(value);
    for (Reg value : live_[index])
        if ((*f_)[value].slot != 0) others(value).clear();
}

/// Finds what takes the content of each value: where several do, the copy, and the parameter in the deepest loop.
void RegionAllocator::find_copies() {
    for (const Block& block : blocks_)
        for (u32 i = block.begin; i < block.end; ++i) {
            const MachineInst& inst = f_->code[i];
            const bool copies = (inst.op == MachineOp::mov || inst.op == MachineOp::fmov) &&
                                !is_physical(inst.r[0]) && !is_physical(inst.r[1]);
            if (copies) at(inst.r[1]).becomes = inst.r[0];
            for (const EdgeValue& edge : f_->given(inst)) {
                if (edge.value == Reg::none || is_physical(edge.value)) continue;
                Reg& becomes = at(edge.value).becomes;
                const auto depth = [&](Reg param) { return blocks_[at(param).home].depth; };
                if (becomes == Reg::none || depth(edge.param) > depth(becomes)) becomes = edge.param;
            }
        }
}

/// Notes how far from the block's start the first uses are that nothing in the block comes before.
void RegionAllocator::note_first_uses(const Block& block, u32* first) {
    for (u32 i = block.end; i-- > block.begin;) {
        const MachineInst& inst = f_->code[i];
        const u32 position = i - block.begin;
        visit_observed(inst, [&](Reg value) {
            const u32 g = at(value).global;
            if (g != never && first[g] == never) first[g] = observed;
        });
        const auto use = [&](Reg value) {
            if (!is_physical(value) && at(value).global != never) first[at(value).global] = position;
        };
        for (const EdgeValue& edge : f_->given(inst))
            if (edge.value != Reg::none) use(edge.value);
        visit_operands(inst, [&](Reg r, bool written) {
            if (!written) use(r);
        });
    }
}

}  // namespace kiln::emit

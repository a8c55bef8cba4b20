// State slots become values from block to block: every read of a slot is replaced by the value that the slot holds, a
// block's parameter where ways with different ones meet; writes go to the ways out alone, and what may fault in between
// has them in its frame state.
//
// Parameters stand where the values of different writes can meet: at the iterated dominance frontier of the blocks
// that write (Cytron and others, "Efficiently Computing Static Single Assignment Form", 1991). What a slot holds at
// the entry is read there once. A parameter notes its slot, and so does what is read at the entry.
//
// Nothing is done to a function with operations that may look at slots in between: calls of some helpers, and rounding as
// the rounding slot says where that is written.
#include <algorithm>
#include <bit>

#include "ir/dominators.h"
#include "opt/observers.h"
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

namespace {

using Words = std::vector<u64>;

class Promotion {
  public:
    explicit Promotion(Function& f)
        : f_(f),
          dominators_(f),
          layout_(*f.env().layout),
          slots_(layout_.slots.size()),
          words_((slots_ + 63) / 64) {}

    bool run() {
        if (!find_writes()) return false;
        place_parameters();
        at_end_.assign(f_.block_count() * slots_, ValueId::none);
        at_entry_.assign(slots_, ValueId::none);
        holds_.resize(slots_);
        instead_.assign(f_.value_count(), ValueId::none);
        for (BlockId b : dominators_.reverse_postorder()) block(b);
        for (BlockId b : dominators_.reverse_postorder()) give_arguments(b);
        replace_reads();
        return true;
    }

  private:
    u64* row(Words& sets, BlockId block) { return sets.data() + words_ * index(block); }

    bool writes(BlockId block, SlotId slot) {
        return (row(writes_, block)[static_cast<u16>(slot) / 64] >> static_cast<u16>(slot) % 64 & 1) != 0;
    }

    /// The slots that each block writes; false if something else may look at slots, or a slot is read or written as
    /// another type than its own.
    bool find_writes() {
        writes_.assign(words_ * f_.block_count(), 0);
        bool any = false, promotable = true, rounds = false;
        for (BlockId b : dominators_.reverse_postorder())
            f_.for_each(b, [&](ValueId id, const Inst& inst) {
                if (inst.op == Op::get_state || inst.op == Op::put_state) {
                    any = true;
                    promotable &= inst.type == layout_[inst.slot].type && byte_size(inst.type) <= 8;
                    const auto slot = static_cast<u16>(inst.slot);
                    if (inst.op == Op::put_state) row(writes_, b)[slot / 64] |= u64{1} << slot % 64;
                } else {
                    rounds |= rounds_dynamically(inst);
                    promotable &= inst.op != Op::call || !looks_at_state(f_.effects(id));
                }
            });
        if (rounds)
            for (BlockId b : dominators_.reverse_postorder()) promotable &= !writes(b, layout_.rounding);
        return any && promotable;
    }

    void place_parameters() {
        const u32 count = f_.block_count();
        std::vector<std::vector<BlockId>> predecessors(count), frontier(count);
        for (BlockId b : dominators_.reverse_postorder())
            for (EdgeId e : f_.edges_of(f_[f_[b].last])) predecessors[index(f_[e].target)].push_back(b);
        for (BlockId b : dominators_.reverse_postorder()) {
            if (predecessors[index(b)].size() < 2) continue;
            for (BlockId from : predecessors[index(b)])
                for (BlockId at = from; at != dominators_.immediate(b); at = dominators_.immediate(at)) {
                    auto& own = frontier[index(at)];
                    if (std::ranges::find(own, b) == own.end()) own.push_back(b);
                }
        }
        merges_.assign(words_ * count, 0);
        std::vector<BlockId> work(dominators_.reverse_postorder());
        while (!work.empty()) {
            const BlockId b = work.back();
            work.pop_back();
            for (BlockId to : frontier[index(b)]) {
                bool grown = false;
                for (std::size_t w = 0; w < words_; ++w) {
                    u64& merged = row(merges_, to)[w];
                    const u64 more = (row(writes_, b)[w] | row(merges_, b)[w]) & ~merged;
                    merged |= more;
                    grown |= more != 0;
                }
                if (grown) work.push_back(to);
            }
        }
        first_param_.resize(count);
        for (BlockId b : dominators_.reverse_postorder()) {
            first_param_[index(b)] = f_[b].params.size();
            for_each_slot(row(merges_, b), [&](SlotId slot) {
                const ValueId param = f_.add_param(b, layout_[slot].type);
                f_[param].slot = slot;
            });
        }
    }

    template <class Visit>
    void for_each_slot(const u64* set, const Visit& visit) const {
        for (std::size_t w = 0; w < words_; ++w)
            for (u64 left = set[w]; left != 0; left &= left - 1)
                visit(SlotId(64 * w + static_cast<unsigned>(std::countr_zero(left))));
    }

    /// What `slot` holds at the function's entry.
    ValueId entry_value(SlotId slot) {
        ValueId& value = at_entry_[static_cast<u16>(slot)];
        if (value == ValueId::none) {
            Inst read(Op::get_state, layout_[slot].type);
            read.slot = slot;
            value = f_.insert_before(f_[BlockId(0)].first, read);
        }
        return value;
    }

    void block(BlockId b) {
        // What slots hold where the block begins: none stands for what they hold at the entry.
        const BlockId above = dominators_.immediate(b);
        if (above == BlockId::none)
            std::ranges::fill(holds_, ValueId::none);
        else
            std::copy_n(at_end_.begin() + static_cast<std::ptrdiff_t>(slots_ * index(above)), slots_,
                        holds_.begin());
        std::size_t param = first_param_[index(b)];
        for_each_slot(row(merges_, b),
                      [&](SlotId slot) { holds_[static_cast<u16>(slot)] = f_[b].params[param++]; });
        f_.for_each(b, [&](ValueId id, Inst& inst) {
            if (inst.op == Op::get_state) {
                const ValueId holds = holds_[static_cast<u16>(inst.slot)];
                instead_[index(id)] = holds != ValueId::none ? holds : entry_value(inst.slot);
                f_.remove(id);
            } else if (inst.op == Op::put_state) {
                holds_[static_cast<u16>(inst.slot)] = f_[id].args[0];
                f_.remove(id);
            } else if (can_fault(inst)) {
                extend_frame(id);
            } else if (info(inst.op).effects.terminator && f_.edges_of(inst).empty()) {
                put_back(id);
            }
        });
        std::ranges::copy(holds_, at_end_.begin() + static_cast<std::ptrdiff_t>(slots_ * index(b)));
    }

    void extend_frame(ValueId id) {
        frame_.clear();
        for (const FrameEntry& entry : f_.frame(f_[id].frame)) frame_.push_back(entry);
        const std::size_t own = frame_.size();
        for (std::size_t slot = 0; slot < slots_; ++slot) {
            if (holds_[slot] == ValueId::none) continue;
            const bool framed = std::any_of(frame_.begin(), frame_.begin() + static_cast<std::ptrdiff_t>(own),
                                            [&](const FrameEntry& e) { return e.slot == SlotId(slot); });
            if (!framed) frame_.push_back({SlotId(slot), holds_[slot]});
        }
        if (frame_.size() != own) f_[id].frame = f_.add_frame(frame_);
    }

    void put_back(ValueId way_out) {
        for (std::size_t slot = 0; slot < slots_; ++slot) {
            if (holds_[slot] == ValueId::none) continue;
            Inst write(Op::put_state, layout_.slots[slot].type);
            write.slot = SlotId(slot);
            write.args[0] = holds_[slot];
            f_.insert_before(way_out, write);
        }
    }

    void give_arguments(BlockId b) {
        for (EdgeId e : f_.edges_of(f_[f_[b].last])) {
            const BlockId to = f_[e].target;
            if (f_[to].params.size() == f_[e].args.count) continue;
            const auto given = f_.values(f_[e].args);
            args_.assign(given.begin(), given.end());
            for_each_slot(row(merges_, to), [&](SlotId slot) {
                const ValueId holds = at_end_[slots_ * index(b) + static_cast<u16>(slot)];
                args_.push_back(holds != ValueId::none ? holds : entry_value(slot));
            });
            f_[e].args = f_.add_values(args_);
        }
    }

    void replace_reads() {
        const auto resolve = [&](ValueId v) {
            while (index(v) < instead_.size() && instead_[index(v)] != ValueId::none) v = instead_[index(v)];
            return v;
        };
        for (BlockId b : dominators_.reverse_postorder())
            f_.for_each(
                b, [&](ValueId, Inst& inst) { f_.for_each_use(inst, [&](ValueId& v) { v = resolve(v); }); });
    }

    Function& f_;
    const Dominators dominators_;
    const StateLayout& layout_;
    const std::size_t slots_, words_;
    Words writes_, merges_;                  // by block: slots it writes; slots it has parameters for
    std::vector<std::size_t> first_param_;   // by block: of those for slots
    std::vector<ValueId> at_end_;            // [block × slots + slot]
    std::vector<ValueId> at_entry_, holds_;  // by slot
    std::vector<ValueId> instead_;           // read → value
    std::vector<FrameEntry> frame_;
    std::vector<ValueId> args_;
};

}  // namespace

bool promote_state(Function& f) {
    const bool dropped = unreachable_blocks(f);
    return Promotion(f).run() || dropped;
}

}  // namespace kiln::opt

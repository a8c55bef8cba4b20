// Two passes over the writes of state slots that a later write of the same slot overwrites:
//
//   dead_state_stores      removes those that nobody can observe in between. Observers are reads of the slot,
//                          ways out of the unit, calls that may look at state, operations that round as the
//                          rounding slot says (that slot), and whatever may fault without the slot in its
//                          frame state.
//   deferred_state_stores  also removes those that only faults can observe, by adding slot and value to the
//                          frame states in between.
//
// A backward walk keeps, per slot, whether what it holds here is overwritten unseen ("dead") and whether it
// is so but for faults ("deferrable"). A block's end takes what holds at the start of all its successors.
// Values are deferred only into blocks with one predecessor: a frame state cannot tell where control came
// from.
#include <algorithm>
#include <bit>

#include "opt/block_order.h"
#include "opt/observers.h"
#include "opt/passes.h"

namespace kiln::opt {

using namespace ir;

namespace {

enum class Faults { observe, get_frames };

/// A row of bits per block, one bit per state slot.
class SlotSets {
  public:
    void start(const Function& f) {
        words_ = (f.env().layout->slots.size() + 63) / 64;
        bits_.assign(words_ * f.block_count(), 0);
    }
    u64* operator[](BlockId block) { return bits_.data() + words_ * index(block); }
    std::size_t words() const { return words_; }

  private:
    std::size_t words_ = 0;
    std::vector<u64> bits_;
};

bool has(const u64* set, SlotId slot) {
    return set[static_cast<u16>(slot) / 64] >> static_cast<u16>(slot) % 64 & 1;
}
void insert(u64* set, SlotId slot) {
    set[static_cast<u16>(slot) / 64] |= u64{1} << static_cast<u16>(slot) % 64;
}
void erase(u64* set, SlotId slot) {
    set[static_cast<u16>(slot) / 64] &= ~(u64{1} << static_cast<u16>(slot) % 64);
}

struct Scratch {
    BlockOrder order;
    SlotSets dead, deferrable;  // at the block's start, once the backward walk has passed it
    SlotSets pending;           // at the block's end: slots whose write was deferred and not yet overwritten
    std::vector<ValueId> pending_values;  // [block × slots + slot]
    std::vector<u64> framed;              // the slots in one frame
    std::vector<ValueId> deferred;        // the writes to take out
    std::vector<FrameEntry> frame;
};

class StateStores {
  public:
    StateStores(Function& f, Faults faults, Scratch& scratch) : f_(f), faults_(faults), s_(scratch) {}

    bool run() {
        s_.order.compute(f_);
        s_.dead.start(f_);
        s_.deferrable.start(f_);
        s_.deferred.clear();
        s_.framed.resize(s_.dead.words());
        const auto blocks = s_.order.blocks();
        for (std::size_t i = blocks.size(); i-- > 0;) backward(blocks[i]);
        if (!s_.deferred.empty()) defer();
        return changed_ || !s_.deferred.empty();
    }

  private:
    void backward(BlockId block) {
        u64* const dead = s_.dead[block];
        u64* const deferrable = s_.deferrable[block];
        // A block not yet walked, over an edge back, has empty sets: everything is observed.
        const auto edges = f_.edges_of(f_[f_[block].last]);
        for (std::size_t w = 0; w < s_.dead.words(); ++w) {
            u64 all_dead = edges.empty() ? 0 : ~u64{0}, all_deferrable = all_dead;
            for (EdgeId e : edges) {
                const BlockId to = f_[e].target;
                const bool sole = s_.order.sole_predecessor(to) == block;
                all_dead &= s_.dead[to][w];
                all_deferrable &= sole ? s_.deferrable[to][w] : s_.dead[to][w];
            }
            dead[w] = all_dead;
            deferrable[w] = all_deferrable;
        }
        for (ValueId id = f_[block].last; id != ValueId::none;) {
            const ValueId previous = f_[id].prev;
            step(id, f_[id], dead, deferrable);
            id = previous;
        }
    }

    void step(ValueId id, const Inst& inst, u64* dead, u64* deferrable) {
        if (inst.op == Op::put_state) {
            if (has(dead, inst.slot)) {
                f_.remove(id);
                changed_ = true;
            } else if (faults_ == Faults::get_frames && has(deferrable, inst.slot)) {
                s_.deferred.push_back(id);
            }
            insert(dead, inst.slot);
            insert(deferrable, inst.slot);
            return;
        }
        if (inst.op == Op::get_state) {
            erase(dead, inst.slot);
            erase(deferrable, inst.slot);
            return;
        }
        const Effects& effects = f_.effects(id);
        if (effects.pure) return;
        if (looks_at_state(effects) || (inst.op == Op::call && effects.may_fault)) {
            std::fill_n(dead, s_.dead.words(), 0);
            std::fill_n(deferrable, s_.dead.words(), 0);
            return;
        }
        if (!can_fault(inst)) return;
        std::ranges::fill(s_.framed, 0);
        for (const FrameEntry& e : f_.frame(inst.frame)) insert(s_.framed.data(), e.slot);
        for (std::size_t w = 0; w < s_.dead.words(); ++w) dead[w] &= s_.framed[w];
        if (rounds_dynamically(inst)) {
            erase(dead, f_.env().layout->rounding);
            erase(deferrable, f_.env().layout->rounding);
        }
    }

    /// Takes out the deferred writes and puts their values into the frame states up to the overwriting ones.
    void defer() {
        const std::size_t slots = f_.env().layout->slots.size();
        s_.pending.start(f_);
        s_.pending_values.resize(slots * f_.block_count());
        for (ValueId id : s_.deferred) f_[id].attr0 = deferred_mark;
        for (BlockId block : s_.order.blocks()) {
            u64* const pending = s_.pending[block];
            ValueId* const values = s_.pending_values.data() + slots * index(block);
            if (const BlockId before = s_.order.sole_predecessor(block); before != BlockId::none) {
                std::copy_n(s_.pending[before], s_.pending.words(), pending);
                std::copy_n(s_.pending_values.data() + slots * index(before), slots, values);
            }
            f_.for_each(block, [&](ValueId id, Inst& inst) {
                if (inst.op == Op::put_state) {
                    erase(pending, inst.slot);
                    if (inst.attr0 != deferred_mark) return;
                    insert(pending, inst.slot);
                    values[static_cast<u16>(inst.slot)] = inst.args[0];
                    f_.remove(id);
                } else if (can_fault(inst)) {
                    extend_frame(inst, pending, values);
                }
            });
        }
    }

    void extend_frame(Inst& inst, const u64* pending, const ValueId* values) {
        const auto present = f_.frame(inst.frame);
        s_.frame.assign(present.begin(), present.end());
        std::ranges::fill(s_.framed, 0);
        for (const FrameEntry& e : present) insert(s_.framed.data(), e.slot);
        for (std::size_t w = 0; w < s_.pending.words(); ++w) {
            for (u64 left = pending[w] & ~s_.framed[w]; left != 0; left &= left - 1) {
                const auto slot = SlotId(64 * w + static_cast<unsigned>(std::countr_zero(left)));
                s_.frame.push_back({slot, values[static_cast<u16>(slot)]});
            }
        }
        if (s_.frame.size() != present.size()) inst.frame = f_.add_frame(s_.frame);
    }

    static constexpr u8 deferred_mark = 1;  // in a put_state's unused attribute, until it is removed

    Function& f_;
    const Faults faults_;
    Scratch& s_;
    bool changed_ = false;
};

bool remove_state_stores(Function& f, Faults faults) {
    thread_local Scratch scratch;
    return StateStores(f, faults, scratch).run();
}

}  // namespace

bool dead_state_stores(Function& f) { return remove_state_stores(f, Faults::observe); }
bool deferred_state_stores(Function& f) { return remove_state_stores(f, Faults::get_frames); }

}  // namespace kiln::opt

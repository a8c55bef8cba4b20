// The first half of flattening: what is known of values and blocks before any cell is made, and where values
// are while cells are made.
#include "interp/flatten.h"

#include <algorithm>

#include "base/check.h"
#include "interp/handlers.h"
#include "ir/dominators.h"

namespace kiln::interp {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

constexpr u32 end_of_temporaries = abi::temps_begin / 8 + abi::temps_bytes / 8;

/// Operations that a handler computes into a word of our choice.
bool computes(Op op) {
    return !ir::may_alias(op) && op != Op::iconst && op != Op::get_state && op != Op::param &&
           op != Op::atomic_cas;
}

}  // namespace

Result<std::unique_ptr<Unit>> Flattener::flatten(const ir::Function& f) {
    f_ = &f;
    pc_word_ = slot_word(f.env().layout->pc);
    failure_ = nullptr;
    next_temporary_ = first_temporary;
    cells_.clear();
    sites_.clear();
    moves_.clear();
    free_.clear();
    free_pairs_.clear();
    fixups_.clear();
    detours_.clear();
    faulting_cells_.clear();
    borrowed_.clear();
    fused_ = ValueId::none;
    analyze();
    emit(forwarding_entry_handler(), 0, 0, pc_word_, 0, f.entry().raw);
    for (place_ = 0; place_ < order_.size(); ++place_) block(order_[place_]);
    if (failure_ != nullptr) return fail(failure_);

    std::unique_ptr<Unit> unit = Unit::make(cells_, sites_, moves_);
    // Until now, cells and sites name what they point to by its index.
    const std::span<Code> cells = unit->cells();
    for (const Fixup& fixup : fixups_)
        cells[fixup.cell].imm2 = reinterpret_cast<u64>(&cells[blocks_[ir::index(fixup.block)].first_cell]);
    for (const auto& [cell, target] : detours_) cells[cell].imm2 = reinterpret_cast<u64>(&cells[target]);
    for (FaultSite& s : unit->sites())
        s.moves = unit->moves().data() + reinterpret_cast<std::size_t>(s.moves);
    for (u32 cell : faulting_cells_)
        cells[cell].imm2 = reinterpret_cast<u64>(&unit->sites()[cells[cell].imm2]);
    return unit;
}

// ---- What is known before any cell is made ----

void Flattener::analyze() {
    values_.assign(f_->value_count(), Value{});
    blocks_.assign(f_->block_count(), BlockInfo{});
    bool forward = true;
    u32 position = f_->value_count() + 1;
    for (u32 b = f_->block_count(); b-- > 0;) {
        position = analyze_block(ir::BlockId(b), position);
        blocks_[b].first_position = position;
        const Inst& last = (*f_)[(*f_)[ir::BlockId(b)].last];
        for (ir::EdgeId e : f_->edges_of(last)) {
            const u32 target = ir::index((*f_)[e].target);
            forward &= target > b;
            blocks_[target].jumped_to |= last.op != Op::br_if;
        }
    }
    // Lifters number blocks as they are executed. Passes may not: then values could be used before the block
    // that defines them has been walked.
    order_.clear();
    if (!forward) order_ = ir::Dominators(*f_).reverse_postorder();
    for (u32 b = 0; b < f_->block_count(); ++b) {
        // A way out that only branches lead to is executed with each of them. Block 0 cannot be branched to.
        BlockInfo& info = blocks_[b];
        info.in_place = b != 0 && !info.jumped_to && bare_exit(ir::BlockId(b)) != nullptr;
        if (forward && !info.in_place) order_.push_back(ir::BlockId(b));
    }
    if (!forward) std::erase_if(order_, [&](ir::BlockId b) { return blocks_[ir::index(b)].in_place; });
}

u32 Flattener::analyze_block(ir::BlockId block, u32 position) {
    struct Rules : ir::UseRules {
        const Flattener* flattener;
        static bool computes(Op op) { return interp::computes(op); }
        u16 number(ir::SlotId slot) const { return flattener->slot_word(slot); }
    };
    return ir::find_uses(*f_, block, position, std::span(values_), std::span<SlotInfo>(slots_), epoch_,
                         Rules{{}, this});
}

bool Flattener::feeds_only(ValueId value, ValueId user) const {
    return ir::feeds_only(*f_, at(value), value, user);
}

const Inst* Flattener::bare_exit(ir::BlockId block) const {
    const ir::Block& b = (*f_)[block];
    return b.first == b.last && b.params.empty() && (*f_)[b.first].op == Op::goto_pc ? &(*f_)[b.first]
                                                                                     : nullptr;
}

// ---- Where values are ----

void Flattener::block(ir::BlockId id) {
    BlockInfo& info = blocks_[ir::index(id)];
    info.first_cell = static_cast<u32>(cells_.size());
    ++epoch_;
    for (ValueId p : (*f_)[id].params)
        if (at(p).place == Place::nowhere) settle(p, new_temporary(words_of(p)));
    position_ = info.first_position;
    for (ValueId inst = (*f_)[id].first; inst != ValueId::none; inst = (*f_)[inst].next, ++position_) {
        if (inst == fused_)
            fused_ = ValueId::none;
        else
            instruction(inst);
        if (borrowed_.empty()) continue;
        for (u16 word : borrowed_) {
            if (word & pair_bit)
                free_pairs_.push_back(word & ~pair_bit);
            else
                free_.push_back(word);
        }
        borrowed_.clear();
    }
}

u16 Flattener::new_temporary(unsigned words) {
    std::vector<u16>& reusable = words == 1 ? free_ : free_pairs_;
    if (!reusable.empty()) {
        const u16 word = reusable.back();
        reusable.pop_back();
        return word;
    }
    const u32 word = next_temporary_;
    next_temporary_ += words;
    if (next_temporary_ > end_of_temporaries) {
        unsupported("the function needs more temporaries than a context has");
        next_temporary_ = first_temporary;
        return static_cast<u16>(first_temporary);
    }
    return static_cast<u16>(word);
}

u16 Flattener::borrow(unsigned words) {
    const u16 word = new_temporary(words);
    borrowed_.push_back(words == 1 ? word : static_cast<u16>(word | pair_bit));
    return word;
}

u16 Flattener::operand(ValueId value) {
    Value& v = at(value);
    if (v.place == Place::constant) {
        const u16 word = borrow();
        emit(constant_handler(), word, 0, 0, 0, v.constant);
        return word;
    }
    if (v.place == Place::nowhere) unsupported("a value is used where no path defines it");
    if (v.owned && v.last <= position_) {
        borrowed_.push_back(words_of(value) == 1 ? v.word : static_cast<u16>(v.word | pair_bit));
        v.owned = false;
    }
    return v.word;
}

void Flattener::settle(ValueId value, u16 word) {
    Value& v = at(value);
    v.place = Place::word;
    v.word = word;
    if (word >= first_temporary) return;
    SlotInfo& slot = slots_[word];
    v.neighbour = slot.living_epoch == epoch_ ? slot.living : ValueId::none;
    slot.living = value;
    slot.living_epoch = epoch_;
}

ir::Type Flattener::widest_living(const SlotInfo& slot) const {
    Type widest = Type::i64;
    for (ValueId id = slot.living; id != ValueId::none; id = at(id).neighbour)
        if (at(id).last > position_ && words_of(id) == 2) widest = f_->result_type(id);
    return widest;
}

void Flattener::vacate_slot(u16 word, Type type) {
    vacate(word);
    if (words_of(type) == 2) vacate(static_cast<u16>(word + 1));
}

void Flattener::vacate(u16 word) {
    SlotInfo& slot = slots_[word];
    if (slot.living_epoch != epoch_) return;
    // Values that share the word move together; the one that lives longest owns the copy.
    Value* owner = nullptr;
    for (ValueId id = slot.living; id != ValueId::none; id = at(id).neighbour) {
        Value& v = at(id);
        if (v.last <= position_) continue;
        if (owner == nullptr) {
            const Type type = widest_living(slot);
            v.word = new_temporary(words_of(type));
            emit(move_handler(type), v.word, word);
            owner = &v;
        } else {
            v.word = owner->word;
            if (v.last > owner->last) owner = &v;
        }
    }
    if (owner != nullptr) owner->owned = true;
    slot.living = ValueId::none;
}

u16 Flattener::result(ValueId value) {
    Value& v = at(value);
    if (v.home != no_word && !v.escapes) {
        vacate_slot(v.home, f_->result_type(value));
        settle(value, v.home);
        return v.home;
    }
    const u16 word = new_temporary(words_of(value));
    settle(value, word);
    v.owned = !v.escapes;
    return word;
}

void Flattener::alias(ValueId value, ValueId source, bool clean, unsigned offset) {
    Value& v = at(value);
    const u16 word = static_cast<u16>(at(source).word + offset);
    v.clean = clean;
    if (!v.escapes) return settle(value, word);
    const Type type = f_->result_type(value);
    const u16 copy = new_temporary(words_of(type));
    emit(move_handler(type), copy, word);
    settle(value, copy);
}

}  // namespace kiln::interp

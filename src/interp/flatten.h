// From IR to flattened code (code.h). One forward walk decides, for every value, where it is: in a guest
// state slot (then reading it costs nothing), in a temporary, or a constant in the cell that uses it. Most
// lifted guest instructions become one cell.
//
// The function must be well formed (ir/verify.h), and a tree: control only goes forward, and origins are
// numbered in execution order along each path (what a Frontend gives). Loops run correctly, but between their
// iterations neither are instructions counted nor does the interpreter poll.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "interp/code.h"
#include "ir/value_uses.h"

namespace kiln::interp {

/// Flattens functions; keeps its working memory between them. One thread at a time.
class Flattener {
  public:
    /// The unit of `f`, or why this function cannot be one (it needs more temporaries than a context has, or
    /// an operation on a type the interpreter has no words for).
    Result<std::unique_ptr<Unit>> flatten(const ir::Function& f);

  private:
    using ValueId = ir::ValueId;
    enum class Place : u8 { nowhere, word, constant };

    struct Value : ir::ValueUse {
        u64 constant = 0;
        ValueId neighbour = ValueId::none;  ///< another value that lives in the same slot
        u16 word = 0;                       ///< where it is
        Place place = Place::nowhere;
        bool clean = true;   ///< integers: the bits above the type are zero; floats: well boxed
        bool owned = false;  ///< the word is a temporary that ends with this value
    };

    /// What goes on at a slot's word; each part means something in its epoch only.
    struct SlotInfo : ir::SlotUse {
        u64 living_epoch = 0;
        ValueId living = ValueId::none;  ///< the first of the values that live here
    };

    struct BlockInfo {
        u32 first_cell = 0;
        u32 first_position = 0;
        bool jumped_to = false;  ///< not by branches only
        bool in_place = false;   ///< executed in place by all branches to it
    };

    struct Fixup {
        u32 cell;
        ir::BlockId block;
    };

    static constexpr u16 no_word = ir::ValueUse::no_slot;
    static constexpr u16 pair_bit = 0x8000;
    static constexpr u32 first_temporary = abi::temps_begin / 8;

    // flatten.cpp: the backward walk, then the forward one.
    void analyze();
    /// `position` is that behind the block's end; the position of its start.
    u32 analyze_block(ir::BlockId block, u32 position);
    void block(ir::BlockId block);

    // Where values are.
    Value& at(ValueId value) { return values_[ir::index(value)]; }
    const Value& at(ValueId value) const { return values_[ir::index(value)]; }
    bool is_constant(ValueId value) const { return at(value).place == Place::constant; }
    u64 constant(ValueId value) const { return at(value).constant; }
    void set_constant(ValueId value, u64 constant) {
        at(value).place = Place::constant;
        at(value).constant = constant;
    }
    /// The word that holds `value`: a constant is put into a temporary. A temporary whose last use this is is
    /// free after the current instruction.
    u16 operand(ValueId value);
    /// The same with the bits above the type zero.
    u16 clean_operand(ValueId value);
    /// The same as it stands in a slot.
    u16 frame_operand(ValueId value);
    /// The word to compute `value` into; its location from now on.
    u16 result(ValueId value);
    /// Makes `value` mean the same word as `source`, or that after it, without a cell if it can be.
    void alias(ValueId value, ValueId source, bool clean, unsigned offset = 0);
    /// Before the slot's word `word` is written: values that live there move to a temporary.
    void vacate(u16 word);
    /// vacate() for a slot of `type`.
    void vacate_slot(u16 word, ir::Type type);
    /// The type that says how much of a slot is to be kept: a value of two words may share it with halves.
    ir::Type widest_living(const SlotInfo& slot) const;
    void settle(ValueId value, u16 word);
    u16 new_temporary(unsigned words = 1);
    /// new_temporary() for the current instruction alone.
    u16 borrow(unsigned words = 1);
    static unsigned words_of(ir::Type type) { return ir::byte_size(type) > 8 ? 2 : 1; }
    unsigned words_of(ValueId value) const { return words_of(f_->result_type(value)); }
    u16 slot_word(ir::SlotId slot) const { return static_cast<u16>((*f_->env().layout)[slot].offset / 8); }
    /// Whether the only thing done with `value` is that the instruction after it, `user`, takes it as its
    /// first operand.
    bool feeds_only(ValueId value, ValueId user) const;
    /// The way out of the unit that `block` consists of alone, which a branch can execute in place; else
    /// null.
    const ir::Inst* bare_exit(ir::BlockId block) const;

    // flatten_cells.cpp: what is executed.
    void instruction(ValueId id);
    void binary(ValueId id, const ir::Inst& inst);
    void conversion(ValueId id, const ir::Inst& inst);
    void floating(ValueId id, const ir::Inst& inst);
    void vector(ValueId id, const ir::Inst& inst);
    void memory(ValueId id, const ir::Inst& inst);
    void mmu_access(ValueId id, const ir::Inst& inst, u16 address);
    void put_state(const ir::Inst& inst);
    void call(ValueId id, const ir::Inst& inst);
    void br_if(const ir::Inst& inst);
    void switch_(const ir::Inst& inst);
    void search(ir::Type type, u16 a, std::span<const ir::SwitchCase> sorted, std::vector<u32>& missed);
    void jump(ir::EdgeId edge);
    void branch_to(ir::BlockId target);
    void move_arguments(const ir::Edge& edge);
    void exit_direct(const ir::Inst& inst);
    void leave(abi::ExitReason reason, u64 pc, u16 retired);
    Code& emit(Handler handler, u16 dst = 0, u16 a = 0, u16 b = 0, u16 c = 0, u64 imm = 0);
    /// emit() for a cell that may fault, with its site.
    Code& emit_faulting(const ir::Inst& inst, Handler handler, u16 dst, u16 a, u16 b, u16 c, u64 imm);
    std::size_t site(const ir::Inst& inst);
    static u16 retired(const ir::Inst& inst);
    void unsupported(const char* what);

    const ir::Function* f_ = nullptr;
    u16 pc_word_ = 0;
    const char* failure_ = nullptr;
    std::vector<Value> values_;
    std::vector<BlockInfo> blocks_;
    std::vector<ir::BlockId> order_;  // blocks with cells, each before those it dominates
    std::array<SlotInfo, first_temporary> slots_;
    u64 epoch_ = 0;  // ends where nothing that was known of slots holds any longer

    std::vector<Code> cells_;
    std::vector<FaultSite> sites_;
    std::vector<FrameMove> moves_;
    std::vector<Fixup> fixups_;                 // cells that continue at a block
    std::vector<std::pair<u32, u32>> detours_;  // cells that continue at a cell
    std::vector<u32> faulting_cells_;
    std::vector<std::pair<u32, ir::EdgeId>> case_cells_;  // of a switch: cells that take a way with arguments

    std::size_t place_ = 0;  // of the current block in order_
    u32 position_ = 0;       // of the current instruction: increasing within a block
    u32 next_temporary_ = 0;
    std::vector<u16> free_;        // temporaries
    std::vector<u16> free_pairs_;  // temporaries of two words
    std::vector<u16> borrowed_;  // temporaries that end with the current instruction; pair_bit: of two words
    ValueId fused_ = ValueId::none;  // already executed with the instruction before it
};

}  // namespace kiln::interp

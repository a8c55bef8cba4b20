// From IR to flattened code (code.h). One forward walk decides, for every value, where it is: in a guest
// state slot (then reading it costs nothing), in a temporary, or a constant in the cell that uses it. Most
// lifted guest instructions become one cell.
//
// The function must be well formed (ir/verify.h), and a tree: control only goes forward, and origins are
// numbered in execution order along each path (what a Frontend gives). Loops run correctly, but between their
// iterations neither are instructions counted nor does the interpreter poll.
#pragma once

#include <memory>
#include <vector>

#include "interp/code.h"
#include "ir/function.h"

namespace kiln::interp {

/// Flattens functions; keeps its working memory between them. One thread at a time.
class Flattener {
  public:
    /// The unit of `f`, or why this function cannot be one (it needs more temporaries than a context has, or
    /// an operation on a type the interpreter has no words for).
    Result<std::unique_ptr<Unit>> flatten(const ir::Function& f);

  private:
    enum class Place : u8 { nowhere, word, constant };

    /// Where a value is.
    struct Location {
        Place place = Place::nowhere;
        bool clean = true;   ///< integers: the bits above the type are zero; floats: well boxed
        bool owned = false;  ///< the word is a temporary that ends with this value
        u16 word = 0;
        u64 constant = 0;
    };

    /// What the backward walk finds out about a value.
    struct Use {
        u32 last = 0;  ///< position of the last use in its block
        u32 count = 0;
        bool escapes = false;  ///< used in another block
        u16 home = no_word;    ///< the state slot it may be computed into
    };

    struct Fixup {
        u32 cell;
        ir::BlockId block;
    };

    static constexpr u16 no_word = 0xffff;

    void analyze(const ir::Function& f);
    void analyze_block(ir::BlockId block);
    void block(ir::BlockId block);
    void instruction(ir::ValueId id);

    void binary(ir::ValueId id, const ir::Inst& inst);
    void conversion(ir::ValueId id, const ir::Inst& inst);
    void floating(ir::ValueId id, const ir::Inst& inst);
    void memory(ir::ValueId id, const ir::Inst& inst);
    void put_state(const ir::Inst& inst);
    void call(ir::ValueId id, const ir::Inst& inst);
    void br_if(const ir::Inst& inst);
    void jump(ir::EdgeId edge);
    void branch_to(ir::BlockId target);
    void move_arguments(const ir::Edge& edge);
    void exit_direct(const ir::Inst& inst);
    void leave(abi::ExitReason reason, u64 pc, u16 retired);

    Code& emit(Handler handler, u16 dst = 0, u16 a = 0, u16 b = 0, u16 c = 0, u64 imm = 0);
    /// emit() for a cell that may fault, with its site.
    Code& emit_faulting(const ir::Inst& inst, Handler handler, u16 dst, u16 a, u16 b, u16 c, u64 imm);
    std::size_t site(const ir::Inst& inst);

    /// The word that holds `value`: a constant is put into a temporary.
    u16 operand(ir::ValueId value);
    /// The same with the bits above the type zero.
    u16 clean_operand(ir::ValueId value);
    /// The word to compute `value` into; its location from now on.
    u16 result(ir::ValueId value);
    /// Makes `value` mean the same word as `source`, without a cell if it can be.
    void alias(ir::ValueId value, ir::ValueId source, bool clean);
    /// Before the slot `word` is written: values that live there move to temporaries.
    void vacate(u16 word);
    void settle(ir::ValueId value, u16 word);
    void end_uses(const ir::Inst& inst);
    u16 new_temporary(unsigned words = 1);
    u16 slot_word(ir::SlotId slot) const;
    bool is_constant(ir::ValueId value) const {
        return locations_[ir::index(value)].place == Place::constant;
    }
    u64 constant(ir::ValueId value) const { return locations_[ir::index(value)].constant; }
    /// Whether the only thing done with `value` is that the instruction after it, `user`, takes it as its
    /// first operand.
    bool feeds_only(ir::ValueId value, ir::ValueId user) const;
    /// The way out of the unit that `block` consists of alone, which a branch can execute in place; else
    /// null.
    const ir::Inst* bare_exit(ir::BlockId block) const;
    static u16 retired(const ir::Inst& inst);
    void unsupported(const char* what);

    const ir::Function* f_ = nullptr;
    Unit* unit_ = nullptr;
    std::vector<Location> locations_;
    std::vector<Use> uses_;
    std::vector<u32> positions_;
    std::vector<ir::ValueId> slot_values_;      // values that live in a slot at the moment
    std::vector<u16> free_;                     // temporaries
    std::vector<ir::BlockId> order_;            // blocks with cells, each before those it dominates
    std::vector<u32> block_cells_;              // block → its first cell
    std::vector<bool> inlined_;                 // block was executed in place by all branches to it
    std::vector<Fixup> fixups_;                 // cells that continue at a block
    std::vector<std::pair<u32, u32>> detours_;  // cells that continue at a cell
    std::vector<u32> faulting_cells_;
    std::vector<u16> borrowed_;  // temporaries that end with the current instruction
    std::vector<std::pair<ir::SlotId, ir::ValueId>> open_puts_;
    std::size_t place_ = 0;  // of the current block in order_
    u32 position_ = 0;
    u32 next_temporary_ = 0;
    ir::ValueId fused_ = ir::ValueId::none;  // already executed with the instruction before it
    const char* failure_ = nullptr;
};

}  // namespace kiln::interp

// A function of the IR: SSA over basic blocks with block parameters.
//
// An instruction and the value it defines share one id. Instructions live in one array and are threaded
// into their blocks by prev/next, so inserting and removing are O(1) and ids stay put. A Function is meant
// to be reused: clear() keeps its memory, and lifting a unit then allocates nothing.
// The invariants are listed in verify.h.
#pragma once

#include <span>
#include <vector>

#include "ir/env.h"
#include "ir/op.h"

namespace kiln::ir {

enum class ValueId : u32 { none = 0xffffffff };
enum class BlockId : u32 { none = 0xffffffff };
/// The guest instruction an IR instruction came from: an index into Function::origins.
enum class OriginId : u32 { none = 0xffffffff };
enum class EdgeId : u32 { none = 0xffffffff };

constexpr u32 index(ValueId id) { return static_cast<u32>(id); }
constexpr u32 index(BlockId id) { return static_cast<u32>(id); }
constexpr u32 index(OriginId id) { return static_cast<u32>(id); }
constexpr u32 index(EdgeId id) { return static_cast<u32>(id); }

/// A run of elements in one of the Function's pools.
struct Range {
    u32 begin = 0, count = 0;
};

/// One way from a block to another, with the values for the target's parameters.
struct Edge {
    BlockId target = BlockId::none;
    Range args;  ///< in Function::value_pool
};

/// One case of a switch.
struct SwitchCase {
    u64 value;  ///< no bits above the switch's type
    EdgeId edge;
};

/// At a faulting instruction or guard: the value that `slot` holds for an observer of the guest,
/// where the state slot itself is not up to date.
struct FrameEntry {
    SlotId slot;
    ValueId value;
};

struct Inst {
    Op op;
    Type type = Type::none;  ///< what ops.def calls the instruction's type
    u8 attr0 = 0, attr1 = 0;
    Space space = Space::flat;   ///< of memory accesses
    SlotId slot = SlotId::none;  ///< get_state, put_state
    HelperId helper{};           ///< call
    ValueId args[3] = {ValueId::none, ValueId::none, ValueId::none};
    ValueId prev = ValueId::none, next = ValueId::none;
    BlockId block = BlockId::none;  ///< none: removed
    OriginId origin = OriginId::none;
    union {
        EdgeId edges[2];  ///< br (the first), br_if
        Range ways;       ///< switch: its edges, see Function::add_ways
        Range list;       ///< call: its arguments, in Function::value_pool
        Range frame;      ///< faulting instructions and guard: in Function::frame_pool
    };
    u64 imm = 0, imm2 = 0;

    explicit Inst(Op o, Type t = Type::none) : op(o), type(t), list{} {}

    Cond cond() const { return Cond(op == Op::vcmp ? attr1 : attr0); }
    Lane lane() const { return op == Op::vextract ? lane_of(type) : Lane(attr0); }
    FpCond fp_cond() const { return FpCond(attr0); }
    Rounding rounding() const { return Rounding(attr0); }
    MinMax min_max() const { return MinMax(attr0); }
    DivRule div_rule() const { return DivRule(attr0); }
    Rmw rmw() const { return Rmw(attr0); }
    Hint hint() const { return Hint(attr0); }
    Trap trap() const { return Trap(attr0); }
    Order order() const { return Order(op == Op::atomic_rmw ? attr1 : attr0); }
    Exactness exactness() const { return Exactness(attr1); }
};

struct Block {
    ValueId first = ValueId::none, last = ValueId::none;
    std::vector<ValueId> params;  ///< `param` instructions, not threaded into the list
};

class Function {
  public:
    explicit Function(const Env& env) : env_(&env) {}

    /// Empties the function for the unit that starts at `entry`; keeps its memory.
    void clear(GuestAddr entry);

    const Env& env() const { return *env_; }
    GuestAddr entry() const { return entry_; }

    Inst& operator[](ValueId id) { return insts_[index(id)]; }
    const Inst& operator[](ValueId id) const { return insts_[index(id)]; }
    Block& operator[](BlockId id) { return blocks_[index(id)]; }
    const Block& operator[](BlockId id) const { return blocks_[index(id)]; }
    Edge& operator[](EdgeId id) { return edges_[index(id)]; }
    const Edge& operator[](EdgeId id) const { return edges_[index(id)]; }
    GuestAddr operator[](OriginId id) const { return origins_[index(id)]; }

    /// How many ids have been given out; some may name removed instructions.
    u32 value_count() const { return static_cast<u32>(insts_.size()); }
    u32 block_count() const { return block_count_; }

    BlockId add_block();
    ValueId add_param(BlockId block, Type type);
    OriginId add_origin(GuestAddr pc);
    u32 origin_count() const { return static_cast<u32>(origins_.size()); }
    EdgeId add_edge(BlockId target, std::span<const ValueId> args);
    /// The ways out of a switch: `otherwise` when no case has the operand's value.
    Range add_ways(EdgeId otherwise, std::span<const SwitchCase> cases);
    Range add_values(std::span<const ValueId> values);
    Range add_frame(std::span<const FrameEntry> entries);

    /// Appends to `block`; the instruction's id.
    ValueId append(BlockId block, const Inst& inst);
    /// Appends a new instruction to `block`, to be filled in: valid until the next one is made. Its id is the
    /// last one given out.
    Inst& append(BlockId block, Op op, Type type);
    /// Inserts before `before`, in its block.
    ValueId insert_before(ValueId before, const Inst& inst);
    /// Takes an instruction out of its block; its id stays given out.
    void remove(ValueId id);
    /// Drops every block b with keep[b] == 0 and numbers the others anew, in the same order. No kept block
    /// has an edge to a dropped one.
    void keep_blocks(std::span<const u8> keep);

    std::span<ValueId> values(Range r) { return {value_pool_.data() + r.begin, r.count}; }
    std::span<const ValueId> values(Range r) const { return {value_pool_.data() + r.begin, r.count}; }
    std::span<FrameEntry> frame(Range r) { return {frame_pool_.data() + r.begin, r.count}; }
    std::span<const FrameEntry> frame(Range r) const { return {frame_pool_.data() + r.begin, r.count}; }

    /// The type of the value an instruction defines; none when it defines none.
    Type result_type(ValueId id) const {
        const Inst& inst = (*this)[id];
        const ResultRule rule = info(inst.op).result;
        return rule == ResultRule::same ? inst.type : rule == ResultRule::i1 ? Type::i1 : Type::none;
    }
    /// An instruction's effects, a call's from its helper's row.
    const Effects& effects(ValueId id) const {
        const Inst& inst = (*this)[id];
        return inst.op == Op::call ? env()[inst.helper].effects : info(inst.op).effects;
    }
    /// The edges out of a block's terminator; of a switch, first the one when no case matches, then those of
    /// case_values().
    std::span<const EdgeId> edges_of(const Inst& terminator) const {
        if (terminator.op == Op::br_if) return {terminator.edges, 2};
        if (terminator.op == Op::br) return {terminator.edges, 1};
        if (terminator.op == Op::switch_)
            return {way_pool_.data() + terminator.ways.begin, terminator.ways.count};
        return {};
    }
    /// A switch's values: number i is that of its edge i + 1.
    std::span<const u64> case_values(const Inst& inst) const {
        return {case_pool_.data() + inst.ways.begin + 1, inst.ways.count - 1};
    }
    /// Whether `inst` may carry a frame state (Inst::frame).
    static bool has_frame(const Inst& inst) { return info(inst.op).effects.may_fault; }

    /// Calls f(ValueId&) for every value `inst` uses: operands, list, edge arguments, frame state.
    template <class F>
    void for_each_use(Inst& inst, F&& f);
    template <class F>
    void for_each_use(const Inst& inst, F&& f) const;

    /// Calls f(ValueId, Inst&) for a block's instructions in order; f may remove the one it is given.
    template <class F>
    void for_each(BlockId block, F&& f) {
        for (ValueId id = (*this)[block].first; id != ValueId::none;) {
            const ValueId next = (*this)[id].next;
            f(id, (*this)[id]);
            id = next;
        }
    }
    template <class F>
    void for_each(BlockId block, F&& f) const {
        for (ValueId id = (*this)[block].first; id != ValueId::none; id = (*this)[id].next)
            f(id, (*this)[id]);
    }

  private:
    void link_last(BlockId block, Inst& added, ValueId id);

    const Env* env_;
    GuestAddr entry_;
    std::vector<Inst> insts_;
    std::vector<Block> blocks_;  // the first block_count_ are in use
    u32 block_count_ = 0;
    std::vector<Edge> edges_;
    std::vector<EdgeId> way_pool_;
    std::vector<u64> case_pool_;  // beside way_pool_; what stands beside a first way means nothing
    std::vector<ValueId> value_pool_;
    std::vector<FrameEntry> frame_pool_;
    std::vector<GuestAddr> origins_;
};

template <class F>
void Function::for_each_use(Inst& inst, F&& f) {
    const OpInfo& op = info(inst.op);
    for (unsigned i = 0; i < op.args; ++i) f(inst.args[i]);
    if (!op.listed) return;
    if (inst.op == Op::call)
        for (ValueId& v : values(inst.list)) f(v);
    for (EdgeId e : edges_of(inst))
        for (ValueId& v : values((*this)[e].args)) f(v);
    if (op.effects.may_fault)
        for (FrameEntry& entry : frame(inst.frame)) f(entry.value);
}

template <class F>
void Function::for_each_use(const Inst& inst, F&& f) const {
    const_cast<Function*>(this)->for_each_use(const_cast<Inst&>(inst), [&](ValueId& v) { f(ValueId(v)); });
}

}  // namespace kiln::ir

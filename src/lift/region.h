// Forming regions: all the guest code around an address that control has come to, as one function with its loops and with
// the functions it calls, for tiers that optimize over more than a unit.
//
// A region is put together from basic blocks that the guest's lifter makes, so it knows no guest. Control leaves it where
// it never went, where it is too large, for system calls and at indirect jumps. A call is followed into the function it
// calls, each time anew, and back: at a return the region goes on behind the call if that is where the guest goes, and
// leaves otherwise. A region that begins at the end of a loop has that end twice, so that the loop has one head. Before each way back to a block that comes earlier it polls.
#pragma once

#include <deque>
#include <vector>

#include "abi/frontend.h"

namespace kiln::lift {

struct RegionOptions {
    u32 max_instructions = 256;
    /// How many calls deep functions are followed into; 0: none is.
    u32 max_depth = 3;
    /// Addresses, ascending, that control leaves the region for. Null: none.
    const std::vector<GuestAddr>* stops = nullptr;
    /// Code that was never entered is left out. Null: nothing is known, all of it may be.
    const abi::Profile* profile = nullptr;
};

/// Forms regions; keeps its working memory between them. One thread at a time.
class RegionFormer {
  public:
    explicit RegionFormer(const abi::Frontend& frontend) : frontend_(frontend), part_(frontend.env()) {}

    /// Forms the region at `pc` into `f` (emptied first) and says in `result` (emptied first) what it covers; whether
    /// control can go back in it. A function that control leaves at once, of no instructions, if there is nothing to be
    /// made of the code there.
    bool form(ir::Function& f, GuestAddr pc, abi::CodeSource& code, const RegionOptions& options,
              abi::Lifted& result);

  private:
    /// Where a block stands: its address, and behind which calls.
    struct Place {
        GuestAddr pc;
        u32 calls;  ///< the latest of them: an index into calls_
        bool operator==(const Place&) const = default;
    };
    struct Call {
        GuestAddr return_address;
        GuestAddr callee;
        u32 outer;  ///< the call before it
        u32 depth;
        bool operator==(const Call&) const = default;
    };
    struct Node {
        Place place;
        ir::BlockId block;
        u32 first_origin = 0;  ///< of its instructions; 0 too if control leaves there
    };
    /// A way to a node: the `br` that ends a block, behind an instruction.
    struct Way {
        ir::ValueId branch;
        std::size_t from;  ///< the node it is in; no_node: at the entry
        std::size_t node;
    };
    static constexpr u32 no_call = 0;  // of calls_, which is at depth 0
    static constexpr std::size_t no_node = ~std::size_t{0};

    /// The number of a place's node, which will be lifted if there is room.
    std::size_t node(const Place& place);
    /// At most so many instructions.
    void lift(Node& node, u32 most);
    bool is_entered_behind() const;
    void copy_first();
    void leave(const Node& node);
    bool belongs(GuestAddr pc) const;
    bool holds_together() const;
    void copy(const Node& node);
    /// What stands in the region for values of the part; until the next call.
    std::span<const ir::ValueId> copied_values(ir::Range list);
    void copy_end(const Node& node, ir::BlockId block, const ir::Inst& inst);
    void go_on(ir::BlockId block, const Place& place, ir::OriginId origin);
    void go_back(ir::BlockId block, const ir::Inst& inst, u32 calls);
    u32 call(u32 outer, const ir::Inst& inst);
    void add_ranges();
    /// Whether there is a way back.
    bool count_and_poll();

    const abi::Frontend& frontend_;
    const RegionOptions* options_ = nullptr;
    abi::CodeSource* code_ = nullptr;
    abi::Lifted* result_ = nullptr;
    ir::Function* f_ = nullptr;
    ir::Function part_;  // the basic block being lifted
    abi::Lifted lifted_;
    std::deque<Node> nodes_;
    std::size_t from_ = no_node;  // the node being lifted
    std::vector<Way> ways_;
    std::vector<Call> calls_;
    std::vector<ir::ValueId> values_;  // of part_ → of f_
    std::vector<ir::BlockId> blocks_;
    std::vector<ir::ValueId> copied_;
};

}  // namespace kiln::lift

// Register allocation over a region: one forward walk over its blocks in their order gives every virtual register a
// host register where it is used, as allocate.h does within a unit, but from block to block. What is used furthest away
// is given up first, ways out of loops counting as far (Braun and Hack, "Register Spilling and Live-Range Splitting for
// SSA-Form Programs", 2009); so what a loop uses stays in registers through it, and what it does not use leaves room.
//
// Laws:
//   - a value that has to leave its register somewhere is stored once, where it is computed: its word in the context
//     holds it wherever else it is needed. What a slot holds one after another shares a word, which is the slot's own if
//     that has no pinned register: so there it is in its place for ways out, and needs no moves where ways meet;
//   - every block has one place for each value at its start; ways to a block that others lead to bring values there;
//   - what only ways out and fault sites need keeps a register as long as nobody else wants it;
//   - inserted code never changes the flags.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "emit/parallel_moves.h"

namespace kiln::emit {

/// Allocates for regions; keeps its working memory between them. One thread at a time.
class RegionAllocator {
  public:
    /// Replaces f.code by code on physical registers; the state of ways out is put in place by it, and that of fault
    /// sites becomes MachineFunction::places. The error says what there was not enough of.
    Result<void> allocate(MachineFunction& f);

  private:
    static constexpr u32 never = ~u32{0};
    /// Distances: a use behind a loop's end; one by ways out and fault sites only.
    static constexpr u32 loop_end = u32{1} << 16, observed = u32{1} << 28;
    static constexpr u32 no_block = ~u32{0};
    /// Value::found_for: of a block's start its index, of its end and of its pressure that and one of these.
    static constexpr u32 joined = u32{1} << 31, counted = u32{1} << 30, housed = u32{1} << 29;
    static constexpr i32 no_word = i32{1} << 30;

    struct Value {
        Reg reg = Reg::none;
        i32 memory = no_word;    ///< disp of the word that holds it, or will
        bool in_memory = false;  ///< somebody needs it there
        bool is_slot = false;    ///< that word is its slot's, which has held it since the entry
        bool apart =
            false;  ///< another value of its slot is still needed where it is computed: it has a word of its own
        Reg becomes =
            Reg::none;  ///< the value that takes its content later: by a copy, or as a block's parameter
        u32 home = no_block;  ///< index of the block that defines it
        u32 global = never;   ///< its number among those that live across blocks
        u32 next = never;     ///< position of the next use in this block, or as far as it is beyond its end
        u32 dies = never;     ///< position of the last use in this block; never: lives on
        u32 found_for = no_block;  ///< what was noted of it last, and for which block
        Reg found = Reg::none;     ///< where it is on a way to the block, or at its end
        Reg start = Reg::none;     ///< of a parameter: where its block starts with it; none: in memory
    };
    struct Block {
        u32 begin = 0, end = 0;  ///< in code, the label's instruction first
        u32 successors[2] = {no_block, no_block};
        std::vector<u32> predecessors;
        u32 depth = 0;
        std::array<u32, 2>
            pressure{};  ///< registers of each class, vectors second, for what is used in loops around it
        u32 jump = 0;    ///< where its `jump` is in out_
        bool done = false;
        std::vector<std::pair<Reg, Reg>> starts, ends;  ///< values and the registers they are in
        std::vector<Reg> params;
    };
    struct Definition {
        u32 after;  ///< index in out_; never: at the very start
        Reg value, reg;
    };
    struct Insertion {
        u64 key;  ///< twice the index in out_ it goes before; one more: behind it
        std::vector<MachineInst> code;
    };
    using NextUses = std::array<u32, 6>;  // of r[0..3], base, index

    // region_uses.cpp: what is known before registers are given out.
    void find_blocks();
    void find_globals();
    void find_distances();
    void find_pressure(u32 index);
    void find_homes(u32 index);
    void find_copies();
    void note_first_uses(const Block& block, u32* first);
    void scan(const Block& block);
    template <class Visit>
    void visit_observed(const MachineInst& inst, Visit&& visit) const;
    ValueRange observed_state(const MachineInst& inst, bool& observes) const;

    // allocate_region.cpp
    void start_values();
    void enter_block(u32 index);
    void choose_places(u32 index);
    void walk(u32 index);
    void step(MachineInst inst, const NextUses& next);
    void end_block(u32 index);
    void call_helper();
    bool hand_on(const MachineInst& inst, const NextUses& next);
    void use_from_memory(MachineInst& inst, const NextUses& next);
    template <class Visit>
    void visit_state(ValueRange range, const Visit& visit);
    void note_frame(MachineInst& inst);
    void side_exit(const MachineInst& inst);
    void leave(std::vector<MachineInst>& code, MachineInst inst);
    void join(u32 from);
    void finish();

    Reg load(Reg value);
    Reg define(Reg value);
    std::array<Reg, 2> hints(Reg value) const;
    void wrote(Reg value);
    /// `hints`: where it had best be, if that is free.
    Reg take(bool fp, std::array<Reg, 2> hints);
    void evict(Reg reg);
    void make_way(Reg reg);
    void claim(Reg physical);
    void release(Reg reg) { holder_[number(reg)] = Reg::none; }
    void free_if_dead(Reg reg, u32 next);
    void need_memory(Reg value);
    Location location(Reg value);
    bool alive(Reg value) const;
    bool is_free(Reg reg) const;

    /// Whether values have to be brought to the places they have at the block's start.
    static bool meets(const Block& block) { return block.predecessors.size() > 1 || !block.params.empty(); }
    Value& at(Reg value) { return values_[number(value) - physical_registers]; }
    const Value& at(Reg value) const { return values_[number(value) - physical_registers]; }
    bool is_fp(Reg value) const { return (*f_)[value].fp; }
    bool is_allocated(Reg reg) const {
        return reg != Reg::none && (!is_physical(reg) || (allocatable_ >> number(reg) & 1) != 0);
    }

    MachineFunction* f_ = nullptr;
    const char* failure_ = nullptr;
    std::vector<Value> values_;
    std::vector<Block> blocks_;
    std::vector<u32> index_of_;  // block's number → its index
    std::vector<Reg> globals_;
    std::vector<u32> first_, in_, out_distance_;  // [block × globals + global]
    std::vector<std::vector<Reg>> live_;  // by block: globals that are alive at its borders, or defined in it
    std::vector<u32> upcoming_;           // scan(): by register
    std::vector<NextUses> next_;          // scan(): by instruction of the block
    std::vector<i32> home_of_;  // by word of the context: where its slot's values are; no_word: not known
    std::vector<std::vector<Reg>> slot_values_;  // find_homes(): by word of the context, those that are alive
    std::vector<u32> entry_of_;                  // by word of the context: 1 + index in entry_values, or 0
    std::vector<MachineInst> out_;
    std::vector<Definition> definitions_;
    std::vector<Insertion> insertions_;
    std::vector<std::vector<MachineInst>> cold_;
    ParallelMoves moves_;
    std::array<Reg, physical_registers> holder_{};  // who is in a register; itself while selection uses it
    u32 allocatable_ = 0;                           // registers, by bit
    u32 locked_ = 0;                                // those the current instruction uses
    u32 position_ = 0;
    u32 words_ = 0;
};

}  // namespace kiln::emit

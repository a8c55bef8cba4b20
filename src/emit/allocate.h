// Register allocation within a unit: one forward walk gives every virtual register a temporary, and inserts the
// moves, spills and reloads that takes. What is used last is given up first (Belady's rule: the next uses are known
// from a backward walk).
//
// Laws:
//   - between blocks with one way in, registers carry over; where ways meet, everything lives in its spill word;
//   - inserted code never changes the flags;
//   - a value read from a state slot's memory need not be spilled until that memory is written.
#pragma once

#include <array>
#include <vector>

#include "emit/machine.h"

namespace kiln::emit {

/// Allocates for functions; keeps its working memory between them. One thread at a time.
class Allocator {
  public:
    /// Replaces f.code by code on physical registers. The error says what there was not enough of.
    Result<void> allocate(MachineFunction& f);

  private:
    static constexpr u32 never = ~u32{0};

    struct Place {
        Reg reg = Reg::none;
        i32 spill = 0;         ///< disp of its spill word; 0: none yet
        bool spilled = false;  ///< the spill word holds it
        bool in_slot = false;  ///< its slot_home holds it
        bool defined = false;
        u32 next = never;  ///< position of the next use
        bool saved() const { return spilled || in_slot; }
    };
    struct Carried {
        Reg value, reg;
        bool spilled, in_slot;
    };
    using NextUses = std::array<u32, 6>;  // of r[0..3], base, index

    void find_uses(const MachineFunction& f);
    void step(MachineInst inst, const NextUses& next);
    /// If a second operand is in memory only and not used again, lets `inst` take it from there.
    void use_from_memory(MachineInst& inst, const NextUses& next);
    /// A copy whose source is not used again: hands its register on instead. False if that cannot be.
    bool hand_on(const MachineInst& inst, const NextUses& next);
    void begin_block(u32 block);
    void leave_to(u32 block);
    void flush();

    Place& at(Reg value) { return places_[number(value) - physical_registers]; }
    bool is_fp(Reg value) const { return (*f_)[value].fp; }
    Address saved_at(Reg value);
    Reg load(Reg value);
    Reg define(Reg value);
    Reg take(bool fp);
    void evict(Reg reg);
    void claim(Reg physical);
    void release(Reg reg) { holder_[number(reg)] = Reg::none; }
    void spill(Reg value);
    void memory_written(i32 disp);
    void free_if_dead(Reg reg, u32 next);
    MachineInst& emit(MachineOp op, Reg r0, Reg r1 = Reg::none);

    MachineFunction* f_ = nullptr;
    const char* failure_ = nullptr;
    std::vector<NextUses> next_;
    std::vector<u32> upcoming_;  // find_uses: by register
    std::vector<Place> places_;
    std::vector<MachineInst> out_;
    std::vector<Reg> in_slots_;                     // values that rely on their slot's memory
    std::vector<std::vector<Carried>> carried_;     // by block with one way in
    std::array<Reg, physical_registers> holder_{};  // who is in a temporary; itself while it is used as such
    u32 locked_ = 0;                                // physical registers the current instruction uses, by bit
    u32 position_ = 0;
    u32 spills_ = 0;
};

}  // namespace kiln::emit

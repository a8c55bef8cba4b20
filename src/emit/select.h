// Instruction selection: from IR to machine operations on virtual registers (machine.h), in one backward walk
// over each block that finds out how values are used and one forward walk that selects.
//
// A value is where it costs least: nowhere (a constant goes into the operation that uses it), in a state slot
// (a pinned register, or memory that becomes an operand), or in a virtual register. A result that only goes to a
// pinned slot is computed right into it. State is exact wherever it can be looked at: a put_state is done where it
// stands unless another follows before that, so a fault needs no more than its pc, and code reads what it has written
// from registers where it can.
//
// select.cpp          walks                       select_places.cpp   places of values, slots
// select_integer.cpp  arithmetic and logic        select_shift.cpp    shifts, rotations, idioms
// select_convert.cpp  conversions, comparisons    select_memory.cpp   loads, stores, atomics
// select_fp.cpp       floating point              select_control.cpp  ways on and out
// select_wide.cpp     values of 128 bits          select_frame.cpp    guards, frame states
// select_operation.cpp  what is called because the host has no instructions for it
//
// select_region.cpp   what is different in regions: control goes back, too; state slots are values from the entry to the
//                     ways out, whose places the allocator keeps track of for faults
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "abi/operation.h"
#include "emit/host_features.h"
#include "emit/machine.h"
#include "ir/value_uses.h"

namespace kiln::emit {

/// Selects for functions; keeps its working memory between them. One thread at a time.
class Selector {
  public:
    /// `flat`: whether guest memory begins at host address 0.
    Selector(const HostFeatures& features, bool flat) : features_(features), flat_(flat) {}

    /// Selects `f`, which must be well formed (ir/verify.h), into `out` (emptied first). Control in `f` only goes
    /// forward; what the tier has no code for is an error that names it.
    Result<void> select(const ir::Function& f, MachineFunction& out);

    /// The same for a region (opt::Level::region): state slots are read in the first block and written before ways out
    /// only, and only a `br` gives parameters to a block that several ways lead to.
    Result<void> select_region(const ir::Function& f, MachineFunction& out);

  private:
    using ValueId = ir::ValueId;
    using Inst = ir::Inst;
    enum class Place : u8 { nowhere, constant, slot, value };
    /// What several operations together are, for which the host has one: the last of them is selected as that.
    enum class Idiom : u8 {
        none,
        rotate_word,  ///< the low half of `source` rotated right by `amount`, its sign above
        rotate,       ///< all of it rotated
        extend_u,     ///< its low `amount` bits, zeros above
        extend_s,     ///< its low `amount` bits, their sign above
    };

    struct Value : ir::ValueUse {
        u64 constant = 0;
        ValueId neighbour = ValueId::none;  ///< another value that lives in the same slot
        Reg integer = Reg::none;            ///< registers that hold it, by class
        Reg fp = Reg::none;
        Reg high = Reg::none;  ///< of 128 bits: the high half, `integer` being the low one
        u8 scale = 0;          ///< if not 0: not computed, its user shifts the operand by so much
        u16 slot = 0;          ///< Place::slot: which
        Place place = Place::nowhere;
        bool clean = true;         ///< integers: the bits above the type are zero
        bool boxed = false;        ///< i64: known to be a well-boxed f32
        bool signed_word = false;  ///< i64: known to be the sign extension of its low half
        Idiom idiom = Idiom::none;
        u8 amount = 0;                   ///< an idiom's
        ValueId source = ValueId::none;  ///< what an idiom is of
    };

    struct Slot : ir::SlotUse {
        u64 living_epoch = 0;
        ValueId living = ValueId::none;  ///< the first of the values that live here
        Reg pinned = Reg::none;
        u64 cached_epoch = 0;
        Reg integer = Reg::none,
            fp = Reg::none;    ///< in cached_epoch: virtual registers with the same content
        u64 boxed_epoch = 0;   ///< in it, known to hold a well-boxed f32
        u64 signed_epoch = 0;  ///< in it, known to hold the sign extension of 32 bits
        i32 disp = 0;          ///< of its memory, from the context register
    };

    static constexpr u16 no_slot = ir::ValueUse::no_slot;

    // select.cpp
    struct Rules;
    void begin(const ir::Function& f, MachineFunction& out);
    void walk();
    void guard_entry();
    void instructions(ir::BlockId id);
    void set_layout(const ir::StateLayout& layout);
    bool order_blocks();
    bool order_anew();
    bool changes_rounding();
    u32 analyze_block(ir::BlockId block, u32 position);
    void block(ir::BlockId id);
    void instruction(ValueId id);

    // select_places.cpp
    Value& at(ValueId value) { return values_[ir::index(value)]; }
    const Value& at(ValueId value) const { return values_[ir::index(value)]; }
    const Inst& inst_of(ValueId value) const { return (*f_)[value]; }
    ir::Type type(ValueId value) const { return f_->result_type(value); }
    bool is_constant(ValueId value) const { return at(value).place == Place::constant; }
    /// The constant's bits as a signed number of the type's width.
    i64 constant(ValueId value) const;
    bool fits_imm(ValueId value) const;
    void set_constant(ValueId value, u64 constant);
    /// A register that holds `value`: of an integer narrower than 64 bits, the bits above may be anything.
    Reg integer(ValueId value);
    /// The same with the bits above the type zero.
    Reg clean_integer(ValueId value);
    Reg fp(ValueId value);
    /// Drops what was known of the slot's content in an earlier epoch.
    void refresh(Slot& slot);
    /// Puts the content of the slot into a virtual register, or gives the pinned one.
    Reg slot_integer(u16 slot);
    Reg slot_fp(u16 slot);
    /// Whether `value` is just what a memory word holds, so that it can be an operand from there.
    const Slot* in_memory(ValueId value) const;
    /// Whether `value` is in a vector register and in no other place.
    bool is_in_vector(ValueId value) const;
    /// Makes `value` mean what `source` means.
    void alias(ValueId value, ValueId source);
    /// The register to compute `value` into: a fresh one, or the pinned slot's if it goes there. settle() when
    /// it has been written.
    Reg result(ValueId value, bool in_fp = false);
    /// The same, but never a register that `operands` are in: for what is computed in several steps.
    Reg result_apart(ValueId value, std::initializer_list<Reg> operands);
    void settle(ValueId value, Reg reg, bool in_fp = false);
    void live_in(ValueId value, u16 slot);
    void vacate(u16 slot);
    void put_state(const Inst& inst);
    void forget_slots() { ++slots_epoch_; }
    bool feeds_only(ValueId value, ValueId user) const;

    // select_shift.cpp
    /// Whether `inst` is the last of an idiom; then `own` says which.
    bool find_idiom(const Inst& inst, Value& own) const;
    void idiom(ValueId id, const Inst& inst);
    void rotate(u8 width, Reg to, Reg from, i64 right);
    bool scales_an_addition(ValueId id) const;
    void shift(ValueId id, const Inst& inst);
    void rotation(ValueId id, const Inst& inst);

    // select_integer.cpp
    void binary(ValueId id, const Inst& inst);
    void finish(ValueId id, const Inst& inst, Reg reg);
    void copy(ValueId id, ValueId source);
    void two_operands(ValueId id, const Inst& inst, MachineOp op);
    /// Where an operand stands in its slot's memory only, lets `op` take it from there; false if neither does. Such an
    /// operand is the second from now on.
    bool with_memory(ValueId id, const Inst& inst, ValueId& first, ValueId& second, MachineOp op);
    void addition(ValueId id, const Inst& inst);
    void subtraction(ValueId id, const Inst& inst);
    void multiplication(ValueId id, const Inst& inst);
    void multiplication_high(ValueId id, const Inst& inst);
    void division(ValueId id, const Inst& inst);
    void complemented(ValueId id, const Inst& inst);
    void extreme(ValueId id, const Inst& inst);
    void carryless(ValueId id, const Inst& inst);
    void unary(ValueId id, const Inst& inst);

    // select_convert.cpp
    void conversion(ValueId id, const Inst& inst);
    void comparison(ValueId id, const Inst& inst);
    void select_op(ValueId id, const Inst& inst);
    /// Emits the compare and gives the condition under which it holds.
    Condition compare(const Inst& inst);
    /// The flags of an i1, and the condition under which it is 1: fuses a compare that feeds only `user`.
    Condition truth(ValueId value, ValueId user);

    // select_memory.cpp
    void load(ValueId id, const Inst& inst);
    void store(const Inst& inst);
    void atomic_rmw(ValueId id, const Inst& inst);
    void atomic_cas(ValueId id, const Inst& inst);
    Address guest_address(ValueId address, u64 disp);
    void check_aligned(const Inst& inst, ValueId address);

    // select_wide.cpp
    void wide(ValueId id, const Inst& inst);
    /// integer(), but never a pinned register.
    Reg kept_integer(ValueId value);
    Reg high_half(ValueId value);
    void settle_pair(ValueId id, Reg low, Reg high);
    void get_wide(ValueId id, u16 slot);
    void put_wide(u16 slot, ValueId value);
    void load_wide(ValueId id, const Inst& inst);
    void store_wide(const Inst& inst);
    void cas_wide(ValueId id, const Inst& inst);

    // select_operation.cpp
    /// Calls the operation, which must be one without effects on memory and state.
    void operate(ValueId id, const Inst& inst);
    /// Stores all 64 bits of the value, the low ones of one of 128.
    void store_word(ValueId value, i32 disp);

    // select_frame.cpp
    /// Registers that hold the value of a slot in a frame state.
    struct FrameRegs {
        u16 slot;
        Reg low = Reg::none, high = Reg::none;
    };
    std::vector<FrameRegs> frame_registers(const Inst& inst);
    /// site(), with the frame state's values put where it says.
    u32 frame_site(const Inst& inst);
    /// How a unit is left before an instruction.
    struct Departure {
        abi::ExitReason reason{};
        u64 side_exit = 0;           ///< with ExitReason::side_exit
        Reg misaligned = Reg::none;  ///< with ExitReason::fault: the address
    };
    /// Leaves the unit, the frame state being applied, unless the condition holds that `compare` emits and gives.
    void leave_unless(const Inst& inst, const Departure& departure,
                      const std::function<Condition()>& compare);
    void guard(ValueId id, const Inst& inst);
    /// Of a block that selection makes, which one way leads to.
    u32 new_label();

    // select_fp.cpp
    void floating(ValueId id, const Inst& inst);
    /// Whether the host has instructions for it, with that rounding; a unit with a dynamic one is guarded.
    bool in_hardware(const Inst& inst);
    /// Calls emit_operation() where MXCSR rounds as `inst` says. `exact`: it never rounds.
    template <class EmitOperation>
    void rounded(const Inst& inst, const EmitOperation& emit_operation, bool exact = false);
    void fp_binary(ValueId id, const Inst& inst, MachineOp op);
    void get_fp_flags(ValueId id);
    void set_fp_flags(const Inst& inst);
    void canonical_nan(Reg reg, ir::Type type);

    // select_control.cpp
    void call(ValueId id, const Inst& inst);
    /// Whether the host has instructions for what the helper computes: then they are selected.
    bool inline_call(ValueId id, const Inst& inst);
    /// A way to a block, with registers that hold what its parameters become.
    struct Way {
        ir::BlockId target;
        std::vector<std::pair<Reg, Reg>> values;  ///< parameter, value
    };
    Way way(const ir::Edge& edge);
    void give_params(const Way& way);
    void br(const Inst& inst);
    void br_if(ValueId id, const Inst& inst);
    void switch_to(const Inst& inst);
    void jump_to(ir::BlockId target, bool may_fall = true);
    /// Takes the way if the condition holds; a way with parameters from behind, where finish_ways() puts it.
    void go_if(Condition condition, const Way& way, std::vector<std::pair<u32, const Way*>>& rest);
    void finish_ways(const std::vector<std::pair<u32, const Way*>>& rest);
    u32 add_exit(const Inst& inst);
    void leave(abi::ExitReason reason, u64 pc, u32 retired);
    const Inst* bare_exit(ir::BlockId block) const;
    u32 retired(const Inst& inst) const;
    u32 site(const Inst& inst);

    // select_region.cpp
    void order_region_blocks();
    void define_parameters();
    void define_entry_values();
    bool is_fp_slot(ir::SlotId slot) const;
    void find_fp_uses();
    bool is_fp_value(ValueId value) const;
    void region_block(ir::BlockId id);
    void region_get_state(ValueId id, const Inst& inst);
    void region_put_state(const Inst& inst);
    /// Notes a poll, which the `br` behind it makes.
    void poll(ValueId id);
    void region_br(const Inst& inst);
    void region_br_if(ValueId id, const Inst& inst);
    /// The state that those who look at `inst` must find, other slots being as at the entry.
    ValueRange frame_of(const Inst& inst);
    Reg entry_value(ir::SlotId slot);
    StateValue state_value(ir::SlotId slot, ValueId value);
    void belongs(VirtualRegister& value, ir::SlotId slot);
    /// What was put since the block began, for its way out.
    ValueRange take_puts();
    /// Leaves as for a fault at `inst`, of an access at `address` that is not aligned, if `condition` of the flags.
    void leave_misaligned(const Inst& inst, Condition condition, Reg address);

    /// Leaves with `reason` at the guest instruction of `inst`, `state` put in its place, if `condition` of the flags.
    void leave_if(Condition condition, abi::ExitReason reason, const Inst& inst, ValueRange state);

    MachineInst& emit(MachineOp op, u8 width = 8, Reg r0 = Reg::none, Reg r1 = Reg::none, Reg r2 = Reg::none,
                      i64 imm = 0);
    MachineInst& emit_mem(MachineOp op, u8 width, Reg r0, const Address& mem, i64 imm = 0);
    Address context_word(i32 disp) const;
    /// All 64 bits; leaves the flags alone.
    void move(Reg to, Reg from);
    void unsupported(const char* what) {
        if (failure_ == nullptr) failure_ = what;
    }

    const HostFeatures features_;
    const bool flat_;
    const ir::StateLayout* layout_ = nullptr;
    const ir::Function* f_ = nullptr;
    MachineFunction* out_ = nullptr;
    const char* failure_ = nullptr;
    std::vector<Value> values_;
    std::vector<Slot> slots_;
    std::vector<u8> in_place_;        // by block: a bare way out that branches execute themselves
    std::vector<ir::BlockId> order_;  // blocks that are emitted
    struct Param {
        Reg low = Reg::none, high = Reg::none;
    };
    std::vector<Param> params_;  // by value: the registers of a block's parameter
    u64 epoch_ = 0;              // ends where nothing that was known of values in slots holds any longer
    u64 slots_epoch_ = 0;        // ends where nothing that was known of slots' contents holds any longer
    u32 position_ = 0;
    std::size_t place_ = 0;          // of the current block in order_
    ValueId fused_ = ValueId::none;  // already selected with the instruction before it
    bool guarded_ = false;           // the unit is only entered when MXCSR rounds as the guest's mode says
    bool rounding_changed_ = false;  // by code that was selected
    std::optional<bool> changes_rounding_;  // the unit does; nothing: not known yet

    bool region_ = false;
    // By block: instructions completed besides those that origins say, where it begins; nothing: not known yet.
    std::vector<std::optional<u32>> counted_;
    u32 pending_ = 0;          // the same where selection is
    std::vector<u8> fp_uses_;  // by value: whether it is an i64 that is only used as a floating-point number
    std::vector<Reg> pinned_;  // by slot: where it is at the entry
    std::vector<StateValue> puts_;   // since the block began
    ValueId polls_ = ValueId::none;  // the poll before a way back, until that
};

inline constexpr i32 fp_flags_disp = i32{offsetof(abi::Context, fp_flags)} - context_bias;

/// The width of the operation that computes a value of this type, in bytes.
constexpr u8 operation_width(ir::Type type) { return ir::byte_size(type) == 8 ? 8 : 4; }
constexpr bool is_wide(ir::Type type) { return type == ir::Type::i128 || type == ir::Type::v128; }
/// A value of another type up to 64 bits lives in an integer register: the host has no arithmetic on binary16.
constexpr bool lives_in_vector(ir::Type type) { return type == ir::Type::f32 || type == ir::Type::f64; }
constexpr bool is_word(ir::Type type) { return type == ir::Type::i32 || ir::byte_size(type) == 8; }

/// Where the emitter keeps things in a context's temporaries, as displacements from the context register.
inline constexpr i32 temporaries_disp = i32{abi::temps_begin} - context_bias;
inline constexpr i32 call_arguments_disp = temporaries_disp;    // two words
inline constexpr i32 call_result_disp = temporaries_disp + 16;  // a word
inline constexpr i32 mxcsr_disp = temporaries_disp + 24;        // two half words
/// The guest's rounding mode that MXCSR is set to, and MXCSR's bits for it: two words, which stay between units.
inline constexpr i32 rounding_disp = temporaries_disp + 40;
// abi::operand_words are behind these.
/// What frame states say of an access that may fault.
inline constexpr i32 frame_disp = temporaries_disp + 64 + i32{abi::operand_bytes};
inline constexpr u32 frame_words = 128;
inline constexpr i32 spills_disp = frame_disp + 8 * i32{frame_words};
inline constexpr u32 spill_words = (abi::temps_bytes - static_cast<u32>(spills_disp - temporaries_disp)) / 8;

}  // namespace kiln::emit

// What a lift function works with: the IR builder plus riscv64's registers, pc and ways out of a unit.
//
// The law of a lift function: it emits the whole meaning of one instruction at the builder's position, reads
// every operand before it writes a register (rd may be a source), and writes registers only after the last
// operation that can fault. Execution that stays in the unit goes on at next(), in the builder's block.
// Forming units is frontend.cpp's matter; the lift functions are in one file per extension.
#pragma once

#include <vector>

#include "abi/frontend.h"
#include "abi/helpers.h"
#include "abi/riscv64/state.h"
#include "base/bits.h"
#include "ir/builder.h"
#include "isa/riscv64/decode.h"

namespace kiln::riscv64 {

using ir::Cond;
using ir::FpCond;
using ir::Hint;
using ir::Op;
using ir::Order;
using ir::Rmw;
using ir::Rounding;
using ir::Type;
using ir::ValueId;

class Lifter : public ir::Builder {
  public:
    /// Lifts into `f`, which is empty. `extent` is what the unit covers so far and which jumps it follows.
    Lifter(ir::Function& f, const abi::LiftOptions& options, abi::Extent& extent)
        : Builder(f),
          extent_(extent),
          profile_(options.profile),
          extend_(options.extend),
          read_once_(options.read_once) {
        known_values_[0] = 0;
        at(f.add_block());
    }

    /// Starts the instruction at `pc`, of `length` bytes.
    void begin(GuestAddr pc, u8 length) {
        pc_ = pc;
        next_ = pc + length;
        origin(pc);
    }
    GuestAddr pc() const { return pc_; }
    /// Where execution goes on in this unit: after the instruction, or at the target of a followed jump.
    GuestAddr next() const { return next_; }
    /// Whether the unit's last block has its terminator.
    bool ended() const { return ended_; }

    // Values.
    ValueId constant(u64 value) { return iconst(Type::i64, value); }
    /// An instruction's immediate, as the sign-extended value it stands for.
    ValueId imm(const Decoded& d) { return constant(static_cast<u64>(i64{d.imm})); }
    ValueId add(ValueId a, ValueId b) { return binary(Op::add, a, b); }
    ValueId sub(ValueId a, ValueId b) { return binary(Op::sub, a, b); }
    ValueId and_(ValueId a, ValueId b) { return binary(Op::and_, a, b); }
    ValueId or_(ValueId a, ValueId b) { return binary(Op::or_, a, b); }
    ValueId xor_(ValueId a, ValueId b) { return binary(Op::xor_, a, b); }
    ValueId shl(ValueId a, ValueId b) { return binary(Op::shl, a, b); }
    ValueId shr(ValueId a, ValueId b) { return binary(Op::shr, a, b); }
    /// With a constant second operand of a's type.
    ValueId with(Op op, ValueId a, u64 constant) { return binary(op, a, iconst(type(a), constant)); }
    ValueId zext(ValueId a) { return convert(Op::zext, Type::i64, a); }
    ValueId sext(ValueId a) { return convert(Op::sext, Type::i64, a); }
    ValueId trunc(Type to, ValueId a) { return convert(Op::trunc, to, a); }

    /// Later instructions go to the end of `block`, where nothing is known of what registers hold.
    void at(ir::BlockId block) {
        Builder::at(block);
        held_ = 0;
    }

    // Integer registers. x0 reads as 0 and takes no value.
    ValueId x(unsigned number) { return number == 0 ? constant(0) : get(number, x_slot(number)); }
    /// The low bits, as `type`: i8 to i64.
    ValueId x(unsigned number, Type type) {
        if (number == 0) return iconst(type, 0);
        return type == Type::i64 ? x(number) : trunc(type, x(number));
    }
    /// The low 32 bits.
    ValueId w(unsigned number) { return x(number, Type::i32); }
    void set_x(unsigned number, ValueId value) {
        if (number == 0) return;
        known_ &= ~(u32{1} << number);
        put(number, x_slot(number), value);
    }
    /// Sets a register to an integer, sign-extended.
    void set_sext(unsigned number, ValueId value) {
        if (number != 0) set_x(number, type(value) == Type::i64 ? value : sext(value));
    }
    /// Sets a register to an i1, i8, i16 or i32, zero-extended.
    void set_zext(unsigned number, ValueId value) {
        if (number != 0) set_x(number, zext(value));
    }
    /// Sets a register to a constant and remembers it until the register is set again.
    void set_constant(unsigned number, u64 value) {
        if (number == 0) return;
        set_x(number, constant(value));
        know(number, value);
    }
    /// Remembers that a register other than x0 holds a constant, until it is set again.
    void know(unsigned number, u64 value) {
        known_ |= u32{1} << number;
        known_values_[number] = value;
    }
    /// Whether a register's value is a constant in this unit.
    bool is_known(unsigned number) const { return number == 0 || (known_ >> number & 1) != 0; }
    u64 known(unsigned number) const { return known_values_[number]; }

    // Floating-point registers.
    /// The raw 64 bits.
    ValueId f(unsigned number) { return get(first_f + number, f_slot(number)); }
    void set_f(unsigned number, ValueId bits) { put(first_f + number, f_slot(number), bits); }
    /// As a value of `format`: f16 and f32 are the canonical NaN unless NaN-boxed.
    ValueId fp(Type format, unsigned number) {
        return convert(format == Type::f64 ? Op::bitcast : Op::nan_unbox, format, f(number));
    }
    void set_fp(unsigned number, ValueId value) {
        set_f(number, convert(type(value) == Type::f64 ? Op::bitcast : Op::nan_box, Type::i64, value));
    }
    /// An instruction's rm field. 5 and 6 do not decode.
    static Rounding rounding(const Decoded& d) { return d.rm == 7 ? Rounding::dyn : Rounding(d.rm); }

    // Ways out of the unit, and past them.
    ir::BlockId new_block() { return function().add_block(); }
    /// Goes to `target` if `taken` is 1; execution stays in the unit on one of both ways, or on none.
    void branch(ValueId taken, GuestAddr target);
    /// Jumps to `target` with the return address in `link`, within the unit if it may be extended.
    void jump(GuestAddr target, unsigned link);
    /// The unit ends here: its last block has got its terminator.
    void end() { ended_ = true; }
    void end_at(GuestAddr target) {
        goto_pc(target);
        end();
    }
    void illegal() {
        trap(ir::Trap::illegal);
        end();
    }

  private:
    static constexpr unsigned first_f = 32;
    /// Reads and writes of registers: `number` counts the x registers from 0, the f registers from first_f.
    ValueId get(unsigned number, ir::SlotId slot) {
        if ((held_ >> number & 1) == 0) hold(number, get_state(slot));
        return holds_[number];
    }
    void put(unsigned number, ir::SlotId slot, ValueId value) {
        put_state(slot, value);
        hold(number, value);
    }
    void hold(unsigned number, ValueId value) {
        holds_[number] = value;
        if (read_once_) held_ |= u64{1} << number;
    }

    enum class Way : u8 { fall_through, target, nowhere };
    /// Where the unit goes on behind a branch.
    Way way_behind(GuestAddr target) const;

    abi::Extent& extent_;
    const abi::Profile* profile_;
    GuestAddr pc_, next_;
    bool extend_, read_once_;
    bool ended_ = false;
    u32 known_ = 0;         // bit n: known_values_[n] is what x<n> holds
    u64 known_values_[32];  // [0] is x0's
    u64 held_ = 0;          // bit n: holds_[n] is what register n holds in this block
    ValueId holds_[64];
};

/// The registers that the calling convention returns through (Unprivileged ISA, 2.5.1).
constexpr bool is_link(unsigned number) { return number == 1 || number == 5; }

}  // namespace kiln::riscv64

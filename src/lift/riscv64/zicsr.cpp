// Zicsr: the control and status registers that user mode sees (Unprivileged ISA, chapters "Zicsr", "Zicntr"
// and "F"). Every other register, and a write to a read-only one, is illegal.
#include "base/check.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

enum class Csr : u16 {
#define RV_CSR(number, name, meaning) name = number,
#define RV_CSR_GROUP(...)
#include "isa/riscv64/csrs.def"
#undef RV_CSR
#undef RV_CSR_GROUP
};

Csr csr(const Decoded& d) { return Csr(d.imm); }

constexpr u64 flag_bits = 0x1f, rounding_bits = 0x7;
constexpr unsigned rounding_at = 5;

bool exists(Csr csr) {
    switch (csr) {
        case Csr::fflags:
        case Csr::frm:
        case Csr::fcsr:
        case Csr::cycle:
        case Csr::time:
        case Csr::instret: return true;
        default: return false;
    }
}
/// The top two bits of a number say so.
bool is_read_only(Csr csr) { return static_cast<u16>(csr) >> 10 == 3; }

ValueId read(Lifter& l, Csr csr) {
    switch (csr) {
        case Csr::fflags: return l.fp_get_flags();
        case Csr::frm: return l.get_state(slot::frm);
        case Csr::fcsr: return l.or_(l.with(Op::shl, l.get_state(slot::frm), rounding_at), l.fp_get_flags());
        case Csr::cycle: return l.call(abi::helper::clock_cycles, {});
        case Csr::time: return l.call(abi::helper::clock_time, {});
        case Csr::instret: return l.call(abi::helper::instret, {});
        default: KILN_UNREACHABLE();
    }
}

/// Three bits of frm are kept whatever they are: a reserved mode traps where it is used.
void write(Lifter& l, Csr csr, ValueId value) {
    if (csr == Csr::fflags || csr == Csr::fcsr) l.fp_set_flags(l.with(Op::and_, value, flag_bits));
    if (csr == Csr::fcsr) value = l.with(Op::shr, value, rounding_at);
    if (csr == Csr::frm || csr == Csr::fcsr) l.put_state(slot::frm, l.with(Op::and_, value, rounding_bits));
}

/// A unit's rounding mode is that of its entry, so that code can be made for one mode: a write ends the unit.
void end_if_rounding(Lifter& l, Csr csr) {
    if (csr == Csr::frm || csr == Csr::fcsr) l.end_at(l.next());
}

/// CSRRW: a write, and a read only if somebody wants it.
void swap(Lifter& l, const Decoded& d, ValueId value) {
    if (!exists(csr(d)) || is_read_only(csr(d))) return l.illegal();
    const ValueId old = d.rd == 0 ? ValueId::none : read(l, csr(d));
    write(l, csr(d), value);
    if (d.rd != 0) l.set_x(d.rd, old);
    end_if_rounding(l, csr(d));
}

/// CSRRS and CSRRC: a read, and a write only if the operand is not x0 or the immediate 0.
void modify(Lifter& l, const Decoded& d, Op op, ValueId value) {
    const bool writes = d.rs1 != 0;
    if (!exists(csr(d)) || (writes && is_read_only(csr(d)))) return l.illegal();
    const ValueId old = read(l, csr(d));
    if (writes) write(l, csr(d), l.binary(op, old, value));
    l.set_x(d.rd, old);
    if (writes) end_if_rounding(l, csr(d));
}

}  // namespace

void csrrw(Lifter& l, const Decoded& d) { swap(l, d, l.x(d.rs1)); }
void csrrs(Lifter& l, const Decoded& d) { modify(l, d, Op::or_, l.x(d.rs1)); }
void csrrc(Lifter& l, const Decoded& d) { modify(l, d, Op::andn, l.x(d.rs1)); }
void csrrwi(Lifter& l, const Decoded& d) { swap(l, d, l.constant(d.rs1)); }
void csrrsi(Lifter& l, const Decoded& d) { modify(l, d, Op::or_, l.constant(d.rs1)); }
void csrrci(Lifter& l, const Decoded& d) { modify(l, d, Op::andn, l.constant(d.rs1)); }

}  // namespace kiln::riscv64::lift

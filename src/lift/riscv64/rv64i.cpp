// Base integer instructions (Unprivileged ISA, chapters 2 and 4), FENCE.I and PAUSE, and illegal words.
#include "lift/riscv64/forms.h"
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

GuestAddr target(Lifter& l, const Decoded& d) { return GuestAddr(l.pc().raw + static_cast<u64>(i64{d.imm})); }

void branch_if(Lifter& l, const Decoded& d, Cond cond) {
    l.branch(l.icmp(cond, l.x(d.rs1), l.x(d.rs2)), target(l, d));
}

ValueId load(Lifter& l, const Decoded& d, Type type) { return l.load(type, l.x(d.rs1), d.imm); }

void store(Lifter& l, const Decoded& d, Type type) { l.store(l.x(d.rs1), d.imm, l.x(d.rs2, type)); }

}  // namespace

void illegal(Lifter& l, const Decoded&) { l.illegal(); }

void lui(Lifter& l, const Decoded& d) { l.set_constant(d.rd, static_cast<u64>(i64{d.imm})); }
void auipc(Lifter& l, const Decoded& d) { l.set_constant(d.rd, target(l, d).raw); }

void jal(Lifter& l, const Decoded& d) { l.jump(target(l, d), d.rd); }

/// With a base that this unit made (auipc, or the return from a followed call) the target is known.
void jalr(Lifter& l, const Decoded& d) {
    constexpr u64 even = ~u64{1};
    const u64 offset = static_cast<u64>(i64{d.imm});
    if (l.is_known(d.rs1)) return l.jump(GuestAddr((l.known(d.rs1) + offset) & even), d.rd);
    const ValueId base = l.x(d.rs1);
    const ValueId sum = offset == 0 ? base : l.with(Op::add, base, offset);
    const GuestAddr return_address = l.next();
    l.set_constant(d.rd, return_address.raw);
    const ValueId to = l.with(Op::and_, sum, even);  // last: then tiers can make it part of the jump
    // Which jumps push and pop a return-address stack: Unprivileged ISA, 2.5.1. Of a swap (both), the push.
    const Hint hint = is_link(d.rd) ? Hint::call : is_link(d.rs1) ? Hint::ret : Hint::plain;
    l.goto_ind(to, hint, hint == Hint::call ? return_address : GuestAddr());
    l.end();
}

void beq(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::eq); }
void bne(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::ne); }
void blt(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::lt_s); }
void bge(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::ge_s); }
void bltu(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::lt_u); }
void bgeu(Lifter& l, const Decoded& d) { branch_if(l, d, Cond::ge_u); }

// A load into x0 still reads memory: it may fault.
void lb(Lifter& l, const Decoded& d) { l.set_sext(d.rd, load(l, d, Type::i8)); }
void lh(Lifter& l, const Decoded& d) { l.set_sext(d.rd, load(l, d, Type::i16)); }
void lw(Lifter& l, const Decoded& d) { l.set_sext(d.rd, load(l, d, Type::i32)); }
void ld(Lifter& l, const Decoded& d) { l.set_x(d.rd, load(l, d, Type::i64)); }
void lbu(Lifter& l, const Decoded& d) { l.set_zext(d.rd, load(l, d, Type::i8)); }
void lhu(Lifter& l, const Decoded& d) { l.set_zext(d.rd, load(l, d, Type::i16)); }
void lwu(Lifter& l, const Decoded& d) { l.set_zext(d.rd, load(l, d, Type::i32)); }
void sb(Lifter& l, const Decoded& d) { store(l, d, Type::i8); }
void sh(Lifter& l, const Decoded& d) { store(l, d, Type::i16); }
void sw(Lifter& l, const Decoded& d) { store(l, d, Type::i32); }
void sd(Lifter& l, const Decoded& d) { store(l, d, Type::i64); }

/// NOP, LI and MV are this one, and the tail of most constants: constants are computed here.
void addi(Lifter& l, const Decoded& d) {
    if (l.is_known(d.rs1)) return l.set_constant(d.rd, l.known(d.rs1) + static_cast<u64>(i64{d.imm}));
    if (d.rd == 0) return;
    const ValueId a = l.x(d.rs1);
    l.set_x(d.rd, d.imm == 0 ? a : l.add(a, l.imm(d)));
}
void slti(Lifter& l, const Decoded& d) { l.set_zext(d.rd, l.icmp(Cond::lt_s, l.x(d.rs1), l.imm(d))); }
void sltiu(Lifter& l, const Decoded& d) { l.set_zext(d.rd, l.icmp(Cond::lt_u, l.x(d.rs1), l.imm(d))); }
void xori(Lifter& l, const Decoded& d) { with_imm(l, d, Op::xor_); }
/// The prefetch hints are this one into x0.
void ori(Lifter& l, const Decoded& d) {
    if (d.rd != 0) with_imm(l, d, Op::or_);
}
void andi(Lifter& l, const Decoded& d) { with_imm(l, d, Op::and_); }
void slli(Lifter& l, const Decoded& d) { with_imm(l, d, Op::shl); }
void srli(Lifter& l, const Decoded& d) { with_imm(l, d, Op::shr); }
void srai(Lifter& l, const Decoded& d) { with_imm(l, d, Op::sar); }

/// MV in its compressed form is this one with x0.
void add(Lifter& l, const Decoded& d) {
    if (d.rs1 == 0) return l.set_x(d.rd, l.x(d.rs2));
    binary(l, d, Op::add);
}
void sub(Lifter& l, const Decoded& d) { binary(l, d, Op::sub); }
void sll(Lifter& l, const Decoded& d) { binary(l, d, Op::shl); }
void slt(Lifter& l, const Decoded& d) { l.set_zext(d.rd, l.icmp(Cond::lt_s, l.x(d.rs1), l.x(d.rs2))); }
void sltu(Lifter& l, const Decoded& d) { l.set_zext(d.rd, l.icmp(Cond::lt_u, l.x(d.rs1), l.x(d.rs2))); }
void xor_(Lifter& l, const Decoded& d) { binary(l, d, Op::xor_); }
void srl(Lifter& l, const Decoded& d) { binary(l, d, Op::shr); }
void sra(Lifter& l, const Decoded& d) { binary(l, d, Op::sar); }
void or_(Lifter& l, const Decoded& d) { binary(l, d, Op::or_); }
void and_(Lifter& l, const Decoded& d) { binary(l, d, Op::and_); }

/// SEXT.W is this one with 0.
void addiw(Lifter& l, const Decoded& d) {
    if (l.is_known(d.rs1)) {
        const u64 sum = l.known(d.rs1) + static_cast<u64>(i64{d.imm});
        return l.set_constant(d.rd, static_cast<u64>(sign_extend(sum, 32)));
    }
    if (d.imm == 0) return l.set_sext(d.rd, l.w(d.rs1));
    with_imm_w(l, d, Op::add);
}
void slliw(Lifter& l, const Decoded& d) { with_imm_w(l, d, Op::shl); }
void srliw(Lifter& l, const Decoded& d) { with_imm_w(l, d, Op::shr); }
void sraiw(Lifter& l, const Decoded& d) { with_imm_w(l, d, Op::sar); }
void addw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::add); }
void subw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::sub); }
void sllw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::shl); }
void srlw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::shr); }
void sraw(Lifter& l, const Decoded& d) { binary_w(l, d, Op::sar); }

/// Only a store before a load can pass the other on strongly ordered hosts, so that is what fences are told
/// apart by. FENCE.TSO (fm 8) lets it pass.
void fence(Lifter& l, const Decoded& d) {
    constexpr u32 out = 4, in = 8, read = 2, write = 1;
    const u64 mode = bits(static_cast<u32>(d.imm), 8, 4);
    const u64 before = bits(static_cast<u32>(d.imm), 4, 4), after = bits(static_cast<u32>(d.imm), 0, 4);
    const bool is_tso = mode == 8 && before == (read | write) && after == (read | write);
    if (before == 0 || after == 0) return;
    const bool store_to_load = (before & (write | out)) != 0 && (after & (read | in)) != 0 && !is_tso;
    l.fence(store_to_load ? Order::seq_cst : Order::acq_rel);
}
void fence_i(Lifter& l, const Decoded&) {
    l.sync_code(l.next());
    l.end();
}
void pause(Lifter& l, const Decoded&) { l.call(abi::helper::yield_host, {}); }

void ecall(Lifter& l, const Decoded&) {
    l.syscall(l.next());
    l.end();
}
void ebreak(Lifter& l, const Decoded&) {
    l.trap(ir::Trap::breakpoint);
    l.end();
}

}  // namespace kiln::riscv64::lift

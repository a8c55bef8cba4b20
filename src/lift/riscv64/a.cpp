// A (Zalrsc, Zaamo), Zabha and Zacas: atomics (Unprivileged ISA, chapters of these names), and Zawrs.
//
// A reservation is the address and the value that LR read: SC succeeds if a compare-and-swap finds that value
// there still. A store of the same value by another hart between the two goes unnoticed, which no program
// that is correct on hardware with coherent caches can tell from the other order, except through ABA.
#include "lift/riscv64/instructions.h"

namespace kiln::riscv64::lift {
namespace {

constexpr u64 no_reservation = ~u64{0};
constexpr u8 release_bit = 1;

/// aq and rl together are sequentially consistent.
Order order(const Decoded& d) {
    constexpr Order orders[] = {Order::relaxed, Order::release, Order::acquire, Order::seq_cst};
    return orders[d.aq_rl];
}

/// The load is always an acquire: only ordered loads fault when misaligned, and on most hosts it is free.
void load_reserved(Lifter& l, const Decoded& d, Type type) {
    if ((d.aq_rl & release_bit) != 0) l.fence(Order::seq_cst);
    const ValueId address = l.x(d.rs1);
    const ValueId value = l.load(type, address, 0, Order::acquire);
    const ValueId extended = type == Type::i64 ? value : l.sext(value);
    l.put_state(slot::lr_addr, address);
    l.put_state(slot::lr_value, extended);
    l.set_x(d.rd, extended);
}

/// rd = 0 if the store was done, else 1; the reservation is gone either way.
void store_conditional(Lifter& l, const Decoded& d, Type type) {
    const ir::BlockId attempt = l.new_block(), fail = l.new_block(), done = l.new_block();
    const ValueId address = l.x(d.rs1), value = l.x(d.rs2, type);
    l.br_if(l.icmp(Cond::eq, address, l.get_state(slot::lr_addr)), attempt, fail);
    l.at(attempt);
    const ValueId reserved = l.get_state(slot::lr_value);
    const ValueId expected = type == Type::i64 ? reserved : l.trunc(type, reserved);
    const ValueId old = l.atomic_cas(order(d), address, expected, value);
    l.br(done, {l.zext(l.icmp(Cond::ne, old, expected))});
    l.at(fail);
    l.br(done, {l.constant(1)});
    l.at(done);
    const ValueId failed = l.function().add_param(done, Type::i64);
    l.put_state(slot::lr_addr, l.constant(no_reservation));
    l.set_x(d.rd, failed);
}

void amo(Lifter& l, const Decoded& d, Type type, Rmw rmw) {
    const ValueId address = l.x(d.rs1);
    l.set_sext(d.rd, l.atomic_rmw(rmw, order(d), address, l.x(d.rs2, type)));
}

/// rd is what is compared, and receives what was found.
void amocas(Lifter& l, const Decoded& d, Type type) {
    const ValueId address = l.x(d.rs1), expected = l.x(d.rd, type);
    l.set_sext(d.rd, l.atomic_cas(order(d), address, expected, l.x(d.rs2, type)));
}

/// The even register of a pair is the low half; the pair of x0 is 0.
ValueId register_pair(Lifter& l, unsigned number) {
    return l.pair(l.x(number), l.x(number == 0 ? 0 : number + 1));
}

}  // namespace

void lr_w(Lifter& l, const Decoded& d) { load_reserved(l, d, Type::i32); }
void lr_d(Lifter& l, const Decoded& d) { load_reserved(l, d, Type::i64); }
void sc_w(Lifter& l, const Decoded& d) { store_conditional(l, d, Type::i32); }
void sc_d(Lifter& l, const Decoded& d) { store_conditional(l, d, Type::i64); }

void amoswap_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::swap); }
void amoadd_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::add); }
void amoxor_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::xor_); }
void amoand_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::and_); }
void amoor_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::or_); }
void amomin_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::min_s); }
void amomax_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::max_s); }
void amominu_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::min_u); }
void amomaxu_w(Lifter& l, const Decoded& d) { amo(l, d, Type::i32, Rmw::max_u); }

void amoswap_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::swap); }
void amoadd_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::add); }
void amoxor_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::xor_); }
void amoand_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::and_); }
void amoor_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::or_); }
void amomin_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::min_s); }
void amomax_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::max_s); }
void amominu_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::min_u); }
void amomaxu_d(Lifter& l, const Decoded& d) { amo(l, d, Type::i64, Rmw::max_u); }

void amoswap_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::swap); }
void amoadd_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::add); }
void amoxor_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::xor_); }
void amoand_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::and_); }
void amoor_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::or_); }
void amomin_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::min_s); }
void amomax_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::max_s); }
void amominu_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::min_u); }
void amomaxu_b(Lifter& l, const Decoded& d) { amo(l, d, Type::i8, Rmw::max_u); }

void amoswap_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::swap); }
void amoadd_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::add); }
void amoxor_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::xor_); }
void amoand_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::and_); }
void amoor_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::or_); }
void amomin_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::min_s); }
void amomax_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::max_s); }
void amominu_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::min_u); }
void amomaxu_h(Lifter& l, const Decoded& d) { amo(l, d, Type::i16, Rmw::max_u); }

void amocas_w(Lifter& l, const Decoded& d) { amocas(l, d, Type::i32); }
void amocas_d(Lifter& l, const Decoded& d) { amocas(l, d, Type::i64); }
void amocas_b(Lifter& l, const Decoded& d) { amocas(l, d, Type::i8); }
void amocas_h(Lifter& l, const Decoded& d) { amocas(l, d, Type::i16); }
void amocas_q(Lifter& l, const Decoded& d) {
    const ValueId address = l.x(d.rs1), expected = register_pair(l, d.rd);
    const ValueId old = l.atomic_cas(order(d), address, expected, register_pair(l, d.rs2));
    if (d.rd == 0) return;
    l.set_x(d.rd, l.unary(Op::low, old));
    l.set_x(d.rd + 1u, l.unary(Op::high, old));
}

// Waiting may end early for any reason: these give the processor away once.
void wrs_nto(Lifter& l, const Decoded&) { l.call(abi::helper::yield_host, {}); }
void wrs_sto(Lifter& l, const Decoded&) { l.call(abi::helper::yield_host, {}); }

}  // namespace kiln::riscv64::lift

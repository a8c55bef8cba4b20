// Encoding of integer operations and atomics.
#include "base/check.h"
#include "emit/encode_state.h"

namespace kiln::emit {

void Encoder::State::integer(const MachineInst& inst) {
    const u8 w = inst.width < 4 ? u8{4} : inst.width;
    const auto r0 = [&] { return sized(inst.r[0], w); };
    const auto r1 = [&] { return sized(inst.r[1], w); };
    const auto r2 = [&] { return sized(inst.r[2], w); };
    switch (inst.op) {
        case MachineOp::mov: a.mov(gpq(inst.r[0]), gpq(inst.r[1])); return;
        case MachineOp::mov_imm:
            if (static_cast<u64>(inst.imm) <= 0xffffffff)
                a.mov(gpd(inst.r[0]), static_cast<u32>(inst.imm));
            else
                a.mov(gpq(inst.r[0]), inst.imm);
            return;
        case MachineOp::add: a.add(r0(), r1()); return;
        case MachineOp::sub: a.sub(r0(), r1()); return;
        case MachineOp::and_: a.and_(r0(), r1()); return;
        case MachineOp::or_: a.or_(r0(), r1()); return;
        case MachineOp::xor_: a.xor_(r0(), r1()); return;
        case MachineOp::add_imm: a.add(r0(), inst.imm); return;
        case MachineOp::sub_imm: a.sub(r0(), inst.imm); return;
        case MachineOp::and_imm: a.and_(r0(), inst.imm); return;
        case MachineOp::or_imm: a.or_(r0(), inst.imm); return;
        case MachineOp::xor_imm: a.xor_(r0(), inst.imm); return;
        case MachineOp::add_mem: a.add(r0(), address(inst, w)); return;
        case MachineOp::sub_mem: a.sub(r0(), address(inst, w)); return;
        case MachineOp::and_mem: a.and_(r0(), address(inst, w)); return;
        case MachineOp::or_mem: a.or_(r0(), address(inst, w)); return;
        case MachineOp::xor_mem: a.xor_(r0(), address(inst, w)); return;
        case MachineOp::andn: a.andn(r0(), r2(), r1()); return;
        case MachineOp::neg: a.neg(r0()); return;
        case MachineOp::not_: a.not_(r0()); return;
        case MachineOp::imul: a.imul(r0(), r1()); return;
        case MachineOp::imul_imm: a.imul(r0(), r1(), inst.imm); return;
        case MachineOp::mul_wide_u: a.mul(x86::rdx, x86::rax, gpq(inst.r[0])); return;
        case MachineOp::mul_wide_s: a.imul(x86::rdx, x86::rax, gpq(inst.r[0])); return;
        case MachineOp::shl_imm: a.shl(r0(), inst.imm); return;
        case MachineOp::shr_imm: a.shr(r0(), inst.imm); return;
        case MachineOp::sar_imm: a.sar(r0(), inst.imm); return;
        case MachineOp::ror_imm: a.ror(r0(), inst.imm); return;
        case MachineOp::rorx: a.rorx(r0(), r1(), inst.imm); return;
        case MachineOp::shl: a.shlx(r0(), r1(), r2()); return;
        case MachineOp::shr: a.shrx(r0(), r1(), r2()); return;
        case MachineOp::sar: a.sarx(r0(), r1(), r2()); return;
        case MachineOp::shl_by: a.shl(r0(), x86::cl); return;
        case MachineOp::shr_by: a.shr(r0(), x86::cl); return;
        case MachineOp::sar_by: a.sar(r0(), x86::cl); return;
        case MachineOp::rol: a.rol(r0(), x86::cl); return;
        case MachineOp::ror: a.ror(r0(), x86::cl); return;
        case MachineOp::extend_u:
            if (inst.width < 4)
                a.movzx(gpd(inst.r[0]), sized(inst.r[1], inst.width));
            else
                a.mov(gpd(inst.r[0]), gpd(inst.r[1]));
            return;
        case MachineOp::extend_s:
            if (inst.width == 4)
                a.movsxd(gpq(inst.r[0]), gpd(inst.r[1]));
            else
                a.movsx(gpq(inst.r[0]), sized(inst.r[1], inst.width));
            return;
        case MachineOp::bswap: a.bswap(r0()); return;
        case MachineOp::clz: a.lzcnt(r0(), r1()); return;
        case MachineOp::ctz: a.tzcnt(r0(), r1()); return;
        case MachineOp::popcnt: a.popcnt(r0(), r1()); return;
        case MachineOp::cmp: a.cmp(r0(), r1()); return;
        case MachineOp::cmp_imm: a.cmp(r0(), inst.imm); return;
        case MachineOp::cmp_mem: a.cmp(r0(), address(inst, w)); return;
        case MachineOp::test_imm: a.test(r0(), inst.imm); return;
        case MachineOp::test: a.test(r0(), r1()); return;
        case MachineOp::set:
            a.set(code_of(inst.cond), sized(inst.r[0], 1));
            a.movzx(gpd(inst.r[0]), sized(inst.r[0], 1));
            return;
        case MachineOp::move_if: a.cmov(code_of(inst.cond), r0(), r1()); return;
        default: KILN_UNREACHABLE();
    }
}

void Encoder::State::divide(const MachineInst& inst) {
    const bool is_signed = inst.op == MachineOp::divide_s;
    const x86::Gp divisor = sized(inst.r[0], inst.width), quotient = sized(rax, inst.width),
                  remainder = sized(rdx, inst.width);
    const Label by_zero = a.newLabel(), done = a.newLabel();
    a.test(divisor, divisor);
    a.je(by_zero);
    if (is_signed) {
        const Label by_minus_one = a.newLabel();
        a.cmp(divisor, -1);
        a.je(by_minus_one);
        inst.width == 8 ? a.cqo() : a.cdq();
        a.idiv(remainder, quotient, divisor);
        later([=, this] {
            a.bind(by_minus_one);
            a.neg(quotient);
            a.xor_(x86::edx, x86::edx);
            a.jmp(done);
        });
    } else {
        a.xor_(x86::edx, x86::edx);
        a.div(remainder, quotient, divisor);
    }
    a.bind(done);
    const bool ones = ir::DivRule(inst.imm) == ir::DivRule::ones;
    later([=, this] {
        a.bind(by_zero);
        a.mov(remainder, quotient);
        a.mov(quotient, ones ? -1 : 0);
        a.jmp(done);
    });
}

void Encoder::State::atomic(const MachineInst& inst) {
    const u8 w = inst.width;
    switch (inst.op) {
        case MachineOp::lock_xadd:
            fault_point(inst);
            a.lock().xadd(address(inst, w), sized(inst.r[0], w));
            return;
        case MachineOp::xchg:
            fault_point(inst);
            a.xchg(address(inst, w), sized(inst.r[0], w));
            return;
        case MachineOp::cmpxchg:
            fault_point(inst);
            a.lock().cmpxchg(address(inst, w), sized(inst.r[0], w), sized(rax, w));
            return;
        case MachineOp::full_fence: a.lock().or_(x86::dword_ptr(x86::rsp), 0); return;
        case MachineOp::check_aligned: {
            const Label cold = a.newLabel();
            a.test(gpd(inst.r[0]), inst.imm);
            a.jne(cold);
            later([this, cold, reg = inst.r[0], site = f->sites[inst.site]] {
                a.bind(cold);
                a.mov(context(offsetof(abi::Context, fault) + offsetof(abi::Fault, address), 8), gpq(reg));
                a.mov(context(offsetof(abi::Context, fault) + offsetof(abi::Fault, kind), 1),
                      static_cast<u8>(abi::FaultKind::misaligned));
                if (site.retired != 0) a.sub(x86::r14, site.retired);
                a.mov(x86::rax, site.pc.raw);
                leave(abi::ExitReason::fault);
            });
            return;
        }
        case MachineOp::rmw: break;
        default: KILN_UNREACHABLE();
    }
    const x86::Gp combined = sized(inst.r[2], w), operand = sized(inst.r[0], w);
    const auto wide = [&](Reg r) { return w == 8 ? gpq(r) : gpd(r); };
    fault_point(inst);
    a.mov(sized(rax, w), address(inst, w));
    const Label again = a.newLabel();
    a.bind(again);
    a.mov(gpq(inst.r[2]), x86::rax);
    const auto pick = [&](CondCode when) {
        a.cmp(combined, operand);
        a.cmov(when, wide(inst.r[2]), wide(inst.r[0]));
    };
    switch (ir::Rmw(inst.imm)) {
        case ir::Rmw::and_: a.and_(wide(inst.r[2]), wide(inst.r[0])); break;
        case ir::Rmw::or_: a.or_(wide(inst.r[2]), wide(inst.r[0])); break;
        case ir::Rmw::xor_: a.xor_(wide(inst.r[2]), wide(inst.r[0])); break;
        case ir::Rmw::min_s: pick(CondCode::kG); break;
        case ir::Rmw::max_s: pick(CondCode::kL); break;
        case ir::Rmw::min_u: pick(CondCode::kA); break;
        case ir::Rmw::max_u: pick(CondCode::kB); break;
        case ir::Rmw::swap:
        case ir::Rmw::add: KILN_UNREACHABLE();  // rows of their own
    }
    fault_point(inst);
    a.lock().cmpxchg(address(inst, w), combined, sized(rax, w));
    a.jne(again);
}

}  // namespace kiln::emit

// Encoding of floating point: the host's instructions where they agree with what machine_ops.def says, and cold paths
// for where they do not.
#include "base/check.h"
#include "base/host_fp.h"
#include "emit/encode_state.h"

namespace kiln::emit {
namespace {

constexpr u32 canonical_nan_32 = 0x7fc00000;
constexpr u64 canonical_nan_64 = 0x7ff8000000000000;
constexpr u64 box_bits = 0xffffffff00000000;

// MXCSR: Intel SDM, volume 1, 10.2.3.
constexpr u32 raised_bits = 0x3f, rounding_bits = 0x6000;
constexpr unsigned rounding_at = 13;

}  // namespace

void Encoder::State::canonical_nan(const x86::Xmm& reg, u8 width) {
    const Label cold = a.newLabel(), back = a.newLabel();
    if (features.avx)
        width == 4 ? a.vucomiss(reg, reg) : a.vucomisd(reg, reg);
    else
        width == 4 ? a.ucomiss(reg, reg) : a.ucomisd(reg, reg);
    a.jp(cold);
    a.bind(back);
    later([=, this] {
        a.bind(cold);
        width == 4 ? a.movss(reg, constant(canonical_nan_32, 4))
                   : a.movsd(reg, constant(canonical_nan_64, 8));
        a.jmp(back);
    });
}

void Encoder::State::vector_binary(const MachineInst& inst, asmjit::InstId single_id,
                                   asmjit::InstId double_id) {
    const x86::Xmm to = vec(inst.r[0]), first = vec(inst.r[1]), second = vec(inst.r[2]);
    const asmjit::InstId id = single(inst) ? single_id : double_id;
    if (features.avx) {
        a.emit(id, to, first, second);
    } else if (to == second && to != first) {
        const x86::Xmm scratch = vec(scratch_fp);
        a.movaps(scratch, first);
        a.emit(id, scratch, second);
        a.movaps(to, scratch);
    } else {
        move_vector(to, first);
        a.emit(id, to, second);
    }
}

void Encoder::State::vector_unary(const MachineInst& inst, asmjit::InstId single_id,
                                  asmjit::InstId double_id) {
    const x86::Xmm to = vec(inst.r[0]), from = vec(inst.r[1]);
    const asmjit::InstId id = single(inst) ? single_id : double_id;
    if (features.avx)
        a.emit(id, to, from, from);
    else
        a.emit(id, to, from);
}

void Encoder::State::floating(const MachineInst& inst) {
    namespace Id = x86::Inst;
    const bool avx = features.avx;
    const auto pick = [&](asmjit::InstId with_avx, asmjit::InstId without) {
        return avx ? with_avx : without;
    };
    switch (inst.op) {
        case MachineOp::fmov: return move_vector(vec(inst.r[0]), vec(inst.r[1]));
        case MachineOp::to_vector: {
            const x86::Xmm to = vec(inst.r[0]);
            if (single(inst))
                avx ? a.vmovd(to, gpd(inst.r[1])) : a.movd(to, gpd(inst.r[1]));
            else
                avx ? a.vmovq(to, gpq(inst.r[1])) : a.movq(to, gpq(inst.r[1]));
            return;
        }
        case MachineOp::from_vector: {
            const x86::Xmm from = vec(inst.r[1]);
            if (single(inst))
                avx ? a.vmovd(gpd(inst.r[0]), from) : a.movd(gpd(inst.r[0]), from);
            else
                avx ? a.vmovq(gpq(inst.r[0]), from) : a.movq(gpq(inst.r[0]), from);
            return;
        }
        case MachineOp::fadd:
            return vector_binary(inst, pick(Id::kIdVaddss, Id::kIdAddss), pick(Id::kIdVaddsd, Id::kIdAddsd));
        case MachineOp::fsub:
            return vector_binary(inst, pick(Id::kIdVsubss, Id::kIdSubss), pick(Id::kIdVsubsd, Id::kIdSubsd));
        case MachineOp::fmul:
            return vector_binary(inst, pick(Id::kIdVmulss, Id::kIdMulss), pick(Id::kIdVmulsd, Id::kIdMulsd));
        case MachineOp::fdiv:
            return vector_binary(inst, pick(Id::kIdVdivss, Id::kIdDivss), pick(Id::kIdVdivsd, Id::kIdDivsd));
        case MachineOp::fsqrt:
            return vector_unary(inst, pick(Id::kIdVsqrtss, Id::kIdSqrtss),
                                pick(Id::kIdVsqrtsd, Id::kIdSqrtsd));
        case MachineOp::fwiden:
            return vector_unary(inst, Id::kIdNone, pick(Id::kIdVcvtss2sd, Id::kIdCvtss2sd));
        case MachineOp::fnarrow:
            return vector_unary(inst, pick(Id::kIdVcvtsd2ss, Id::kIdCvtsd2ss), Id::kIdNone);
        case MachineOp::fround: {
            const x86::Xmm to = vec(inst.r[0]), from = vec(inst.r[1]);
            if (avx)
                single(inst) ? a.vroundss(to, from, from, inst.imm) : a.vroundsd(to, from, from, inst.imm);
            else
                single(inst) ? a.roundss(to, from, inst.imm) : a.roundsd(to, from, inst.imm);
            return;
        }
        case MachineOp::fma: {
            const x86::Xmm to = vec(inst.r[0]), b = vec(inst.r[2]), c = vec(inst.r[3]);
            const x86::Xmm first = vec(inst.r[1]), scratch = vec(scratch_fp);
            const bool is_single = single(inst);
            const Label cold = a.newLabel(), back = a.newLabel();
            if (to == c) {
                is_single ? a.vfmadd231ss(to, first, b) : a.vfmadd231sd(to, first, b);
            } else {
                move_vector(to, first);
                is_single ? a.vfmadd213ss(to, b, c) : a.vfmadd213sd(to, b, c);
            }
            is_single ? a.vucomiss(to, to) : a.vucomisd(to, to);
            a.jp(cold);
            a.bind(back);
            later([=, this] {
                // The host raises nothing for infinity * zero + a quiet NaN. The product alone tells; whatever
                // else it raises is taken back.
                const x86::Mem kept = x86::dword_ptr(x86::r15, mxcsr_disp),
                               seen = x86::dword_ptr(x86::r15, mxcsr_disp + 4);
                const Label valid = a.newLabel();
                a.bind(cold);
                a.vstmxcsr(kept);
                is_single ? a.vmulss(scratch, first, b) : a.vmulsd(scratch, first, b);
                a.vstmxcsr(seen);
                a.test(x86::byte_ptr(x86::r15, mxcsr_disp + 4), 1);
                a.je(valid);
                a.or_(x86::byte_ptr(x86::r15, mxcsr_disp), 1);
                a.bind(valid);
                a.vldmxcsr(kept);
                is_single ? a.movss(to, constant(canonical_nan_32, 4))
                          : a.movsd(to, constant(canonical_nan_64, 8));
                a.jmp(back);
            });
            return;
        }
        case MachineOp::canonical_nan: return canonical_nan(vec(inst.r[0]), inst.width);
        case MachineOp::fmin:
        case MachineOp::fmax: return extreme(inst);
        case MachineOp::fcmp: return compare_floats(inst);
        case MachineOp::from_int:
        case MachineOp::from_unsigned: {
            const x86::Xmm to = vec(inst.r[0]);
            const x86::Gp from = sized(inst.r[1], static_cast<u8>(inst.imm));
            // The bits above come from an operand: one that nobody waits for.
            avx ? a.vxorps(to, to, to) : a.xorps(to, to);
            if (inst.op == MachineOp::from_unsigned)
                single(inst) ? a.vcvtusi2ss(to, to, from) : a.vcvtusi2sd(to, to, from);
            else if (avx)
                single(inst) ? a.vcvtsi2ss(to, to, from) : a.vcvtsi2sd(to, to, from);
            else
                single(inst) ? a.cvtsi2ss(to, from) : a.cvtsi2sd(to, from);
            return;
        }
        case MachineOp::to_int:
        case MachineOp::to_unsigned: return to_integer(inst);
        case MachineOp::box: {
            const x86::Xmm to = vec(inst.r[0]), from = vec(inst.r[1]);
            if (avx) {
                a.vorps(to, from, constant(box_bits, 16));
            } else {
                move_vector(to, from);
                a.orps(to, constant(box_bits, 16));
            }
            return;
        }
        case MachineOp::unbox: {
            const x86::Xmm reg = vec(inst.r[0]);
            const Label cold = a.newLabel(), back = a.newLabel();
            avx ? a.vmovq(gpq(inst.r[1]), reg) : a.movq(gpq(inst.r[1]), reg);
            a.shr(gpq(inst.r[1]), 32);
            a.cmp(gpd(inst.r[1]), -1);
            a.jne(cold);
            a.bind(back);
            later([=, this] {
                a.bind(cold);
                a.movss(reg, constant(canonical_nan_32, 4));
                a.jmp(back);
            });
            return;
        }
        case MachineOp::read_mxcsr: {
            const x86::Mem kept = x86::dword_ptr(x86::r15, mxcsr_disp);
            avx ? a.vstmxcsr(kept) : a.stmxcsr(kept);
            a.mov(gpd(inst.r[0]), kept);
            return;
        }
        case MachineOp::clear_mxcsr: return change_mxcsr(~raised_bits, {}, 0);
        case MachineOp::set_rounding:
            return change_mxcsr(~rounding_bits, {}, static_cast<u32>(inst.imm) << rounding_at);
        case MachineOp::restore_rounding:
            a.mov(gpd(inst.r[0]), x86::dword_ptr(x86::r15, rounding_disp + 8));
            return change_mxcsr(~rounding_bits, gpd(inst.r[0]), 0);
        case MachineOp::clmul: {
            const x86::Xmm to = vec(inst.r[0]);
            move_vector(to, vec(inst.r[1]));
            a.pclmulqdq(to, vec(inst.r[2]), 0);
            if (inst.imm != 0) a.psrldq(to, 8);
            return;
        }
        case MachineOp::aes: return aes(inst);
        default: KILN_UNREACHABLE();
    }
}

/// MXCSR = MXCSR & keep | set | set_bits.
void Encoder::State::change_mxcsr(u32 keep, std::optional<x86::Gp> set, u32 set_bits) {
    const x86::Mem value = x86::dword_ptr(x86::r15, mxcsr_disp);
    features.avx ? a.vstmxcsr(value) : a.stmxcsr(value);
    a.and_(value, static_cast<i32>(keep));
    if (set) a.or_(value, *set);
    if (set_bits != 0) a.or_(value, set_bits);
    features.avx ? a.vldmxcsr(value) : a.ldmxcsr(value);
}

/// At the unit's entry, where temporaries are free: MXCSR rounds as the guest's mode, at `mode_disp`, says.
void Encoder::State::guard_rounding(i32 mode_disp) {
    const Label differs = a.newLabel(), back = a.newLabel();
    const x86::Mem in_force = x86::qword_ptr(x86::r15, rounding_disp);
    a.mov(x86::rax, x86::qword_ptr(x86::r15, mode_disp));
    a.cmp(x86::rax, in_force);
    a.jne(differs);
    a.bind(back);
    later([=, this] {
        const Label unknown = a.newLabel();
        a.bind(differs);
        a.cmp(x86::rax, static_cast<u32>(ir::Rounding::rup));
        a.ja(unknown);
        a.mov(in_force, x86::rax);
        // MXCSR's numbers of the directions, two bits each, by the guest's: rne 0, rtz 3, rdn 1, rup 2.
        constexpr u32 directions = 0 | 3 << 2 | 1 << 4 | 2 << 6;
        a.lea(x86::ecx, x86::ptr(x86::rax, x86::rax));
        a.mov(x86::edx, directions);
        a.shr(x86::edx, x86::cl);
        a.and_(x86::edx, 3);
        a.shl(x86::edx, rounding_at);
        a.mov(x86::dword_ptr(x86::r15, rounding_disp + 8), x86::edx);
        change_mxcsr(~rounding_bits, x86::edx, 0);
        a.jmp(back);
        a.bind(unknown);
        a.mov(x86::rax, f->entry.raw);
        leave(abi::ExitReason::tier_down);
    });
}

/// A host's round ends with the addition of a key, here 0.
void Encoder::State::aes(const MachineInst& inst) {
    const x86::Xmm block = vec(inst.r[0]), no_key = vec(scratch_fp);
    const auto step = AesStep(inst.imm);
    move_vector(block, vec(inst.r[1]));
    a.punpcklqdq(block, vec(inst.r[2]));
    if (step == AesStep::inverse_mix) {
        a.aesimc(block, block);
        return;
    }
    a.pxor(no_key, no_key);
    switch (step) {
        case AesStep::round: a.aesenc(block, no_key); return;
        case AesStep::last_round: a.aesenclast(block, no_key); return;
        case AesStep::inverse_round: a.aesdec(block, no_key); return;
        case AesStep::inverse_last_round: a.aesdeclast(block, no_key); return;
        case AesStep::inverse_mix: break;
    }
    KILN_UNREACHABLE();
}

/// The host's minimum and maximum are right for numbers that differ; equal ones differ in sign if they are zeros.
void Encoder::State::extreme(const MachineInst& inst) {
    const bool is_min = inst.op == MachineOp::fmin, is_single = single(inst);
    const bool number_wins = ir::MinMax(inst.imm) == ir::MinMax::number;
    const x86::Xmm to = vec(inst.r[0]), first = vec(inst.r[1]), second = vec(inst.r[2]);
    const auto compare = [=, this](const x86::Xmm& x, const x86::Xmm& y) {
        is_single ? a.ucomiss(x, y) : a.ucomisd(x, y);
    };
    const Label unordered = a.newLabel(), equal = a.newLabel(), done = a.newLabel();
    a.movaps(to, first);
    compare(first, second);
    a.jp(unordered);
    a.je(equal);
    if (is_min)
        is_single ? a.minss(to, second) : a.minsd(to, second);
    else
        is_single ? a.maxss(to, second) : a.maxsd(to, second);
    a.bind(done);
    later([=, this] {
        a.bind(equal);
        is_min ? a.orps(to, second) : a.andps(to, second);
        a.jmp(done);
        a.bind(unordered);
        if (number_wins) {
            compare(first, first);
            a.jnp(done);
            a.movaps(to, second);
            compare(second, second);
            a.jnp(done);
        }
        is_single ? a.movss(to, constant(canonical_nan_32, 4)) : a.movsd(to, constant(canonical_nan_64, 8));
        a.jmp(done);
    });
}

void Encoder::State::compare_floats(const MachineInst& inst) {
    const x86::Xmm first = vec(inst.r[1]), second = vec(inst.r[2]);
    const x86::Gp to = gpd(inst.r[0]);
    const auto quiet = [&](const x86::Xmm& x, const x86::Xmm& y) {
        single(inst) ? a.ucomiss(x, y) : a.ucomisd(x, y);
    };
    const auto signaling = [&](const x86::Xmm& x, const x86::Xmm& y) {
        single(inst) ? a.comiss(x, y) : a.comisd(x, y);
    };
    // Unordered sets the zero, parity and carry flags: "above" of the swapped operands is then false.
    CondCode holds = CondCode::kA;
    switch (ir::FpCond(inst.imm)) {
        case ir::FpCond::eq: {
            const Label done = a.newLabel();
            a.mov(to, 0);
            quiet(first, second);
            a.jp(done);
            a.sete(sized(inst.r[0], 1));
            a.bind(done);
            return;
        }
        case ir::FpCond::lt: signaling(second, first); break;
        case ir::FpCond::le: signaling(second, first), holds = CondCode::kAE; break;
        case ir::FpCond::lt_quiet: quiet(second, first); break;
        case ir::FpCond::le_quiet: quiet(second, first), holds = CondCode::kAE; break;
    }
    a.set(holds, sized(inst.r[0], 1));
    a.movzx(to, sized(inst.r[0], 1));
}

/// The host gives one value for everything that does not fit, and raises what is right.
void Encoder::State::to_integer(const MachineInst& inst) {
    const u8 bytes = inst.imm & 15;
    const bool truncates = (inst.imm & 16) != 0, is_single = single(inst);
    const bool is_signed = inst.op == MachineOp::to_int;
    const x86::Gp to = sized(inst.r[0], bytes);
    const x86::Xmm from = vec(inst.r[1]), zero = vec(scratch_fp);
    const Label clip = a.newLabel(), done = a.newLabel();
    if (is_signed) {
        if (truncates)
            is_single ? a.cvttss2si(to, from) : a.cvttsd2si(to, from);
        else
            is_single ? a.cvtss2si(to, from) : a.cvtsd2si(to, from);
        a.cmp(to, 1);  // overflows for the least integer alone
        a.jo(clip);
    } else {
        if (truncates)
            is_single ? a.vcvttss2usi(to, from) : a.vcvttsd2usi(to, from);
        else
            is_single ? a.vcvtss2usi(to, from) : a.vcvtsd2usi(to, from);
        a.cmp(to, -1);
        a.je(clip);
    }
    a.bind(done);
    later([=, this] {
        a.bind(clip);
        a.xorps(zero, zero);
        is_single ? a.ucomiss(from, zero) : a.ucomisd(from, zero);
        if (is_signed) {  // the least integer is right for what is below it
            const Label most = a.newLabel();
            a.jp(most);
            a.jb(done);
            a.bind(most);
            a.mov(to, bytes == 8 ? 0x7fffffffffffffff : 0x7fffffff);
        } else {  // all ones are right for what is above them
            a.jp(done);
            a.jae(done);
            a.xor_(to.r32(), to.r32());
        }
        a.jmp(done);
    });
}

}  // namespace kiln::emit

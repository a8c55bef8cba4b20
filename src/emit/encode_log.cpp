// Units that keep an access log (abi/access_log.h): what is encoded around each access of guest memory and each call of
// a helper. It changes no register and no flag, so selection and allocation are those of any other unit.
#include <algorithm>
#include <cstddef>

#include "abi/access_log.h"
#include "abi/helpers.h"
#include "base/check.h"
#include "emit/encode_state.h"

namespace kiln::emit {
namespace {

using abi::Access;
using abi::AccessKind;

constexpr i32 log_disp = i32{abi::access_log_word} - context_bias;
static_assert(log_disp >= temporaries_disp + 32 && log_disp < spills_disp);
static_assert(offsetof(Access, bytes) == offsetof(Access, kind) + 1 && sizeof(Access) == 40);

/// A general register that the instruction has nothing to do with, and another one.
std::pair<x86::Gp, x86::Gp> bystanders(const MachineInst& inst) {
    x86::Gp found[2];
    unsigned count = 0;
    for (Reg r : {rax, rcx, rdx, rbx, rsi, rdi, r8, r9, r10}) {
        const bool used =
            std::ranges::find(inst.r, r) != std::end(inst.r) || inst.mem.base == r || inst.mem.index == r;
        if (!used && count < 2) found[count++] = gpq(r);
    }
    KILN_CHECK(count == 2);
    return {found[0], found[1]};
}

AccessKind kind_of(const MachineInst& inst) {
    switch (inst.op) {
        case MachineOp::store:
        case MachineOp::store_imm:
        case MachineOp::fstore: return AccessKind::store;
        case MachineOp::lock_xadd: return abi::kind_of(ir::Rmw::add);
        case MachineOp::xchg: return abi::kind_of(ir::Rmw::swap);
        case MachineOp::rmw: return abi::kind_of(ir::Rmw(inst.imm));
        case MachineOp::cmpxchg: return AccessKind::cas;
        case MachineOp::load:
        case MachineOp::load_signed:
        case MachineOp::fload: return AccessKind::load;
        default: KILN_UNREACHABLE();
    }
}

/// Where what was read is afterwards.
Reg loaded_into(const MachineInst& inst) {
    switch (inst.op) {
        case MachineOp::rmw:
        case MachineOp::cmpxchg: return inst.r[1];
        case MachineOp::store:
        case MachineOp::store_imm:
        case MachineOp::fstore: return Reg::none;
        default: return inst.r[0];
    }
}

}  // namespace

void Encoder::State::logged(const MachineInst& inst) {
    if (inst.op == MachineOp::call_helper) {
        instruction(inst);
        if (abi::is_logged(abi::helper_signatures[inst.imm])) log_result(inst);
        return;
    }
    if (inst.mem.memory != Memory::guest || inst.op == MachineOp::lea) return instruction(inst);
    log_access(inst);
    instruction(inst);
    if (const Reg loaded = loaded_into(inst); loaded != Reg::none) log_loaded(inst, loaded);
}

void Encoder::State::log_access(const MachineInst& inst) {
    const auto [log, free] = bystanders(inst);
    const AccessKind kind = kind_of(inst);
    a.push(log);
    a.push(free);
    a.mov(log, x86::qword_ptr(x86::r15, log_disp));
    const auto field = [&, to = log](std::size_t offset) {
        return x86::qword_ptr(to, static_cast<i32>(offset));
    };
    x86::Mem place = address(inst, 8);
    place.resetSegment();
    a.lea(free, place);
    a.mov(field(offsetof(Access, address)), free);
    a.mov(x86::word_ptr(log, offsetof(Access, kind)), static_cast<u8>(kind) | inst.width << 8);
    if (inst.op == MachineOp::store_imm) {
        a.mov(field(offsetof(Access, stored)), inst.imm);
    } else if (kind != AccessKind::load) {
        if (is_vector(inst.r[0]))
            a.movq(field(offsetof(Access, stored)), vec(inst.r[0]));
        else
            a.mov(field(offsetof(Access, stored)), gpq(inst.r[0]));
    }
    if (kind == AccessKind::cas) a.mov(field(offsetof(Access, expected)), gpq(inst.r[1]));
    a.lea(log, x86::ptr(log, sizeof(Access)));
    a.mov(x86::qword_ptr(x86::r15, log_disp), log);
    a.pop(free);
    a.pop(log);
}

void Encoder::State::log_loaded(const MachineInst& inst, Reg loaded) {
    const x86::Gp log = bystanders(inst).first;
    a.push(log);
    a.mov(log, x86::qword_ptr(x86::r15, log_disp));
    const x86::Mem field =
        x86::qword_ptr(log, static_cast<i32>(offsetof(Access, loaded)) - static_cast<i32>(sizeof(Access)));
    if (is_vector(loaded))
        a.movq(field, vec(loaded));
    else
        a.mov(field, gpq(loaded));
    a.pop(log);
}

void Encoder::State::log_result(const MachineInst& inst) {
    // No temporary survives a call.
    const x86::Gp log = x86::rcx, value = x86::rax;
    a.mov(log, x86::qword_ptr(x86::r15, log_disp));
    a.mov(value, x86::qword_ptr(x86::r15, call_result_disp));
    a.mov(x86::qword_ptr(log, offsetof(Access, loaded)), value);
    a.mov(x86::qword_ptr(log, offsetof(Access, address)), static_cast<u32>(inst.imm));
    a.mov(x86::word_ptr(log, offsetof(Access, kind)), static_cast<u8>(AccessKind::result) | 8 << 8);
    a.lea(log, x86::ptr(log, sizeof(Access)));
    a.mov(x86::qword_ptr(x86::r15, log_disp), log);
}

}  // namespace kiln::emit

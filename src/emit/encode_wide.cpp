// Encoding of accesses of 16 bytes.
#include "base/check.h"
#include "emit/encode_state.h"

namespace kiln::emit {

void Encoder::State::wide(const MachineInst& inst) {
    const x86::Mem mem = address(inst, 16);
    const x86::Xmm scratch = vec(scratch_fp);
    switch (inst.op) {
        case MachineOp::load_wide:
            fault_point(inst);
            a.movups(scratch, mem);
            a.movq(gpq(inst.r[0]), scratch);
            a.psrldq(scratch, 8);
            a.movq(gpq(inst.r[1]), scratch);
            return;
        case MachineOp::store_wide:
            a.movq(scratch, gpq(inst.r[0]));
            a.movq(vec(inst.r[2]), gpq(inst.r[1]));
            a.punpcklqdq(scratch, vec(inst.r[2]));
            fault_point(inst);
            a.movups(mem, scratch);
            return;
        case MachineOp::cmpxchg_wide: {
            const auto word = [&](i32 number) {
                return x86::qword_ptr(x86::r15, static_cast<i32>(inst.imm) + 8 * number);
            };
            a.mov(word(4), x86::rbx);
            a.mov(x86::rax, word(0));
            a.mov(x86::rdx, word(1));
            a.mov(x86::rbx, word(2));
            a.mov(x86::rcx, word(3));
            fault_point(inst);
            a.lock().cmpxchg16b(mem, x86::rdx, x86::rax, x86::rcx, x86::rbx);
            a.mov(x86::rbx, word(4));
            return;
        }
        default: KILN_UNREACHABLE();
    }
}

}  // namespace kiln::emit

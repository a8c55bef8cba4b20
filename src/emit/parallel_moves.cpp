#include "emit/parallel_moves.h"

#include <algorithm>

#include "base/check.h"

namespace kiln::emit {
namespace {

using Kind = Location::Kind;

void append(std::vector<MachineInst>& code, MachineOp op, Reg r0, Reg r1 = Reg::none) {
    MachineInst& inst = code.emplace_back(MachineInst{.op = op});
    inst.r[0] = r0;
    inst.r[1] = r1;
}

void append_mem(std::vector<MachineInst>& code, MachineOp op, Reg r0, i32 disp) {
    append(code, op, r0);
    code.back().mem = {.base = context_register, .disp = disp};
}

void store_constant(std::vector<MachineInst>& code, i32 disp, u64 constant) {
    const auto half = [&](i32 at, u32 bits) {
        append_mem(code, MachineOp::store_imm, Reg::none, at);
        code.back().width = 4;
        code.back().imm = static_cast<i32>(bits);
    };
    if (static_cast<i64>(constant) == static_cast<i32>(constant)) {
        append_mem(code, MachineOp::store_imm, Reg::none, disp);
        code.back().imm = static_cast<i64>(constant);
        return;
    }
    half(disp, static_cast<u32>(constant));
    half(disp + 4, static_cast<u32>(constant >> 32));
}

void to_memory(std::vector<MachineInst>& code, i32 disp, const Location& from) {
    switch (from.kind) {
        case Kind::constant: return store_constant(code, disp, from.constant);
        case Kind::reg:
            return append_mem(code, is_vector(from.reg) ? MachineOp::fstore : MachineOp::store, from.reg,
                              disp);
        case Kind::memory:
            append_mem(code, MachineOp::fload, scratch_fp, from.disp);
            return append_mem(code, MachineOp::fstore, scratch_fp, disp);
    }
}

void move(std::vector<MachineInst>& code, const Location& to, const Location& from, i32 spare) {
    if (to.kind == Kind::memory) return to_memory(code, to.disp, from);
    const bool fp = is_vector(to.reg);
    switch (from.kind) {
        case Kind::memory:
            return append_mem(code, fp ? MachineOp::fload : MachineOp::load, to.reg, from.disp);
        case Kind::reg:
            if (fp == is_vector(from.reg))
                return append(code, fp ? MachineOp::fmov : MachineOp::mov, to.reg, from.reg);
            return append(code, fp ? MachineOp::to_vector : MachineOp::from_vector, to.reg, from.reg);
        case Kind::constant:
            if (fp) {
                store_constant(code, spare, from.constant);
                return append_mem(code, MachineOp::fload, to.reg, spare);
            }
            append(code, MachineOp::mov_imm, to.reg);
            code.back().imm = static_cast<i64>(from.constant);
    }
}

}  // namespace

void ParallelMoves::emit(std::vector<MachineInst>& code, i32 spare) {
    while (!moves_.empty()) {
        const auto is_source = [&](const Location& place) {
            return std::ranges::any_of(moves_, [&](const Move& m) { return m.from == place; });
        };
        const auto ready = std::ranges::find_if(moves_, [&](const Move& m) { return !is_source(m.to); });
        if (ready != moves_.end()) {
            // A constant for a vector register goes through the spare word: when no cycle's value is there.
            const bool waits = is_source(Location::at(spare)) && ready->from.kind == Kind::constant &&
                               ready->to.kind == Kind::reg && is_vector(ready->to.reg);
            const Move next = *ready;
            moves_.erase(ready);
            if (waits)
                moves_.push_back(next);
            else
                move(code, next.to, next.from, spare);
            continue;
        }
        // All destinations are sources of others: one of the cycles is cut. Those cut before have been worked off.
        const Location cut = moves_.front().to;
        KILN_CHECK(!is_source(Location::at(spare)));
        to_memory(code, spare, cut);
        for (Move& m : moves_)
            if (m.from == cut) m.from = Location::at(spare);
    }
}

}  // namespace kiln::emit

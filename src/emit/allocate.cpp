#include "emit/allocate.h"

#include <algorithm>

#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {
namespace {

constexpr u32 bit(Reg reg) { return u32{1} << number(reg); }

constexpr u32 temporaries = [] {
    u32 set = 0;
    for (Reg r : temporaries_integer) set |= bit(r);
    for (Reg r : temporaries_fp) set |= bit(r);
    return set;
}();

bool is_temporary(Reg reg) { return is_physical(reg) && (temporaries & bit(reg)) != 0; }

/// Virtual registers and temporaries that selection names are allocated; pinned registers are where they are.
bool is_allocated(Reg reg) { return reg != Reg::none && (!is_physical(reg) || is_temporary(reg)); }

}  // namespace

Result<void> Allocator::allocate(MachineFunction& f) {
    f_ = &f;
    failure_ = nullptr;
    places_.assign(f.values.size(), Place{});
    holder_.fill(Reg::none);
    in_slots_.clear();
    carried_.assign(f.predecessors.size(), {});
    out_.clear();
    spills_ = 0;
    find_uses(f);
    for (position_ = 0; position_ < f.code.size(); ++position_) {
        step(f.code[position_], next_[position_]);
        if (failure_ != nullptr) return fail(failure_);
    }
    f.code.swap(out_);
    return {};
}

void Allocator::find_uses(const MachineFunction& f) {
    next_.resize(f.code.size());
    upcoming_.assign(physical_registers + f.values.size(), never);
    for (u32 i = static_cast<u32>(f.code.size()); i-- > 0;) {
        const MachineInst& inst = f.code[i];
        const std::string_view roles = info(inst.op).roles;
        const Reg regs[6] = {inst.r[0], inst.r[1], inst.r[2], inst.r[3], inst.mem.base, inst.mem.index};
        for (unsigned k = 0; k < 6; ++k)
            next_[i][k] = regs[k] == Reg::none ? never : upcoming_[number(regs[k])];
        for (unsigned k = 0; k < 6; ++k) {
            if (regs[k] == Reg::none) continue;
            const bool only_written = k < 4 && (roles[k] == 'd' || roles[k] == 'e');
            upcoming_[number(regs[k])] = only_written ? never : i;
        }
        for (unsigned k = 0; k < 6; ++k)  // an operand may be read and written by one instruction
            if (regs[k] != Reg::none && !(k < 4 && (roles[k] == 'd' || roles[k] == 'e')))
                upcoming_[number(regs[k])] = i;
    }
}

void Allocator::step(MachineInst original, const NextUses& next) {
    use_from_memory(original, next);
    MachineInst inst = original;
    locked_ = 0;
    switch (inst.op) {
        case MachineOp::label:
            begin_block(inst.target);
            out_.push_back(inst);
            return;
        case MachineOp::jump:
        case MachineOp::jump_if: leave_to(inst.target); break;
        case MachineOp::set_param: {
            const Reg param = Reg(inst.imm);
            Place& p = at(param);
            if (p.spill == 0) p.spill = spills_disp + 8 * static_cast<i32>(spills_++);
            const Reg from = is_allocated(inst.r[0]) && !is_physical(inst.r[0]) ? load(inst.r[0]) : inst.r[0];
            emit(is_fp(param) ? MachineOp::fstore : MachineOp::store, from).mem = {.base = context_register,
                                                                                   .disp = p.spill};
            p.spilled = p.defined = true;
            p.next = upcoming_[number(param)];
            if (is_allocated(inst.r[0])) free_if_dead(inst.r[0], next[0]);
            return;
        }
        case MachineOp::call_helper:
            for (Reg r : temporaries_integer) evict(r);
            for (Reg r : temporaries_fp) evict(r);
            break;
        case MachineOp::mov:
        case MachineOp::fmov:
            if (inst.r[0] == inst.r[1] || hand_on(inst, next)) return;
            break;
        default: break;
    }

    const std::string_view roles = info(inst.op).roles;
    Reg* const regs[6] = {&inst.r[0], &inst.r[1], &inst.r[2], &inst.r[3], &inst.mem.base, &inst.mem.index};
    const auto reads = [&](unsigned k) { return k >= 4 || roles[k] == 'u' || roles[k] == 'x'; };
    // Temporaries named by selection that are about to be written must be free first.
    for (unsigned k = 0; k < roles.size(); ++k)
        if (is_temporary(*regs[k])) {
            if (!reads(k)) claim(*regs[k]);
            locked_ |= bit(*regs[k]);
        }
    for (unsigned k = 0; k < 6; ++k)
        if (is_allocated(*regs[k]) && !is_physical(*regs[k]) && reads(k) && at(*regs[k]).reg != Reg::none)
            locked_ |= bit(at(*regs[k]).reg);
    const auto early = [&](char role) {
        for (unsigned k = 0; k < roles.size(); ++k)
            if (roles[k] == role && !is_physical(*regs[k])) *regs[k] = define(*regs[k]);
    };
    for (unsigned k = 0; k < 6; ++k)
        if (is_allocated(*regs[k]) && !is_physical(*regs[k]) && reads(k)) *regs[k] = load(*regs[k]);
    early('e');
    const Reg before[6] = {original.r[0], original.r[1],     original.r[2],
                           original.r[3], original.mem.base, original.mem.index};
    for (unsigned k = 0; k < 6; ++k) {
        if (!is_allocated(before[k]) || !reads(k)) continue;
        if (k < 4 && roles[k] == 'x') {
            if (!is_physical(before[k])) at(before[k]).spilled = at(before[k]).in_slot = false;
            continue;
        }
        bool also_written = false;
        for (unsigned m = 0; m < roles.size(); ++m) also_written |= roles[m] == 'x' && before[m] == before[k];
        if (!also_written) free_if_dead(before[k], next[k]);
    }
    early('d');
    for (unsigned k = 0; k < roles.size(); ++k) {
        if (roles[k] == 'u' || !is_allocated(before[k])) continue;
        if (is_temporary(before[k])) holder_[number(before[k])] = before[k];
        free_if_dead(before[k], next[k]);
    }
    out_.push_back(inst);
    if (inst.op == MachineOp::store || inst.op == MachineOp::store_imm || inst.op == MachineOp::fstore)
        if (inst.mem.memory == Memory::engine && inst.mem.base == context_register) {
            // Who relied on what was there had to be read before the store.
            const MachineInst stored = out_.back();
            out_.pop_back();
            memory_written(stored.mem.disp);
            out_.push_back(stored);
        }
    // A value just loaded from a slot's memory, or put there, is there, too.
    const bool moves = inst.op == MachineOp::load || inst.op == MachineOp::fload ||
                       inst.op == MachineOp::store || inst.op == MachineOp::fstore;
    if (moves && !is_physical(before[0]) && inst.mem.memory == Memory::engine &&
        (*f_)[before[0]].slot_home == inst.mem.disp && inst.mem.disp != 0 && at(before[0]).defined) {
        at(before[0]).in_slot = true;
        in_slots_.push_back(before[0]);
    }
}

void Allocator::use_from_memory(MachineInst& inst, const NextUses& next) {
    const Reg value = inst.r[1];
    if (next[1] != never || !is_allocated(value) || is_physical(value) || inst.r[0] == value) return;
    const Place& p = at(value);
    if (p.reg != Reg::none || !p.saved()) return;
    const auto op = with_second_in_memory(inst.op);
    if (!op) return;
    inst.op = *op;
    inst.r[1] = Reg::none;
    inst.mem = saved_at(value);
    free_if_dead(value, never);
}

bool Allocator::hand_on(const MachineInst& inst, const NextUses& next) {
    const Reg to = inst.r[0], from = inst.r[1];
    if (next[1] != never || !is_allocated(to) || !is_allocated(from)) return false;
    const Reg reg = is_physical(from) ? from : at(from).reg;
    if (reg == Reg::none || (is_physical(to) && to != reg)) return false;
    if (!is_physical(from)) free_if_dead(from, never);
    holder_[number(reg)] = to;
    if (!is_physical(to)) {
        Place& p = at(to);
        p.reg = reg;
        p.defined = true;
        p.spilled = p.in_slot = false;
    }
    free_if_dead(to, next[0]);
    return true;
}

// ---- Blocks ----

void Allocator::begin_block(u32 block) {
    const MachineOp before = out_.empty() ? MachineOp::label : out_.back().op;
    const bool falls_in =
        before != MachineOp::jump && before != MachineOp::exit_direct && before != MachineOp::exit_indirect;
    const bool ways_meet = f_->predecessors[block] > 1;
    if (falls_in) {
        if (ways_meet) flush();
        return;
    }
    holder_.fill(Reg::none);
    for (Place& p : places_) {
        p.reg = Reg::none;
        // Where ways meet, each has spilled what is still needed, and what more has a spill word is not.
        p.defined = p.spilled = ways_meet && p.spill != 0;
        p.in_slot = false;
    }
    if (ways_meet) return;
    // The one way here has noted how things stood.
    for (const Carried& c : carried_[block]) {
        Place& p = at(c.value);
        p.reg = c.reg;
        p.spilled = c.spilled;
        p.in_slot = c.in_slot;
        p.defined = true;
        if (c.in_slot) in_slots_.push_back(c.value);
        if (c.reg != Reg::none) holder_[number(c.reg)] = c.value;
    }
}

void Allocator::leave_to(u32 block) {
    if (f_->predecessors[block] > 1) {
        flush();
        return;
    }
    std::vector<Carried>& carried = carried_[block];
    carried.clear();
    for (u32 i = 0; i < places_.size(); ++i) {
        const Place& p = places_[i];
        if (!p.defined || p.next == never) continue;
        carried.push_back({Reg(physical_registers + i), p.reg, p.spilled, p.in_slot});
    }
}

void Allocator::flush() {
    for (u32 i = 0; i < places_.size(); ++i) {
        Place& p = places_[i];
        if (!p.defined || p.next == never) continue;
        const Reg value = Reg(physical_registers + i);
        if (!p.spilled) {
            if (p.reg == Reg::none) load(value);
            spill(value);
        }
        p.in_slot = false;
        if (p.reg != Reg::none) release(p.reg);
        p.reg = Reg::none;
    }
}

// ---- Values ----

MachineInst& Allocator::emit(MachineOp op, Reg r0, Reg r1) {
    MachineInst& inst = out_.emplace_back(MachineInst{.op = op});
    inst.r[0] = r0;
    inst.r[1] = r1;
    return inst;
}

Address Allocator::saved_at(Reg value) {
    const Place& p = at(value);
    return {.base = context_register, .disp = p.in_slot ? (*f_)[value].slot_home : p.spill};
}

Reg Allocator::load(Reg value) {
    Place& p = at(value);
    if (p.reg == Reg::none) {
        KILN_CHECK(p.defined && p.saved());
        p.reg = take(is_fp(value));
        holder_[number(p.reg)] = value;
        emit(is_fp(value) ? MachineOp::fload : MachineOp::load, p.reg).mem = saved_at(value);
    }
    locked_ |= bit(p.reg);
    return p.reg;
}

Reg Allocator::define(Reg value) {
    Place& p = at(value);
    if (p.reg == Reg::none) {
        p.reg = take(is_fp(value));
        holder_[number(p.reg)] = value;
    }
    p.defined = true;
    p.spilled = p.in_slot = false;
    locked_ |= bit(p.reg);
    return p.reg;
}

Reg Allocator::take(bool fp) {
    Reg furthest = Reg::none;
    u32 distance = 0;
    const auto look = [&](const auto& registers) -> Reg {
        for (Reg r : registers) {
            if (locked_ & bit(r)) continue;
            const Reg holder = holder_[number(r)];
            if (holder == Reg::none) return r;
            if (is_physical(holder)) continue;  // selection is using it by name
            const u32 next = at(holder).next;
            // Given up for free when it is saved already.
            const u32 score = next == never ? never : next + (at(holder).saved() ? 4 : 0);
            if (furthest == Reg::none || score > distance) {
                furthest = r;
                distance = score;
            }
        }
        return Reg::none;
    };
    const Reg free = fp ? look(temporaries_fp) : look(temporaries_integer);
    if (free != Reg::none) return free;
    if (furthest == Reg::none) {
        failure_ = "an operation needs more registers than there are";
        return fp ? temporaries_fp[0] : temporaries_integer[0];
    }
    evict(furthest);
    return furthest;
}

void Allocator::evict(Reg reg) {
    const Reg holder = holder_[number(reg)];
    if (holder == Reg::none || is_physical(holder)) return;
    Place& p = at(holder);
    if (p.next != never && !p.saved()) spill(holder);
    p.reg = Reg::none;
    release(reg);
}

/// Empties a temporary that selection names; what was there moves if there is room.
void Allocator::claim(Reg physical) {
    const Reg holder = holder_[number(physical)];
    if (holder != Reg::none && !is_physical(holder)) {
        Place& p = at(holder);
        locked_ |= bit(physical);
        Reg other = Reg::none;
        if (p.next != never) {
            const bool fp = number(physical) >= 16;
            const auto look = [&](const auto& registers) {
                for (Reg r : registers)
                    if (!(locked_ & bit(r)) && holder_[number(r)] == Reg::none) other = r;
            };
            fp ? look(temporaries_fp) : look(temporaries_integer);
        }
        if (other != Reg::none) {
            emit(number(physical) >= 16 ? MachineOp::fmov : MachineOp::mov, other, physical);
            p.reg = other;
            holder_[number(other)] = holder;
            release(physical);
        } else {
            evict(physical);
        }
    }
    holder_[number(physical)] = physical;
}

void Allocator::spill(Reg value) {
    Place& p = at(value);
    if (p.spill == 0) {
        if (spills_ == spill_words) {
            failure_ = "the unit needs more spill words than a context has";
            return;
        }
        p.spill = spills_disp + 8 * static_cast<i32>(spills_++);
    }
    emit(is_fp(value) ? MachineOp::fstore : MachineOp::store, p.reg).mem = {.base = context_register,
                                                                            .disp = p.spill};
    p.spilled = true;
}

void Allocator::memory_written(i32 disp) {
    std::erase_if(in_slots_, [&](Reg value) {
        Place& p = at(value);
        if (!p.in_slot || p.next == never) return true;
        if ((*f_)[value].slot_home != disp) return false;
        if (p.reg == Reg::none && !p.spilled) load(value);
        p.in_slot = false;
        return true;
    });
}

void Allocator::free_if_dead(Reg reg, u32 next) {
    if (is_physical(reg)) {
        if (next == never) release(reg);
        return;
    }
    Place& p = at(reg);
    p.next = next;
    if (next != never) return;
    if (p.reg != Reg::none) release(p.reg);
    p.reg = Reg::none;
    p.defined = false;
}

}  // namespace kiln::emit

// The second half of flattening: the cells of each operation. flatten.h is the map of both halves.
#include <algorithm>

#include "abi/helpers.h"
#include "base/bits.h"
#include "base/check.h"
#include "interp/flatten.h"
#include "interp/handlers.h"

namespace kiln::interp {

using ir::Inst;
using ir::Op;
using ir::Type;
using ir::ValueId;

namespace {

bool is_narrow_float(Type t) { return t == Type::f16 || t == Type::f32; }

}  // namespace

void Flattener::unsupported(const char* what) {
    if (failure_ == nullptr) failure_ = what;
}

Code& Flattener::emit(Handler handler, u16 dst, u16 a, u16 b, u16 c, u64 imm) {
    if (handler == nullptr) unsupported("the interpreter has no handler for an operation on this type");
    return cells_.emplace_back(Code{handler, dst, a, b, c, imm, 0});
}

Code& Flattener::emit_faulting(const Inst& inst, Handler handler, u16 dst, u16 a, u16 b, u16 c, u64 imm) {
    const std::size_t number = site(inst);
    faulting_cells_.push_back(static_cast<u32>(cells_.size()));
    Code& cell = emit(handler, dst, a, b, c, imm);
    cell.imm2 = number;
    return cell;
}

std::size_t Flattener::site(const Inst& inst) {
    FaultSite s{};
    s.pc = (*f_)[inst.origin].raw;
    s.moves = reinterpret_cast<const FrameMove*>(moves_.size());
    s.pc_slot = pc_word_;
    s.retired = static_cast<u16>(retired(inst) - 1);
    if (inst.op == Op::guard) s.side_exit = inst.imm;
    for (const ir::FrameEntry& entry : f_->frame(inst.frame)) {
        FrameMove move{};
        move.slot = slot_word(entry.slot);
        move.is_constant = is_constant(entry.value);
        if (move.is_constant)
            move.constant = constant(entry.value);
        else
            move.from = frame_operand(entry.value);
        for (unsigned words = words_of(entry.value); words > 0; --words, ++move.slot, ++move.from) {
            moves_.push_back(move);
            ++s.move_count;
        }
    }
    sites_.push_back(s);
    return sites_.size() - 1;
}

u16 Flattener::frame_operand(ValueId value) {
    const Type type = f_->result_type(value);
    const u16 from = clean_operand(value);
    if (!is_narrow_float(type)) return from;
    const u16 word = borrow();
    emit(binary_handler(Op::and_, Type::i64, Form::constant, Extend::zero), word, from, 0, 0,
         ir::type_mask(type));
    return word;
}

u16 Flattener::clean_operand(ValueId value) {
    const Value& v = at(value);
    if (v.place == Place::constant || v.clean) return operand(value);
    const Type type = f_->result_type(value);
    const u16 from = operand(value), word = borrow();
    if (is_narrow_float(type))
        emit(rebox_handler(type), word, from);
    else
        emit(binary_handler(Op::and_, Type::i64, Form::constant, Extend::zero), word, from, 0, 0,
             ir::type_mask(type));
    return word;
}

u16 Flattener::retired(const Inst& inst) {
    return inst.origin == ir::OriginId::none ? 0 : static_cast<u16>(ir::index(inst.origin) + 1);
}

void Flattener::instruction(ValueId id) {
    const Inst& inst = (*f_)[id];
    switch (inst.op) {
        case Op::param: break;
        case Op::iconst: set_constant(id, inst.imm); break;
        case Op::get_state: {
            const u16 slot = slot_word(inst.slot);
            if (is_narrow_float(inst.type)) {
                const u16 word = result(id);
                emit(box_handler(inst.type), word, slot);
                break;
            }
            if (!at(id).escapes) {
                settle(id, slot);
            } else {
                const u16 word = new_temporary(words_of(inst.type));
                emit(move_handler(inst.type), word, slot);
                settle(id, word);
            }
            break;
        }
        case Op::put_state: put_state(inst); break;

        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::mulh_s:
        case Op::mulh_u:
        case Op::mulh_su:
        case Op::div_s:
        case Op::div_u:
        case Op::rem_s:
        case Op::rem_u:
        case Op::and_:
        case Op::or_:
        case Op::xor_:
        case Op::andn:
        case Op::orn:
        case Op::xnor:
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::rotl:
        case Op::rotr:
        case Op::min_s:
        case Op::max_s:
        case Op::min_u:
        case Op::max_u:
        case Op::clmul:
        case Op::clmulh: binary(id, inst); break;
        case Op::clz:
        case Op::ctz:
        case Op::popcnt:
        case Op::bswap:
        case Op::brev8:
        case Op::orcb: {
            const u16 a = operand(inst.args[0]);
            const u16 to = result(id);
            emit(unary_handler(inst.op, inst.type), to, a);
            break;
        }
        case Op::icmp: {
            // A branch on it right behind compares by itself.
            if (inst.next != ValueId::none && (*f_)[inst.next].op == Op::br_if && feeds_only(id, inst.next)) {
                for (ValueId v : {inst.args[0], inst.args[1]})
                    at(v).last = std::max(at(v).last, position_ + 1);
                break;
            }
            const u16 a = operand(inst.args[0]);
            const bool with_constant = is_constant(inst.args[1]);
            const u16 b = with_constant ? u16{0} : operand(inst.args[1]);
            const u16 to = result(id);
            emit(compare_handler(inst.cond(), inst.type, with_constant ? Form::constant : Form::word), to, a,
                 b, 0, with_constant ? constant(inst.args[1]) : 0);
            break;
        }
        case Op::select: {
            const u16 a = operand(inst.args[0]), b = operand(inst.args[1]), c = operand(inst.args[2]);
            const bool clean = at(inst.args[1]).clean && at(inst.args[2]).clean;
            const u16 to = result(id);
            at(id).clean = clean;
            emit(select_handler(inst.type), to, a, b, c);
            break;
        }
        case Op::trunc:
        case Op::zext:
        case Op::sext:
        case Op::bitcast:
        case Op::nan_box:
        case Op::nan_unbox:
        case Op::pair:
        case Op::low:
        case Op::high: conversion(id, inst); break;

        case Op::vadd:
        case Op::vsub:
        case Op::vmul:
        case Op::vshl:
        case Op::vshr:
        case Op::vsar:
        case Op::vmin_s:
        case Op::vmax_s:
        case Op::vmin_u:
        case Op::vmax_u:
        case Op::vcmp:
        case Op::vand:
        case Op::vor:
        case Op::vxor:
        case Op::vandn:
        case Op::vshuffle:
        case Op::vsplat:
        case Op::vinsert:
        case Op::vextract: vector(id, inst); break;

        case Op::load:
        case Op::store:
        case Op::atomic_rmw:
        case Op::atomic_cas: memory(id, inst); break;
        case Op::fence:
            if (inst.order() == ir::Order::seq_cst) emit(fence_handler());
            break;

        case Op::fadd:
        case Op::fsub:
        case Op::fmul:
        case Op::fdiv:
        case Op::fsqrt:
        case Op::fma:
        case Op::fmin:
        case Op::fmax:
        case Op::fcmp:
        case Op::fcvt:
        case Op::fcvt_from_s:
        case Op::fcvt_from_u:
        case Op::fcvt_to_s:
        case Op::fcvt_to_u:
        case Op::fround: floating(id, inst); break;
        case Op::fp_get_flags: {
            const u16 to = result(id);
            emit(fp_get_flags_handler(), to);
            break;
        }
        case Op::fp_set_flags: {
            const u16 a = operand(inst.args[0]);
            emit(fp_set_flags_handler(), 0, a);
            break;
        }
        case Op::call: call(id, inst); break;
        case Op::guard: {
            const u16 a = operand(inst.args[0]);
            emit_faulting(inst, guard_handler(), 0, a, 0, 0, 0);
            break;
        }
        case Op::count: emit(count_handler(), 0, 0, 0, 0, inst.imm); break;
        case Op::poll: emit_faulting(inst, poll_handler(), 0, 0, 0, 0, 0); break;

        case Op::br: jump(inst.edges[0]); break;
        case Op::br_if: br_if(inst); break;
        case Op::switch_: switch_(inst); break;
        case Op::goto_pc: exit_direct(inst); break;
        case Op::goto_ind: {
            u16 a = operand(inst.args[0]);
            u64 mask = ~u64{0};
            // The mask that most architectures put on a jump's target needs no cell of its own.
            const Code& before = cells_.back();
            if (before.run == binary_handler(Op::and_, Type::i64, Form::constant, Extend::zero) &&
                before.dst == a && feeds_only(inst.args[0], id)) {
                a = before.a;
                mask = before.imm;
                cells_.pop_back();
            }
            emit(exit_indirect_handler(), 0, a, pc_word_, retired(inst), mask);
            break;
        }
        case Op::syscall: leave(abi::ExitReason::syscall, inst.imm, retired(inst)); break;
        case Op::sync_code: leave(abi::ExitReason::sync_code, inst.imm, retired(inst)); break;
        case Op::trap: {
            const bool illegal = inst.trap() == ir::Trap::illegal;
            leave(illegal ? abi::ExitReason::illegal : abi::ExitReason::breakpoint, (*f_)[inst.origin].raw,
                  static_cast<u16>(retired(inst) - 1));
            break;
        }
    }
}

void Flattener::put_state(const Inst& inst) {
    const u16 slot = slot_word(inst.slot);
    const ValueId value = inst.args[0];
    const Value& v = at(value);
    const bool as_it_stands = v.clean && !is_narrow_float(inst.type);
    if (v.place == Place::word && v.word == slot && as_it_stands) return;  // computed right into it
    vacate_slot(slot, inst.type);
    if (v.place == Place::constant)
        emit(constant_handler(), slot, 0, 0, 0, v.constant);
    else
        emit(move_handler(inst.type), slot, as_it_stands ? operand(value) : frame_operand(value));
}

void Flattener::binary(ValueId id, const Inst& inst) {
    const ValueId second = inst.args[1];
    const u16 a = operand(inst.args[0]);
    const bool with_constant = is_constant(second);
    const u16 b = with_constant ? u16{0} : operand(second);
    // A sign extension right behind is part of the handler.
    Extend extend = Extend::zero;
    ValueId target = id;
    if (inst.next != ValueId::none && inst.type != Type::i1 && feeds_only(id, inst.next)) {
        const Inst& next = (*f_)[inst.next];
        if (next.op == Op::sext && next.type == Type::i64) {
            extend = Extend::sign;
            target = fused_ = inst.next;
        }
    }
    const u16 to = result(target);
    emit(binary_handler(inst.op, inst.type, with_constant ? Form::constant : Form::word, extend), to, a, b,
         static_cast<u16>(inst.div_rule()), with_constant ? constant(second) : 0);
}

void Flattener::conversion(ValueId id, const Inst& inst) {
    const ValueId source = inst.args[0];
    const Type from = f_->result_type(source), to = inst.type;
    const auto compute = [&](Handler handler, u16 a, u16 c = 0, u64 imm = 0) {
        const u16 word = result(id);
        emit(handler, word, a, 0, c, imm);
    };
    const Handler mask = binary_handler(Op::and_, Type::i64, Form::constant, Extend::zero);

    if (inst.op == Op::pair) {
        const u16 low = operand(inst.args[0]), high = operand(inst.args[1]);
        const u16 word = result(id);
        emit(move_handler(), word, low);
        emit(move_handler(), static_cast<u16>(word + 1), high);
        return;
    }
    if (inst.op == Op::low || inst.op == Op::high) return alias(id, source, true, inst.op == Op::high);
    if (is_constant(source)) {
        const u64 value = constant(source);
        switch (inst.op) {
            case Op::trunc: return set_constant(id, value & ir::type_mask(to));
            case Op::zext: return set_constant(id, value);
            case Op::sext:
                return set_constant(
                    id, static_cast<u64>(sign_extend(value, ir::bit_width(from))) & ir::type_mask(to));
            default: break;  // floats are words
        }
    }
    switch (inst.op) {
        case Op::trunc:
            if (to == Type::i1) return compute(mask, operand(source), 0, 1);
            return alias(id, source, false);
        case Op::zext:
            if (at(source).clean) return alias(id, source, true);
            return compute(mask, operand(source), 0, ir::type_mask(from));
        case Op::sext:
            return compute(sign_extend_handler(from, to), operand(source),
                           static_cast<u16>(ir::bit_width(from)), ir::type_mask(to));
        case Op::bitcast:
            if (is_narrow_float(to)) return compute(box_handler(to), operand(source));
            if (is_narrow_float(from)) {
                const u16 word = clean_operand(source);
                return compute(mask, word, 0, ir::type_mask(to));
            }
            if (is_constant(source)) return compute(move_handler(), operand(source));
            return alias(id, source, true);
        case Op::nan_box:
            if (at(source).clean) return alias(id, source, true);
            return compute(rebox_handler(from), operand(source));
        case Op::nan_unbox:
            if (is_constant(source)) return compute(rebox_handler(to), operand(source));
            return alias(id, source, false);
        default: KILN_UNREACHABLE();
    }
}

void Flattener::floating(ValueId id, const Inst& inst) {
    const auto shape = ir::info(inst.op).shape;
    u16 words[3] = {};
    for (unsigned i = 0; i < ir::arg_count(shape); ++i) words[i] = operand(inst.args[i]);
    if (inst.op == Op::fcmp || inst.op == Op::fmin || inst.op == Op::fmax) {
        const Handler handler = inst.op == Op::fcmp ? fp_compare_handler(inst.fp_cond(), inst.type)
                                                    : fp_min_max_handler(inst.op, inst.type, inst.min_max());
        const u16 to = result(id);
        emit(handler, to, words[0], words[1]);
        return;
    }
    const u64 rounding = static_cast<u64>(inst.rounding()) | u64{slot_word(f_->env().layout->rounding)} << 16;
    Handler handler;
    if (shape == ir::Shape::convert) {
        handler = fp_convert_handler(inst.op, f_->result_type(inst.args[0]), inst.type);
    } else if (inst.op == Op::fround) {
        handler = fp_round_handler(inst.type);
        words[2] = static_cast<u16>(inst.exactness());
    } else {
        handler = fp_handler(inst.op, inst.type);
    }
    const u16 to = result(id);
    emit_faulting(inst, handler, to, words[0], words[1], words[2], rounding);
}

void Flattener::vector(ValueId id, const Inst& inst) {
    u16 words[3] = {};
    for (unsigned i = 0; i < ir::info(inst.op).args; ++i) words[i] = operand(inst.args[i]);
    const u16 to = result(id);
    emit(vector_handler(inst.op, inst.lane(), inst.cond()), to, words[0], words[1], words[2], inst.imm);
}

void Flattener::memory(ValueId id, const Inst& inst) {
    u16 address = operand(inst.args[0]);
    const bool is_plain = inst.op == Op::load || inst.op == Op::store;
    const bool is_mmu = inst.space == ir::Space::mmu;
    if (is_plain ? inst.order() != ir::Order::relaxed : is_mmu) {
        const auto bytes = static_cast<u16>(ir::byte_size(inst.type));
        emit_faulting(inst, check_aligned_handler(), 0, address, 0, bytes, inst.imm);
    }
    if (is_mmu && is_plain) return mmu_access(id, inst, address);
    if (inst.space != ir::Space::flat) {
        const u16 flat = borrow();
        if (is_mmu)
            emit_faulting(inst, mmu_address_handler(), flat, address, 0, 0, 0);
        else
            emit(host_address_handler(), flat, address);
        address = flat;
    }
    if (inst.op == Op::store) {
        const ValueId value = inst.args[1];
        const u16 from = is_narrow_float(inst.type) ? clean_operand(value) : operand(value);
        emit_faulting(inst, store_handler(inst.type, inst.order()), 0, address, from, 0, inst.imm);
        return;
    }
    if (inst.op == Op::load) {
        Extend extend = Extend::zero;
        ValueId target = id;
        if (inst.next != ValueId::none && feeds_only(id, inst.next)) {
            const Inst& next = (*f_)[inst.next];
            const bool widens = next.op == Op::sext && next.type == Type::i64 && ir::is_int(inst.type);
            // A clean zero extension has no cell of its own either, but may have a home.
            if (widens || (next.op == Op::zext && ir::is_int(inst.type)) ||
                (next.op == Op::nan_box && is_narrow_float(inst.type))) {
                extend = widens ? Extend::sign : Extend::zero;
                target = fused_ = inst.next;
            }
        }
        const u16 to = result(target);
        emit_faulting(inst, load_handler(inst.type, extend), to, address, 0, 0, inst.imm);
        return;
    }
    if (inst.op == Op::atomic_rmw) {
        const u16 value = operand(inst.args[1]);
        const u16 to = result(id);
        emit_faulting(inst, rmw_handler(inst.rmw(), inst.type), to, address, value, 0, 0);
        return;
    }
    const u16 expected = operand(inst.args[1]), desired = operand(inst.args[2]);
    const u16 to = result(id);
    emit_faulting(inst, cas_handler(inst.type), to, address, expected, desired, 0);
}

void Flattener::mmu_access(ValueId id, const Inst& inst, u16 address) {
    const auto bytes = static_cast<u16>(ir::byte_size(inst.type));
    if (inst.op == Op::store) {
        const u16 from = is_narrow_float(inst.type) ? clean_operand(inst.args[1]) : operand(inst.args[1]);
        emit_faulting(inst, mmu_store_handler(), 0, address, from, bytes, inst.imm);
        if (inst.order() == ir::Order::seq_cst) emit(fence_handler());
        return;
    }
    const u16 to = result(id);
    emit_faulting(inst, mmu_load_handler(), to, address, 0, bytes, inst.imm);
    if (is_narrow_float(inst.type)) emit(box_handler(inst.type), to, to);
}

void Flattener::call(ValueId id, const Inst& inst) {
    const auto args = f_->values(inst.list);
    u16 words[2] = {};
    if (args.size() > 2) return unsupported("a helper takes more than two words");
    for (std::size_t i = 0; i < args.size(); ++i) words[i] = clean_operand(args[i]);
    const bool has_result = inst.type != Type::none;
    const u16 to = has_result ? result(id) : u16{0};
    emit(call_handler(has_result), to, words[0], words[1], 0,
         reinterpret_cast<u64>(abi::helper_functions[static_cast<u16>(inst.helper)]));
}

// ---- Ways on and out ----

void Flattener::exit_direct(const Inst& inst) {
    emit(exit_direct_handler(), 0, 0, pc_word_, retired(inst), inst.imm);
}

void Flattener::leave(abi::ExitReason reason, u64 pc, u16 retired) {
    emit(leave_handler(reason), 0, 0, pc_word_, retired, pc);
}

void Flattener::move_arguments(const ir::Edge& edge) {
    const auto args = f_->values(edge.args);
    const auto& params = (*f_)[edge.target].params;
    // All are read before any parameter is written: the edge may permute them.
    std::vector<u16> words(args.size());
    for (std::size_t i = 0; i < args.size(); ++i) {
        const u16 from = clean_operand(args[i]);
        const Type type = f_->result_type(args[i]);
        words[i] = from;
        if (args.size() > 1) {
            words[i] = borrow(words_of(type));
            emit(move_handler(type), words[i], from);
        }
    }
    for (std::size_t i = 0; i < args.size(); ++i) {
        Value& param = at(params[i]);
        const Type type = f_->result_type(params[i]);
        if (param.place == Place::nowhere) {
            param.place = Place::word;
            param.word = new_temporary(words_of(type));
        }
        emit(move_handler(type), param.word, words[i]);
    }
}

void Flattener::jump(ir::EdgeId id) {
    const ir::Edge& edge = (*f_)[id];
    move_arguments(edge);
    if (place_ + 1 < order_.size() && edge.target == order_[place_ + 1]) return;  // falls into it
    branch_to(edge.target);
}

void Flattener::branch_to(ir::BlockId target) {
    if (blocks_[ir::index(target)].in_place) return exit_direct(*bare_exit(target));
    fixups_.push_back({static_cast<u32>(cells_.size()), target});
    emit(branch_handler());
}

void Flattener::br_if(const Inst& inst) {
    const ir::Edge& taken = (*f_)[inst.edges[0]];
    const ir::Edge& other = (*f_)[inst.edges[1]];
    const Inst& test = (*f_)[inst.args[0]];
    const bool fused = test.op == Op::icmp && test.next != ValueId::none && &(*f_)[test.next] == &inst &&
                       feeds_only(inst.args[0], test.next);
    // The side that is a bare way out is executed in place; then the condition must be for that side.
    const bool swap = fused && bare_exit(taken.target) == nullptr && bare_exit(other.target) != nullptr &&
                      blocks_[ir::index(other.target)].in_place;
    const ir::EdgeId first = inst.edges[swap ? 1 : 0], second = inst.edges[swap ? 0 : 1];
    const ir::Edge& first_edge = (*f_)[first];
    const bool leaves = blocks_[ir::index(first_edge.target)].in_place;

    const auto test_cell = [&](auto&& fused_handler, Handler plain) {
        if (!fused) {
            const u16 a = operand(inst.args[0]);
            emit(plain, 0, a);
            return;
        }
        // The conditions come in pairs of opposites.
        const auto cond = swap ? ir::Cond(static_cast<u8>(test.cond()) ^ 1) : test.cond();
        const bool with_constant = is_constant(test.args[1]);
        const u16 a = operand(test.args[0]);
        const u16 b = with_constant ? u16{0} : operand(test.args[1]);
        emit(fused_handler(cond, test.type, with_constant ? Form::constant : Form::word), 0, a, b, 0,
             with_constant ? constant(test.args[1]) : 0);
    };

    if (leaves) {
        test_cell(compare_exit_handler, exit_if_handler());
        exit_direct(*bare_exit(first_edge.target));
    } else if (first_edge.args.count == 0) {
        test_cell(compare_branch_handler, branch_if_handler());
        fixups_.push_back({static_cast<u32>(cells_.size() - 1), first_edge.target});
    } else {
        // The values for the target's parameters are moved on a detour behind the other way.
        test_cell(compare_branch_handler, branch_if_handler());
        const std::size_t branch = cells_.size() - 1;
        move_arguments((*f_)[second]);
        branch_to((*f_)[second].target);
        detours_.push_back({static_cast<u32>(branch), static_cast<u32>(cells_.size())});
        return jump(first);
    }
    jump(second);
}

void Flattener::switch_(const Inst& inst) {
    const auto edges = f_->edges_of(inst);
    const auto values = f_->case_values(inst);
    std::vector<ir::SwitchCase> sorted;
    for (std::size_t i = 0; i < values.size(); ++i) sorted.push_back({values[i], edges[i + 1]});
    std::ranges::sort(sorted, {}, &ir::SwitchCase::value);
    std::vector<u32> missed;
    search(inst.type, operand(inst.args[0]), sorted, missed);
    for (const auto& [cell, edge] : case_cells_) {
        detours_.push_back({cell, static_cast<u32>(cells_.size())});
        move_arguments((*f_)[edge]);
        branch_to((*f_)[edge].target);
    }
    case_cells_.clear();
    for (u32 cell : missed) detours_.push_back({cell, static_cast<u32>(cells_.size())});
    jump(edges[0]);
}

/// Binary search down to a few cases, then one after the other. Notes the cells that go on where no case
/// matches.
void Flattener::search(Type type, u16 a, std::span<const ir::SwitchCase> sorted, std::vector<u32>& missed) {
    const auto test = [&](ir::Cond cond, u64 value) {
        emit(compare_branch_handler(cond, type, Form::constant), 0, a, 0, 0, value);
        return static_cast<u32>(cells_.size() - 1);
    };
    constexpr std::size_t few = 4;
    if (sorted.size() > few) {
        const std::size_t half = sorted.size() / 2;
        const u32 upper = test(ir::Cond::ge_u, sorted[half].value);
        search(type, a, sorted.first(half), missed);
        detours_.push_back({upper, static_cast<u32>(cells_.size())});
        return search(type, a, sorted.subspan(half), missed);
    }
    for (const ir::SwitchCase& c : sorted) {
        const u32 cell = test(ir::Cond::eq, c.value);
        const ir::Edge& edge = (*f_)[c.edge];
        if (edge.args.count == 0)
            fixups_.push_back({cell, edge.target});
        else
            case_cells_.push_back({cell, c.edge});
    }
    missed.push_back(static_cast<u32>(cells_.size()));
    emit(branch_handler());
}

}  // namespace kiln::interp

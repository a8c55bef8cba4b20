// Selection of ways on and out of a unit, and of helper calls.
#include "abi/helpers.h"
#include "base/check.h"
#include "emit/select.h"

namespace kiln::emit {

using ir::Inst;
using ir::Op;
using ir::ValueId;

const Inst* Selector::bare_exit(ir::BlockId block) const {
    const ir::Block& b = (*f_)[block];
    return b.first == b.last && b.params.empty() && (*f_)[b.first].op == Op::goto_pc ? &(*f_)[b.first]
                                                                                     : nullptr;
}

u32 Selector::add_exit(const Inst& inst) {
    const bool direct = inst.op == Op::goto_pc;
    out_->exits.push_back({.kind = direct ? Exit::Kind::direct : Exit::Kind::indirect,
                           .retired = retired(inst),
                           .pc = direct ? inst.imm : 0,
                           .state = take_puts()});
    return static_cast<u32>(out_->exits.size() - 1);
}

void Selector::leave(abi::ExitReason reason, u64 pc, u32 retired) {
    out_->exits.push_back(
        {.kind = Exit::Kind::leave, .reason = reason, .retired = retired, .pc = pc, .state = take_puts()});
    emit(MachineOp::exit_direct).target = static_cast<u32>(out_->exits.size() - 1);
}

Selector::Way Selector::way(const ir::Edge& edge) {
    Way way{edge.target, {}};
    const auto args = f_->values(edge.args);
    const auto& params = (*f_)[edge.target].params;
    for (std::size_t i = 0; i < args.size(); ++i) {
        const ir::Type type = f_->result_type(params[i]);
        const bool in_fp = lives_in_vector(type);
        Param& param = params_[ir::index(params[i])];
        if (param.low == Reg::none) {
            param.low = out_->new_value(in_fp);
            if (is_wide(type)) param.high = out_->new_value(false);
        }
        way.values.emplace_back(param.low, in_fp ? fp(args[i]) : clean_integer(args[i]));
        if (is_wide(type)) way.values.emplace_back(param.high, high_half(args[i]));
    }
    return way;
}

void Selector::give_params(const Way& way) {
    for (const auto& [param, value] : way.values)
        emit(MachineOp::set_param, 8, value, Reg::none, Reg::none, number(param));
}

void Selector::jump_to(ir::BlockId target, bool may_fall) {
    if (in_place_[ir::index(target)]) {
        emit(MachineOp::exit_direct).target = add_exit(*bare_exit(target));
        return;
    }
    if (may_fall && place_ + 1 < order_.size() && target == order_[place_ + 1]) return;  // falls into it
    emit(MachineOp::jump).target = ir::index(target);
}

void Selector::br(const Inst& inst) {
    const Way on = way((*f_)[inst.edges[0]]);
    give_params(on);
    jump_to(on.target);
}

void Selector::go_if(Condition condition, const Way& way, std::vector<std::pair<u32, const Way*>>& rest) {
    const bool leaves = in_place_[ir::index(way.target)] != 0;
    MachineInst& go = emit(leaves ? MachineOp::exit_if : MachineOp::jump_if);
    go.cond = condition;
    if (leaves) {
        go.target = add_exit(*bare_exit(way.target));
    } else if (way.values.empty()) {
        go.target = ir::index(way.target);
    } else {
        go.target = new_label();
        rest.emplace_back(go.target, &way);
    }
}

void Selector::finish_ways(const std::vector<std::pair<u32, const Way*>>& rest) {
    for (const auto& [label, way] : rest) {
        emit(MachineOp::label).target = label;
        give_params(*way);
        jump_to(way->target, &way == &rest.back().second);
    }
}

void Selector::switch_to(const Inst& inst) {
    const auto edges = f_->edges_of(inst);
    const auto cases = f_->case_values(inst);
    std::vector<Way> ways;  // all of them first: what a way computes for itself no other way has
    ways.reserve(edges.size());
    for (ir::EdgeId edge : edges) ways.push_back(way((*f_)[edge]));
    const Reg value = clean_integer(inst.args[0]);
    std::vector<std::pair<u32, const Way*>> rest;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (const i64 bits = static_cast<i64>(cases[i]); bits == static_cast<i32>(bits)) {
            emit(MachineOp::cmp_imm, 8, value, Reg::none, Reg::none, bits);
        } else {
            const Reg wanted = out_->new_value(false);
            emit(MachineOp::mov_imm, 8, wanted, Reg::none, Reg::none, bits);
            emit(MachineOp::cmp, 8, value, wanted);
        }
        go_if(Condition::equal, ways[i + 1], rest);
    }
    give_params(ways[0]);
    jump_to(ways[0].target, rest.empty());
    finish_ways(rest);
}

void Selector::br_if(ValueId id, const Inst& inst) {
    const ir::Edge& taken = (*f_)[inst.edges[0]];
    const ir::Edge& other = (*f_)[inst.edges[1]];
    if (taken.args.count != 0 || other.args.count != 0) {
        const Way way_taken = way(taken), way_other = way(other);
        std::vector<std::pair<u32, const Way*>> rest;
        go_if(truth(inst.args[0], id), way_taken, rest);
        give_params(way_other);
        jump_to(way_other.target, rest.empty());
        return finish_ways(rest);
    }
    Condition condition = truth(inst.args[0], id);
    ir::BlockId first = taken.target, second = other.target;
    const bool other_leaves = in_place_[ir::index(second)] != 0 && in_place_[ir::index(first)] == 0;
    const bool falls_into_taken = place_ + 1 < order_.size() && first == order_[place_ + 1];
    if (other_leaves || falls_into_taken) {
        std::swap(first, second);
        condition = opposite(condition);
    }
    if (in_place_[ir::index(first)]) {
        MachineInst& exit = emit(MachineOp::exit_if);
        exit.cond = condition;
        exit.target = add_exit(*bare_exit(first));
    } else {
        MachineInst& jump = emit(MachineOp::jump_if);
        jump.cond = condition;
        jump.target = ir::index(first);
    }
    jump_to(second);
}

void Selector::call(ValueId id, const Inst& inst) {
    if (inline_call(id, inst)) return;
    const auto args = f_->values(inst.list);
    if (args.size() > 2) return unsupported("a helper of more than two arguments");
    for (std::size_t i = 0; i < args.size(); ++i) {
        const Address word = context_word(call_arguments_disp + 8 * static_cast<i32>(i));
        if (fits_imm(args[i]))
            emit_mem(MachineOp::store_imm, 8, Reg::none, word, static_cast<i64>(at(args[i]).constant));
        else
            emit_mem(MachineOp::store, 8, clean_integer(args[i]), word);
    }
    emit(MachineOp::call_helper, 8, Reg::none, Reg::none, Reg::none, static_cast<i64>(inst.helper)).target =
        retired(inst);
    if (inst.type == ir::Type::none) return;
    const Reg to = result(id);
    emit_mem(MachineOp::load, 8, to, context_word(call_result_disp));
    settle(id, to);
}

bool Selector::inline_call(ValueId id, const Inst& inst) {
    if (!features_.aes) return false;
    AesStep step{};
    switch (abi::helper::Number(inst.helper)) {
        case abi::helper::Number::aes64es: step = AesStep::last_round; break;
        case abi::helper::Number::aes64esm: step = AesStep::round; break;
        case abi::helper::Number::aes64ds: step = AesStep::inverse_last_round; break;
        case abi::helper::Number::aes64dsm: step = AesStep::inverse_round; break;
        case abi::helper::Number::aes64im: step = AesStep::inverse_mix; break;
        default: return false;
    }
    const auto args = f_->values(inst.list);
    const Reg low = fp(args.front()), high = fp(args.back());
    const Reg block = out_->new_value(true);
    emit(MachineOp::aes, 8, block, low, high, static_cast<i64>(step));
    const Reg to = result(id);
    emit(MachineOp::from_vector, 8, to, block);
    finish(id, inst, to);
    return true;
}

}  // namespace kiln::emit

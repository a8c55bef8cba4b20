#include "ir/verify.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "ir/dominators.h"
#include "ir/print.h"

namespace kiln::ir {
namespace {

class Verifier {
  public:
    explicit Verifier(const Function& f) : f_(f) {}

    Result<void> run() {
        if (f_.block_count() == 0) return fail("the function has no block");
        if (!f_[BlockId(0)].params.empty()) return fail("b0: the entry block has parameters");
        structure();
        if (message_.empty()) {
            number_positions();
            const Dominators dominators(f_);
            dominators_ = &dominators;
            for (u32 b = 0; b < f_.block_count(); ++b)
                f_.for_each(BlockId(b), [&](ValueId id, const Inst& inst) { check(id, inst); });
        }
        if (!message_.empty()) return fail(std::move(message_));
        return {};
    }

  private:
    void error(ValueId id, std::string_view what) {
        if (!message_.empty()) return;
        message_ = fmt::format("b{}: `{}`: {}", index(f_[id].block), print(f_, id), what);
    }

    /// Invariants 1, 2, 3 without dominance, and the targets of 6: what printing and dominance rely on.
    void structure() {
        for (u32 b = 0; b < f_.block_count(); ++b) {
            const Block& block = f_[BlockId(b)];
            if (block.last == ValueId::none || !info(f_[block.last].op).effects.terminator)
                message_ = fmt::format("b{}: the block does not end with a terminator", b);
            f_.for_each(BlockId(b), [&](ValueId id, const Inst& inst) {
                if (!message_.empty()) return;
                if (info(inst.op).effects.terminator && id != block.last)
                    message_ = fmt::format("b{}: a `{}` stands before the block's end", b, name(inst.op));
                for (EdgeId e : f_.edges_of(inst))
                    if (index(f_[e].target) >= f_.block_count() || f_[e].target == BlockId(0))
                        message_ = fmt::format("b{}: an edge goes to b{}, which cannot be entered", b,
                                               index(f_[e].target));
                f_.for_each_use(inst, [&](ValueId v) {
                    if (index(v) >= f_.value_count() || f_[v].block == BlockId::none ||
                        f_.result_type(v) == Type::none)
                        message_ = fmt::format("b{}: a `{}` uses an operand that defines no value", b,
                                               name(inst.op));
                });
            });
            if (!message_.empty()) return;
        }
    }

    void number_positions() {
        positions_.assign(f_.value_count(), 0);
        for (u32 b = 0; b < f_.block_count(); ++b) {
            u32 position = 1;  // parameters stand at 0
            f_.for_each(BlockId(b), [&](ValueId id, const Inst&) { positions_[index(id)] = position++; });
        }
    }

    bool dominates(ValueId definition, ValueId use) const {
        const BlockId from = f_[definition].block, to = f_[use].block;
        if (!dominators_->reachable(to)) return true;
        if (from == to) return positions_[index(definition)] < positions_[index(use)];
        return dominators_->dominates(from, to);
    }

    Type type(ValueId v) const { return f_.result_type(v); }

    void check(ValueId id, const Inst& inst) {
        const OpInfo& op = info(inst.op);
        f_.for_each_use(inst, [&](ValueId v) {
            if (!dominates(v, id))
                error(id, fmt::format("the definition of %{} does not dominate this use", index(v)));
        });
        if (inst.op != Op::call && !allows(op.types, inst.type))
            error(id, "the operation does not allow this type");
        const u8 attrs[2] = {inst.attr0, inst.attr1};
        for (unsigned i = 0; i < 2; ++i)
            if (op.attrs[i] != AttrGroup::none && !attr_name(op.attrs[i], attrs[i]))
                return error(id, "an attribute has a value outside its group");
        if (!attr_name(AttrGroup::Space, static_cast<u8>(inst.space)) ||
            (inst.space != Space::flat && !op.spaced))
            error(id, "it has no such space");
        if (op.effects.may_fault || inst.op == Op::syscall || inst.op == Op::trap) {
            if (inst.origin == OriginId::none) error(id, "it can be observed, but has no origin");
        }
        operands(id, inst, op.shape);
        if (Function::has_frame(inst)) frame(id, inst);
        for (EdgeId e : f_.edges_of(inst)) edge(id, f_[e]);
    }

    void expect(ValueId id, unsigned operand, Type wanted) {
        const Type found = type(f_[id].args[operand]);
        if (found != wanted)
            error(id, fmt::format("operand {} is {}, not {}", operand + 1, name(found), name(wanted)));
    }

    void operands(ValueId id, const Inst& inst, Shape shape) {
        switch (shape) {
            case Shape::imm:
                if (inst.imm & ~type_mask(inst.type)) error(id, "the constant is wider than its type");
                break;
            case Shape::effect:
            case Shape::unary:
            case Shape::binary:
            case Shape::ternary:
            case Shape::compare:
                for (unsigned i = 0; i < arg_count(shape); ++i) expect(id, i, inst.type);
                break;
            case Shape::select:
                expect(id, 0, Type::i1);
                expect(id, 1, inst.type);
                expect(id, 2, inst.type);
                break;
            case Shape::convert: conversion(id, inst); break;
            case Shape::pair:
                if (inst.type != Type::i128) error(id, "a pair is an i128");
                expect(id, 0, Type::i64);
                expect(id, 1, Type::i64);
                break;
            case Shape::half:
                if (inst.type != Type::i64) error(id, "half an i128 is an i64");
                expect(id, 0, Type::i128);
                break;
            case Shape::extract:
            case Shape::insert: {
                const Type lane = shape == Shape::insert ? lane_type(inst.lane()) : inst.type;
                expect(id, 0, Type::v128);
                if (shape == Shape::insert) expect(id, 1, lane);
                if (is_int(lane) && inst.imm >= lane_count(lane)) error(id, "there is no such lane");
                break;
            }
            case Shape::get: slot(id, inst, inst.type); break;
            case Shape::put:
                slot(id, inst, inst.type);
                expect(id, 0, inst.type);
                break;
            case Shape::load:
            case Shape::store:
            case Shape::rmw:
            case Shape::cas:
                expect(id, 0, inst.space == Space::host ? Type::ptr : Type::i64);
                for (unsigned i = 1; i < arg_count(shape); ++i) expect(id, i, inst.type);
                if ((inst.type == Type::ptr || inst.type == Type::boxed) && inst.space != Space::host)
                    error(id, "guest memory holds no such value");
                break;
            case Shape::call: call(id, inst); break;
            case Shape::guard:
            case Shape::br_if: expect(id, 0, Type::i1); break;
            case Shape::switch_: switch_(id, inst); break;
            case Shape::goto_ind: expect(id, 0, Type::i64); break;
            case Shape::param:
            case Shape::nullary:
            case Shape::br:
            case Shape::goto_pc:
            case Shape::count:
            case Shape::leave:
            case Shape::trap: break;
        }
    }

    void conversion(ValueId id, const Inst& inst) {
        const Type from = type(inst.args[0]), to = inst.type;
        const unsigned from_bits = bit_width(from), to_bits = bit_width(to);
        const auto integer = [](Type t) { return is_int(t) || t == Type::i1; };
        const auto word = [](Type t) { return t == Type::i32 || t == Type::i64; };
        bool good = false;
        if (inst.op == Op::trunc) {
            good = integer(from) && integer(to) && from_bits > to_bits;
        } else if (inst.op == Op::zext || inst.op == Op::sext) {
            good = integer(from) && integer(to) && from_bits < to_bits;
        } else if (inst.op == Op::bitcast) {
            good = from_bits == to_bits && from != to;
        } else if (inst.op == Op::vsplat) {
            good = from == lane_type(inst.lane());
        } else if (inst.op == Op::nan_box) {
            good = to == Type::i64 && (from == Type::f16 || from == Type::f32);
        } else if (inst.op == Op::nan_unbox) {
            good = from == Type::i64 && (to == Type::f16 || to == Type::f32);
        } else if (inst.op == Op::fcvt) {
            good = is_fp(from) && is_fp(to) && from != to;
        } else if (inst.op == Op::fcvt_from_s || inst.op == Op::fcvt_from_u) {
            good = word(from) && is_fp(to);
        } else if (inst.op == Op::fcvt_to_s || inst.op == Op::fcvt_to_u) {
            good = is_fp(from) && word(to);
        }
        if (!good) error(id, fmt::format("it cannot convert {} to {}", name(from), name(to)));
    }

    void switch_(ValueId id, const Inst& inst) {
        expect(id, 0, inst.type);
        const auto cases = f_.case_values(inst);
        std::vector<u64> values(cases.begin(), cases.end());
        std::ranges::sort(values);
        if (!values.empty() && (values.back() & ~type_mask(inst.type)))
            error(id, fmt::format("the case {:#x} is wider than its type", values.back()));
        if (const auto twice = std::ranges::adjacent_find(values); twice != values.end())
            error(id, fmt::format("the case {:#x} is there twice", *twice));
    }

    void slot(ValueId id, const Inst& inst, Type wanted) {
        const StateLayout& layout = *f_.env().layout;
        if (static_cast<std::size_t>(inst.slot) >= layout.slots.size())
            error(id, "the state slot does not exist");
        else if (layout[inst.slot].type != wanted)
            error(id, fmt::format("the slot is {}", name(layout[inst.slot].type)));
    }

    void call(ValueId id, const Inst& inst) {
        if (static_cast<std::size_t>(inst.helper) >= f_.env().helpers.size())
            return error(id, "the helper does not exist");
        const HelperSig& sig = f_.env()[inst.helper];
        const auto args = f_.values(inst.list);
        if (byte_size(sig.result) > 8 ||
            std::ranges::any_of(sig.args, [](Type t) { return byte_size(t) > 8; }))
            error(id, "the helper takes or gives more than words");
        if (inst.type != sig.result) error(id, fmt::format("the helper gives {}", name(sig.result)));
        if (args.size() != sig.args.size())
            return error(id, fmt::format("the helper takes {} arguments", sig.args.size()));
        for (std::size_t i = 0; i < args.size(); ++i)
            if (type(args[i]) != sig.args[i])
                error(id, fmt::format("argument {} is not {}", i + 1, name(sig.args[i])));
    }

    void frame(ValueId id, const Inst& inst) {
        const StateLayout& layout = *f_.env().layout;
        const auto entries = f_.frame(inst.frame);
        for (std::size_t i = 0; i < entries.size(); ++i) {
            if (static_cast<std::size_t>(entries[i].slot) >= layout.slots.size())
                return error(id, "its frame names a slot that does not exist");
            if (layout[entries[i].slot].type != type(entries[i].value))
                error(id, fmt::format("its frame gives {} a {}", layout[entries[i].slot].name,
                                      name(type(entries[i].value))));
            for (std::size_t j = 0; j < i; ++j)
                if (entries[j].slot == entries[i].slot)
                    error(id, fmt::format("its frame names {} twice", layout[entries[i].slot].name));
        }
    }

    void edge(ValueId id, const Edge& e) {
        const Block& target = f_[e.target];
        const auto args = f_.values(e.args);
        if (args.size() != target.params.size())
            return error(id, fmt::format("b{} takes {} values", index(e.target), target.params.size()));
        for (std::size_t i = 0; i < args.size(); ++i)
            if (type(args[i]) != f_[target.params[i]].type)
                error(id, fmt::format("b{} takes a {} as value {}", index(e.target),
                                      name(f_[target.params[i]].type), i + 1));
    }

    const Function& f_;
    const Dominators* dominators_ = nullptr;
    std::vector<u32> positions_;
    std::string message_;
};

}  // namespace

Result<void> verify(const Function& f) { return Verifier(f).run(); }

}  // namespace kiln::ir

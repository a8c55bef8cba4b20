#include "random_places.h"

#include <vector>

#include "abi/riscv64/state.h"
#include "ir/builder.h"
#include "run_ir.h"

namespace kiln::test {

using namespace ir;

namespace {

class Generator {
  public:
    Generator(Function& f, std::mt19937_64& random) : f_(f), builder_(f), random_(random) {}

    void run() {
        f_.clear(GuestAddr(0x10000));
        builder_.at(f_.add_block());
        next_origin();
        std::vector<ValueId> values;
        path(values, 3);
        leave(values);
    }

  private:
    using Values = std::vector<ValueId>;

    u32 pick(std::size_t count) { return static_cast<u32>(random_() % count); }
    bool chance(u32 percent) { return pick(100) < percent; }

    void next_origin() {
        builder_.origin(GuestAddr(pc_ += 4));
        ++origins_;
    }

    SlotId slot() { return chance(75) ? riscv64::x_slot(5 + pick(3)) : riscv64::f_slot(pick(2)); }

    /// Code up to where all its ways that stay in the function meet again; `values` can be used after it.
    void path(Values& values, u32 depth) {
        for (u32 part = 1 + pick(3); part > 0; --part) {
            for (u32 n = pick(6); n > 0; --n) instruction(values);
            if (chance(35)) side_exit(values);
            if (depth > 0 && chance(40)) diamond(values, depth - 1);
        }
    }

    /// A conditional branch, on either side, to a block that leaves: a bare way out, or one with code before
    /// it.
    void side_exit(Values& values) {
        const ValueId condition = this->condition(values);
        const BlockId out = f_.add_block(), on = f_.add_block();
        if (chance(50))
            builder_.br_if(condition, out, on);
        else
            builder_.br_if(condition, on, out);
        builder_.at(out);
        Values inside = values;
        if (chance(40)) instruction(inside);
        if (chance(70))
            builder_.goto_pc(GuestAddr(0x20000 + 4 * pick(8)));
        else
            leave(inside);
        builder_.at(on);
        next_origin();
    }

    /// Two ways that meet in a block with parameters. The block may be numbered before what leads to it.
    void diamond(Values& values, u32 depth) {
        const ValueId condition = this->condition(values);
        const bool join_first = chance(50), direct = chance(25);
        BlockId join = join_first ? f_.add_block() : BlockId::none;
        const BlockId left = f_.add_block();
        const BlockId right = direct ? BlockId::none : f_.add_block();
        if (!join_first) join = f_.add_block();
        std::vector<Type> types;
        for (u32 p = pick(4); p > 0; --p) types.push_back(chance(70) ? Type::i64 : narrow_type());
        Values params;
        for (Type t : types) params.push_back(f_.add_param(join, t));

        Inst branch(Op::br_if);
        branch.args[0] = condition;
        branch.edges[0] = f_.add_edge(left, {});
        branch.edges[1] = direct ? edge(join, values, types) : f_.add_edge(right, {});
        branch.origin = OriginId(origins_ - 1);
        if (chance(50)) std::swap(branch.edges[0], branch.edges[1]);
        f_.append(builder_.block(), branch);
        for (BlockId arm : {left, right}) {
            if (arm == BlockId::none) continue;
            builder_.at(arm);
            Values inside = values;
            if (chance(60)) path(inside, depth);
            Inst on(Op::br);
            on.edges[0] = edge(join, inside, types);
            on.edges[1] = EdgeId::none;
            on.origin = OriginId(origins_ - 1);
            f_.append(builder_.block(), on);
        }
        builder_.at(join);
        values.insert(values.end(), params.begin(), params.end());
    }

    EdgeId edge(BlockId target, Values& values, const std::vector<Type>& types) {
        Values args;
        for (Type t : types) args.push_back(value(values, t));
        return f_.add_edge(target, args);
    }

    void leave(Values& values) {
        switch (pick(4)) {
            case 0: return builder_.syscall(GuestAddr(pc_ + 4));
            case 1: {
                const ValueId target = value(values, Type::i64);
                return builder_.goto_ind(
                    builder_.binary(Op::and_, target, builder_.iconst(Type::i64, ~u64{1})));
            }
            case 2: return builder_.trap(Trap::breakpoint);
            default: return builder_.goto_pc(GuestAddr(0x20000 + 4 * pick(8)));
        }
    }

    Type narrow_type() {
        constexpr Type types[] = {Type::i8, Type::i16, Type::i32, Type::i32, Type::f32, Type::f64, Type::i1};
        return types[pick(std::size(types))];
    }

    ValueId condition(Values& values) {
        if (chance(20)) return value(values, Type::i1);
        const Type type = chance(70) ? Type::i64 : Type::i32;
        const ValueId a = value(values, type), b = chance(50) ? constant(type) : value(values, type);
        const ValueId test = builder_.icmp(Cond(pick(6)), a, b);
        if (chance(15)) values.push_back(test);
        return test;
    }

    ValueId constant(Type type) {
        constexpr u64 common[] = {0, 1, 8, 31, 0x80, 0xffff, ~u64{0}, u64{1} << 31};
        return builder_.iconst(type, common[pick(std::size(common))]);
    }

    /// A value of that type: one that is there, or a new one with few operations between it and a slot.
    ValueId value(Values& values, Type type) {
        if (chance(60))
            for (unsigned tries = 0; tries < 6 && !values.empty(); ++tries)
                if (const ValueId v = values[pick(values.size())]; f_.result_type(v) == type) return v;
        const ValueId made = new_value(values, type);
        values.push_back(made);
        return made;
    }

    ValueId new_value(Values& values, Type type) {
        if ((is_int(type) || type == Type::i1) && chance(20)) return constant(type);
        switch (type) {
            case Type::i1:
                if (chance(30)) return builder_.convert(Op::trunc, type, value(values, Type::i32));
                return builder_.icmp(Cond(pick(6)), value(values, Type::i64), value(values, Type::i64));
            case Type::i8:
            case Type::i16: return builder_.convert(Op::trunc, type, value(values, Type::i32));
            case Type::i32:
                if (chance(20)) return builder_.convert(Op::bitcast, type, value(values, Type::f32));
                if (chance(20)) return builder_.convert(Op::zext, type, value(values, Type::i8));
                return builder_.convert(Op::trunc, type, value(values, Type::i64));
            case Type::f32:
                if (chance(30)) return builder_.convert(Op::bitcast, type, value(values, Type::i32));
                return builder_.convert(Op::nan_unbox, type, value(values, Type::i64));
            case Type::f64: return builder_.convert(Op::bitcast, type, value(values, Type::i64));
            default: return i64_value(values);
        }
    }

    ValueId i64_value(Values& values) {
        switch (pick(10)) {
            case 0: return builder_.convert(Op::zext, Type::i64, value(values, narrow_int()));
            case 1: return builder_.convert(Op::sext, Type::i64, value(values, narrow_int()));
            case 2: return builder_.convert(Op::nan_box, Type::i64, value(values, Type::f32));
            case 3: return builder_.convert(Op::bitcast, Type::i64, value(values, Type::f64));
            case 4: {
                const ValueId pair = builder_.pair(value(values, Type::i64), value(values, Type::i64));
                return builder_.unary(chance(50) ? Op::low : Op::high, pair);
            }
            default: return builder_.get_state(slot());
        }
    }
    Type narrow_int() {
        constexpr Type types[] = {Type::i1, Type::i8, Type::i16, Type::i32, Type::i32};
        return types[pick(std::size(types))];
    }

    void instruction(Values& values) {
        if (chance(40)) next_origin();
        switch (pick(10)) {
            case 0:
            case 1:
            case 2:
            case 3: return put(values);
            case 4: values.push_back(arithmetic(values)); return;
            case 5: {  // as most guest instructions: computed, extended, put
                const ValueId result = arithmetic(values);
                const Type type = f_.result_type(result);
                const ValueId wide =
                    type == Type::i64 ? result
                    : is_fp(type)     ? result
                                      : builder_.convert(chance(70) ? Op::sext : Op::zext, Type::i64, result);
                if (chance(30)) values.push_back(result);
                if (chance(30)) values.push_back(wide);
                if (f_.result_type(wide) == Type::i64) builder_.put_state(slot(), wide);
                return;
            }
            case 6: values.push_back(load(values)); return;
            case 7: {
                const Type type = chance(50) ? Type::i64 : memory_type();
                const ValueId at = address(values);
                Inst inst(Op::store, type);
                inst.args[0] = at;
                inst.args[1] = value(values, type);
                return faulting(inst, values);
            }
            case 8: {
                const ValueId a = value(values, Type::i1);
                const Type type = chance(70) ? Type::i64 : narrow_type();
                const ValueId b = value(values, type), c = value(values, type);
                values.push_back(builder_.select(a, b, c));
                return;
            }
            default: {
                if (chance(70)) return put(values);
                Inst inst(Op::guard);
                inst.args[0] = value(values, Type::i1);
                inst.imm = pick(5);
                return faulting(inst, values);
            }
        }
    }

    void put(Values& values) {
        const ValueId v = value(values, Type::i64);
        builder_.put_state(slot(), v);
    }

    ValueId arithmetic(Values& values) {
        constexpr Op ops[] = {Op::add, Op::sub, Op::xor_, Op::shl, Op::sar, Op::min_s, Op::rotl};
        const u32 kind = pick(8);
        if (kind == 0) return float_sum(values, chance(50) ? Type::f32 : Type::f64);
        const Type type = kind < 5 ? Type::i64 : kind < 7 ? Type::i32 : Type::i8;
        const ValueId a = value(values, type), b = value(values, type);
        return builder_.binary(ops[pick(std::size(ops))], a, b);
    }

    ValueId float_sum(Values& values, Type type) {
        const ValueId a = value(values, type), b = value(values, type);
        Inst inst(chance(50) ? Op::fadd : Op::fmul, type);
        inst.args[0] = a;
        inst.args[1] = b;
        inst.attr0 = static_cast<u8>(chance(80) ? Rounding::rne : Rounding::dyn);
        faulting(inst, values);
        return f_[builder_.block()].last;
    }

    ValueId address(Values& values) {
        const ValueId any = value(values, Type::i64);
        const ValueId inside = builder_.binary(Op::and_, any, builder_.iconst(Type::i64, 0xff8));
        return builder_.binary(Op::or_, inside,
                               builder_.iconst(Type::i64, chance(95) ? irtool::window_begin : 0x1000));
    }

    Type memory_type() {
        constexpr Type types[] = {Type::i8, Type::i16, Type::i32, Type::i64, Type::f32, Type::f64};
        return types[pick(std::size(types))];
    }

    ValueId load(Values& values) {
        Inst inst(Op::load, memory_type());
        inst.args[0] = address(values);
        faulting(inst, values);
        const ValueId loaded = f_[builder_.block()].last;
        if (is_int(inst.type) && inst.type != Type::i64 && chance(70)) {
            const ValueId wide = builder_.convert(chance(50) ? Op::sext : Op::zext, Type::i64, loaded);
            if (chance(50)) builder_.put_state(slot(), wide);
            if (chance(50)) values.push_back(wide);
        }
        if (inst.type == Type::f32 && chance(70))
            builder_.put_state(slot(), builder_.convert(Op::nan_box, Type::i64, loaded));
        return loaded;
    }

    void faulting(Inst inst, Values& values) {
        std::vector<FrameEntry> frame;
        if (chance(40)) frame.push_back({riscv64::x_slot(5), value(values, Type::i64)});
        if (chance(40)) frame.push_back({riscv64::x_slot(6), value(values, Type::i64)});
        inst.frame = f_.add_frame(frame);
        inst.origin = OriginId(origins_ - 1);
        f_.append(builder_.block(), inst);
    }

    Function& f_;
    Builder builder_;
    std::mt19937_64& random_;
    u64 pc_ = 0x10000 - 4;
    u32 origins_ = 0;
};

}  // namespace

void random_places(Function& f, std::mt19937_64& random) { Generator(f, random).run(); }

}  // namespace kiln::test

#include "random_ir.h"

#include <algorithm>
#include <vector>

#include "abi/helpers.h"
#include "abi/riscv64/state.h"
#include "ir/builder.h"
#include "run_ir.h"

namespace kiln::test {

using namespace ir;

namespace {

constexpr Type value_types[] = {Type::i1,  Type::i8,  Type::i16, Type::i32,  Type::i64, Type::i128,
                                Type::f16, Type::f32, Type::f64, Type::v128, Type::ptr, Type::boxed};
constexpr u32 max_blocks = 6, max_instructions = 12;

class Generator {
  public:
    Generator(Function& f, BlockShape shape, std::mt19937_64& random)
        : f_(f), builder_(f), shape_(shape), random_(random) {}

    void run() {
        f_.clear(GuestAddr(0x10000));
        const u32 blocks = shape_ == BlockShape::tree ? 1 + 2 * pick(max_blocks / 2) : 1 + pick(max_blocks);
        for (u32 b = 0; b < blocks; ++b) f_.add_block();
        if (shape_ == BlockShape::graph)
            for (u32 b = 1; b < blocks; ++b)
                for (u32 p = pick(3); p > 0; --p)
                    f_.add_param(BlockId(b), chance(70) ? Type::i64 : type_for(TypeRule::any));
        inherited_.assign(blocks, {});
        u32 next_child = 1;
        for (u32 b = 0; b < blocks; ++b) block(BlockId(b), next_child);
    }

  private:
    u32 pick(std::size_t count) { return static_cast<u32>(random_() % count); }
    bool chance(u32 percent) { return pick(100) < percent; }

    void block(BlockId id, u32& next_child) {
        builder_.at(id);
        values_ = inherited_[index(id)];
        for (ValueId p : f_[id].params) values_.push_back(p);
        for (u32 n = pick(max_instructions); n > 0; --n) instruction();
        next_origin();
        if (shape_ == BlockShape::graph && index(id) == 0)  // the entry dominates all
            for (auto& values : inherited_) values = values_;
        const u32 left = f_.block_count() - 1 - index(id);
        if (shape_ == BlockShape::tree) {
            if (next_child + 1 < f_.block_count()) {
                const BlockId taken = BlockId(next_child), other = BlockId(next_child + 1);
                next_child += 2;
                const ValueId condition = value(Type::i1);
                inherited_[index(taken)] = inherited_[index(other)] = values_;
                return builder_.br_if(condition, taken, other);
            }
        } else if (left > 0 && (chance(85) || index(id) == 0)) {
            return edges(BlockId(index(id) + 1), BlockId(index(id) + 1 + pick(left)));
        }
        leave();
    }

    void next_origin() {
        builder_.origin(GuestAddr(pc_ += 4));
        ++origins_;
    }
    OriginId origin() const { return OriginId(origins_ - 1); }

    /// Ways to the next block, so that each is reached, and to a later one.
    void edges(BlockId near, BlockId far) {
        if (near == far || chance(30)) return branch(near);
        if (chance(30)) return switch_(near, far);
        Inst inst(Op::br_if);
        inst.args[0] = value(Type::i1);
        inst.edges[0] = edge(near);
        inst.edges[1] = edge(far);
        if (chance(50)) std::swap(inst.edges[0], inst.edges[1]);
        inst.origin = origin();
        f_.append(builder_.block(), inst);
    }

    /// Small numbers are frequent in states, so cases are met.
    void switch_(BlockId near, BlockId far) {
        constexpr Type types[] = {Type::i8, Type::i16, Type::i32, Type::i64};
        Inst inst(Op::switch_, types[pick(4)]);
        inst.args[0] = value(inst.type);
        std::vector<SwitchCase> cases;
        const u64 step = chance(50) ? 1 : type_mask(inst.type) / 11;
        for (u32 n = pick(12), i = 0; i < n; ++i) cases.push_back({i * step, edge(chance(50) ? near : far)});
        std::ranges::shuffle(cases, random_);
        inst.ways = f_.add_ways(edge(chance(50) ? near : far), cases);
        inst.origin = origin();
        f_.append(builder_.block(), inst);
    }

    void branch(BlockId target) {
        Inst inst(Op::br);
        inst.edges[0] = edge(target);
        inst.edges[1] = EdgeId::none;
        inst.origin = origin();
        f_.append(builder_.block(), inst);
    }

    EdgeId edge(BlockId target) {
        std::vector<ValueId> args;
        for (ValueId p : f_[target].params) args.push_back(value(f_[p].type));
        return f_.add_edge(target, args);
    }

    void leave() {
        switch (pick(5)) {
            case 0: {  // guest instructions stand at even addresses
                const ValueId target = value(Type::i64);
                const ValueId even = builder_.iconst(Type::i64, ~u64{1});
                return builder_.goto_ind(builder_.binary(Op::and_, target, even), Hint::ret);
            }
            case 1: return builder_.syscall(GuestAddr(pc_ + 4));
            case 2: return builder_.trap(Trap::breakpoint);
            default:
                return builder_.goto_pc(GuestAddr(0x20000 + 2 * pick(100)), Hint::call, GuestAddr(pc_ + 4));
        }
    }

    /// A hot slot: an integer register, a floating-point one, or rarely the rounding mode.
    SlotId slot() {
        if (chance(3)) return riscv64::slot::frm;
        return chance(75) ? riscv64::x_slot(5 + pick(5)) : riscv64::f_slot(pick(4));
    }

    ValueId constant(Type type) {
        constexpr u64 common[] = {0,  1,  2,       8,    31,     32,         48,          56,
                                  63, 64, ~u64{0}, 0xff, 0xffff, 0xffffffff, u64{1} << 31};
        const u64 value = chance(80) ? common[pick(std::size(common))] : random_();
        return keep(builder_.iconst(type, value));
    }

    ValueId keep(ValueId v) {
        if (v != ValueId::none && f_.result_type(v) != Type::none) values_.push_back(v);
        return v;
    }

    SlotId slot(Type type) {
        if (type == Type::i64 && chance(90)) return slot();
        return SlotId(static_cast<u16>(irtool::typed_slot(type)) + pick(2));
    }

    /// A value of that type, one that is there or a new one.
    ValueId value(Type type) {
        if (chance(70)) {
            for (unsigned tries = 0; tries < 4 && !values_.empty(); ++tries) {
                const ValueId v =
                    values_[values_.size() - 1 - pick(std::min<std::size_t>(values_.size(), 8))];
                if (f_.result_type(v) == type) return v;
            }
        }
        if ((is_int(type) || type == Type::i1) && chance(25)) return constant(type);
        if (type != Type::i64 && chance(20)) return keep(builder_.get_state(slot(type)));
        switch (type) {
            case Type::i64: return keep(builder_.get_state(slot()));
            case Type::i1: return keep(builder_.icmp(Cond(pick(6)), value(Type::i64), value(Type::i64)));
            case Type::i8:
            case Type::i16:
            case Type::i32: return keep(builder_.convert(Op::trunc, type, value(Type::i64)));
            case Type::i128: {
                const ValueId low = value(Type::i64), high = value(Type::i64);
                return keep(builder_.pair(low, high));
            }
            case Type::f16:
            case Type::f32: return keep(builder_.convert(Op::nan_unbox, type, value(Type::i64)));
            case Type::v128: return keep(builder_.convert(Op::bitcast, type, value(Type::i128)));
            default: return keep(builder_.convert(Op::bitcast, type, value(Type::i64)));
        }
    }

    /// An address: mostly in the window or what the soft MMU shows of it, sometimes wherever a register
    /// points.
    ValueId address(Space space) {
        if (chance(10)) return value(Type::i64);
        const ValueId any = value(Type::i64);
        const bool mmu = space == Space::mmu;
        const u64 mask = mmu ? 0x7 : 0xff0;
        const ValueId inside = builder_.binary(Op::and_, any, builder_.iconst(Type::i64, mask));
        u64 base = irtool::window_begin + (chance(90) ? 0 : 8 + pick(4));
        if (mmu)
            base = irtool::mmu_begin + irtool::window_bytes * pick(irtool::mmu_pages + 1) -
                   (chance(50) ? 8 : 64);
        return keep(builder_.binary(Op::add, inside, builder_.iconst(Type::i64, base)));
    }

    Type type_for(TypeRule rule) {
        for (;;)
            if (const Type type = value_types[pick(std::size(value_types))]; allows(rule, type)) return type;
    }
    /// A type that guest memory holds.
    Type memory_type(TypeRule rule) {
        for (;;)
            if (const Type type = type_for(rule); type != Type::ptr && type != Type::boxed) return type;
    }

    u8 attribute(AttrGroup group) {
        u8 count = 0;
        while (attr_name(group, count)) ++count;
        return count == 0 ? u8{0} : static_cast<u8>(pick(count));
    }

    void put() {
        const Type type = chance(80) ? Type::i64 : type_for(TypeRule::any);
        builder_.put_state(slot(type), value(type));
    }

    void instruction() {
        if (origins_ == 0 || chance(50)) next_origin();
        if (chance(35)) return put();
        const Op op = Op(pick(op_count));
        const OpInfo& row = info(op);
        if (row.effects.terminator || op == Op::param) return put();
        Inst inst(op);
        inst.attr0 = attribute(row.attrs[0]);
        inst.attr1 = attribute(row.attrs[1]);
        if (row.spaced && chance(20)) inst.space = Space::mmu;
        if (!operands(inst, row)) return;
        if (Function::has_frame(inst)) inst.frame = chance(30) ? frame() : Range{};
        inst.origin = origin();
        keep(f_.append(builder_.block(), inst));
    }

    Range frame() {
        const Type type = chance(80) ? Type::i64 : type_for(TypeRule::any);
        const FrameEntry entry{slot(type), value(type)};
        return f_.add_frame({&entry, 1});
    }

    bool operands(Inst& inst, const OpInfo& row) {
        switch (row.shape) {
            case Shape::imm: return false;
            case Shape::nullary:
                inst.type = row.types == TypeRule::none ? Type::none : Type::i64;
                return true;
            case Shape::effect: {
                inst.type = Type::i64;
                const ValueId any = value(Type::i64);
                inst.args[0] = builder_.binary(Op::and_, any, builder_.iconst(Type::i64, 31));
                return true;
            }
            case Shape::unary:
            case Shape::binary:
            case Shape::ternary:
            case Shape::compare:
                inst.type = type_for(row.types);
                for (unsigned i = 0; i < arg_count(row.shape); ++i) inst.args[i] = value(inst.type);
                return true;
            case Shape::select:
                inst.type = type_for(row.types);
                inst.args[0] = value(Type::i1);
                inst.args[1] = value(inst.type);
                inst.args[2] = value(inst.type);
                return true;
            case Shape::convert: return conversion(inst);
            case Shape::pair:
                inst.type = Type::i128;
                inst.args[0] = value(Type::i64);
                inst.args[1] = value(Type::i64);
                return true;
            case Shape::half:
                inst.type = Type::i64;
                inst.args[0] = value(Type::i128);
                return true;
            case Shape::insert:
                inst.type = Type::v128;
                inst.args[0] = value(Type::v128);
                inst.args[1] = value(lane_type(inst.lane()));
                inst.imm = pick(lane_count(lane_type(inst.lane())));
                return true;
            case Shape::extract:
                inst.type = type_for(row.types);
                inst.args[0] = value(Type::v128);
                inst.imm = pick(lane_count(inst.type));
                return true;
            case Shape::get:
                inst.type = chance(50) ? Type::i64 : type_for(row.types);
                inst.slot = slot(inst.type);
                return true;
            case Shape::put: return false;
            case Shape::load:
            case Shape::store:
            case Shape::rmw:
            case Shape::cas:
                inst.type = memory_type(row.types);
                inst.args[0] = address(inst.space);
                for (unsigned i = 1; i < arg_count(row.shape); ++i) inst.args[i] = value(inst.type);
                if (row.shape == Shape::load || row.shape == Shape::store) inst.imm = 8 * pick(4);
                return true;
            case Shape::call: return call(inst);
            case Shape::guard:
                inst.args[0] = value(Type::i1);
                inst.imm = 1 + pick(9);
                return true;
            case Shape::count:
                inst.type = Type::none;
                inst.imm = pick(50);
                return true;
            case Shape::param:
            case Shape::br:
            case Shape::br_if:
            case Shape::switch_:
            case Shape::goto_pc:
            case Shape::goto_ind:
            case Shape::leave:
            case Shape::trap: return false;
        }
        return false;
    }

    bool call(Inst& inst) {
        inst.helper = HelperId(pick(f_.env().helpers.size()));
        const HelperSig& sig = f_.env()[inst.helper];
        if (sig.effects.any) return false;  // clocks: two runs differ
        std::vector<ValueId> args;
        for (std::size_t i = 0; i < sig.args.size(); ++i) {
            const ValueId any = value(Type::i64);
            // Helpers for immediates of an instruction take what an instruction can hold.
            args.push_back(sig.name == "aes64ks1i" && i == 1
                               ? builder_.binary(Op::and_, any, builder_.iconst(Type::i64, 7))
                               : any);
        }
        inst.type = sig.result;
        inst.list = f_.add_values(args);
        return true;
    }

    bool conversion(Inst& inst) {
        const auto pair = [&](Type from, Type to) {
            inst.type = to;
            inst.args[0] = value(from);
            return true;
        };
        constexpr Type integers[] = {Type::i1, Type::i8, Type::i16, Type::i32, Type::i64};
        constexpr Type floats[] = {Type::f16, Type::f32, Type::f64};
        const u32 narrow = pick(4), wide = narrow + 1 + pick(4 - narrow);
        const Type word = chance(50) ? Type::i32 : Type::i64, real = floats[pick(3)];
        switch (inst.op) {
            case Op::trunc: return pair(integers[wide], integers[narrow]);
            case Op::zext:
            case Op::sext: return pair(integers[narrow], integers[wide]);
            case Op::bitcast: {
                constexpr Type pairs[][2] = {{Type::i16, Type::f16},   {Type::i32, Type::f32},
                                             {Type::i64, Type::f64},   {Type::i64, Type::ptr},
                                             {Type::i64, Type::boxed}, {Type::i128, Type::v128}};
                const auto& [a, b] = pairs[pick(std::size(pairs))];
                return chance(50) ? pair(a, b) : pair(b, a);
            }
            case Op::vsplat: return pair(lane_type(inst.lane()), Type::v128);
            case Op::nan_box: return pair(floats[pick(2)], Type::i64);
            case Op::nan_unbox: return pair(Type::i64, floats[pick(2)]);
            case Op::fcvt: {
                const u32 from = pick(3);
                return pair(floats[from], floats[(from + 1 + pick(2)) % 3]);
            }
            case Op::fcvt_from_s:
            case Op::fcvt_from_u: return pair(word, real);
            default: return pair(real, word);
        }
    }

    Function& f_;
    Builder builder_;
    const BlockShape shape_;
    std::mt19937_64& random_;
    std::vector<ValueId> values_;                  // that the current block may use
    std::vector<std::vector<ValueId>> inherited_;  // block → those from blocks that dominate it
    u64 pc_ = 0x10000 - 4;
    u32 origins_ = 0;
};

}  // namespace

void random_function(Function& f, BlockShape shape, std::mt19937_64& random) {
    Generator(f, shape, random).run();
}

}  // namespace kiln::test

// Every operation of ops.def on every type, attribute and guest space that the verifier accepts, with operands
// as constants, in state slots and in temporaries, on edge values: the interpreter runs it, and does what the
// reference evaluator says. And what a fault leaves behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "reference.h"

namespace kiln::test {
namespace {

using namespace ir;
using abi::ExitReason;

constexpr auto types = [] {
    std::array<Type, type_count - 1> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = Type(i + 1);
    return all;
}();

/// Where an operand comes from.
enum class From { constant, slot, temporary };
/// What becomes of the result on its way to a slot.
enum class Into { zext, sext };

constexpr u64 integers[] = {0,          1,          2,          0x7f,       0x80,         0xffff8000,
                            0x80000000, 0x7fffffff, 0xffffffff, 0x12345678, ~u64{0} >> 1, u64{1} << 63,
                            ~u64{0}};
constexpr u64 floats[] = {0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xc008000000000000,
                          0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x000fffffffffffff,
                          0x43f0000000000000,  // 2^64
                          0xffffffff3fc00000, 0xffffffff80000001, 0xffffffff7f7fffff, 0xffffffff7f800001,
                          0xffffffff4f000000, 0xffffffffffff3e00, 0xffffffffffff8001, 0xffffffffffff7bff,
                          0xffffffffffff7d01, 0x000000003f800000};
// Low halves; the high ones are their complements. Small numbers in all lanes choose lanes of a shuffle.
constexpr u64 vectors[] = {0,
                           0x0706050403020100,
                           0x1f100f1e011d0402,
                           0x0003000900070001,
                           0x0000000500000006,
                           0x807f00ff01fe8081,
                           ~u64{0} >> 1,
                           ~u64{0}};
constexpr u64 addresses[] = {irtool::window_begin,
                             irtool::window_begin + 3,
                             irtool::window_begin + 0x100,
                             irtool::window_begin + irtool::window_bytes - 4,
                             irtool::window_begin + irtool::window_bytes,
                             irtool::window_begin - 2,
                             0,
                             ~u64{0} - 7,
                             u64{1} << 62};
constexpr u64 mmu_addresses[] = {irtool::mmu_begin + 0x100,
                                 irtool::mmu_begin + irtool::window_bytes - 4,
                                 irtool::mmu_begin + irtool::window_bytes - 8,
                                 irtool::mmu_begin + 2 * irtool::window_bytes - 2,
                                 irtool::mmu_begin + 2 * irtool::window_bytes + 0x100,
                                 irtool::mmu_begin + 3 * irtool::window_bytes - 1,
                                 irtool::mmu_begin - 1,
                                 irtool::window_begin};

/// Builds and runs functions of one operation. Operand number i is slot x5 + 2i, with the high half of an
/// i128 in the next; the result goes to x12 and x13.
class Operation {
  public:
    explicit Operation(Op op) : op_(op), info_(ir::info(op)) {}

    void check_all() {
        for (Type type : types) {
            if (!allows(info_.types, type)) continue;
            for (u8 attr0 = 0; attr0 < values_of(info_.attrs[0]); ++attr0)
                for (u8 attr1 = 0; attr1 < values_of(info_.attrs[1]); ++attr1) {
                    for (From from : {From::constant, From::slot, From::temporary})
                        for (Into into : {Into::zext, Into::sext})
                            if (into == Into::zext || widens(type))
                                check({type, attr0, attr1, Space::flat, from, into});
                    if (info_.spaced) check({type, attr0, attr1, Space::mmu, From::slot, Into::zext});
                }
        }
    }
    u64 runs() const { return runs_; }

  private:
    struct Case {
        Type type;
        u8 attr0, attr1;
        Space space;
        From from;
        Into into;
    };

    static u8 values_of(AttrGroup group) {
        u8 count = 0;
        while (attr_name(group, count)) ++count;
        return std::max<u8>(count, 1);
    }

    /// Whether a result of that type has a zero and a sign extension to 64 bits.
    bool widens(Type type) const {
        return info_.result == ResultRule::same && is_int(type) && type != Type::i64;
    }

    /// The type of operand `i`, given the instruction's type; none when there is no such operand.
    Type operand_type(const Case& c, unsigned i) const {
        if (i >= arg_count(info_.shape)) return Type::none;
        const bool is_address = i == 0 && (info_.shape == Shape::load || info_.shape == Shape::store ||
                                           info_.shape == Shape::rmw || info_.shape == Shape::cas);
        if (is_address || info_.shape == Shape::pair) return Type::i64;
        if (info_.shape == Shape::half) return Type::i128;
        if (info_.shape == Shape::extract || (info_.shape == Shape::insert && i == 0)) return Type::v128;
        if (info_.shape == Shape::insert) return lane_type(Lane(c.attr0));
        if (info_.shape == Shape::select && i == 0) return Type::i1;
        return c.type;
    }

    void check(const Case& c) {
        switch (op_) {
            case Op::trunc:
            case Op::zext:
            case Op::sext:
            case Op::bitcast:
            case Op::vsplat:
            case Op::nan_box:
            case Op::nan_unbox:
            case Op::fcvt:
            case Op::fcvt_from_s:
            case Op::fcvt_from_u:
            case Op::fcvt_to_s:
            case Op::fcvt_to_u:
                for (Type source : types) check(c, source);
                return;
            default: check(c, Type::none);
        }
    }

    std::span<const u64> edge_values(Type type) const {
        if (type == Type::v128) return vectors;
        if (is_fp(type) || op_ == Op::nan_unbox) return floats;
        return integers;
    }

    void check(const Case& c, Type source) {
        const unsigned operands = arg_count(info_.shape);
        const auto type_of = [&](unsigned i) { return source == Type::none ? operand_type(c, i) : source; };
        const auto values_of_operand = [&](unsigned i) {
            if (i == 0 && info_.spaced)
                return c.space == Space::flat ? std::span<const u64>(addresses) : mmu_addresses;
            return edge_values(type_of(i));
        };
        const std::size_t firsts = operands > 0 ? values_of_operand(0).size() : 1;
        const std::size_t seconds = operands > 1 ? values_of_operand(1).size() : 1;
        for (std::size_t i = 0; i < firsts; ++i)
            for (std::size_t j = 0; j < seconds; ++j) {
                u64 values[3] = {};
                if (operands > 0) values[0] = values_of_operand(0)[i];
                if (operands > 1) values[1] = values_of_operand(1)[j];
                if (operands > 2)
                    values[2] = values_of_operand(2)[(i * 7 + j * 3) % values_of_operand(2).size()];
                // Only constants make another function.
                if ((i == 0 && j == 0) || c.from == From::constant || takes_lane())
                    if (!build(c, source, values)) return;
                run(c, values, (i + j) % 8);
                if (testing::Test::HasFailure()) return;
            }
    }

    bool takes_lane() const { return info_.shape == Shape::insert || info_.shape == Shape::extract; }

    static SlotId slot(unsigned operand, unsigned half = 0) {
        return riscv64::x_slot(5 + 2 * operand + half);
    }

    ValueId word(Builder& b, const Case& c, unsigned operand, unsigned half, u64 value) {
        if (c.from == From::constant) return b.iconst(Type::i64, value);
        const ValueId read = b.get_state(slot(operand, half));
        return c.from == From::slot ? read : b.binary(Op::xor_, read, b.get_state(riscv64::x_slot(20)));
    }

    ValueId operand(Builder& b, const Case& c, unsigned i, Type type, u64 value) {
        if (c.from == From::constant && (is_int(type) || type == Type::i1)) return b.iconst(type, value);
        const ValueId low = word(b, c, i, 0, value);
        switch (type) {
            case Type::i64: return low;
            case Type::i128: return b.pair(low, word(b, c, i, 1, ~value));
            case Type::v128: return b.convert(Op::bitcast, type, b.pair(low, word(b, c, i, 1, ~value)));
            case Type::ptr:
            case Type::boxed:
            case Type::f64: return b.convert(Op::bitcast, type, low);
            case Type::f16:
            case Type::f32: return b.convert(Op::nan_unbox, type, low);
            default: return b.convert(Op::trunc, type, low);
        }
    }

    void put(Builder& b, const Case& c, ValueId result) {
        const SlotId to = riscv64::x_slot(12);
        switch (const Type type = f_.result_type(result)) {
            case Type::none: return;
            case Type::i64: return b.put_state(to, result);
            case Type::i128:
                b.put_state(to, b.unary(Op::low, result));
                return b.put_state(riscv64::x_slot(13), b.unary(Op::high, result));
            case Type::v128: return put(b, c, b.convert(Op::bitcast, Type::i128, result));
            case Type::ptr:
            case Type::boxed:
            case Type::f64: return b.put_state(to, b.convert(Op::bitcast, Type::i64, result));
            case Type::f16:
            case Type::f32: return b.put_state(to, b.convert(Op::nan_box, Type::i64, result));
            default:
                return b.put_state(
                    to, b.convert(type != Type::i1 && c.into == Into::sext ? Op::sext : Op::zext, Type::i64,
                                  result));
        }
    }

    /// False when the verifier says that there is no such operation.
    bool build(const Case& c, Type source, const u64 (&values)[3]) {
        f_.clear(GuestAddr(0x10000));
        Builder b(f_);
        b.at(f_.add_block());
        b.origin(GuestAddr(0x10000));
        b.put_state(riscv64::x_slot(14), b.iconst(Type::i64, 1));
        b.origin(GuestAddr(0x10004));
        Inst inst(op_, c.type);
        inst.attr0 = c.attr0;
        inst.attr1 = c.attr1;
        inst.space = c.space;
        if (info_.shape == Shape::insert) inst.imm = values[0] % lane_count(lane_type(Lane(c.attr0)));
        if (info_.shape == Shape::extract) inst.imm = values[0] % lane_count(c.type);
        for (unsigned i = 0; i < arg_count(info_.shape); ++i)
            inst.args[i] = operand(b, c, i, source == Type::none ? operand_type(c, i) : source, values[i]);
        if (info_.effects.may_fault) {
            const FrameEntry frame[] = {{riscv64::x_slot(15), b.get_state(riscv64::x_slot(16))},
                                        {riscv64::x_slot(16), b.iconst(Type::i64, 77)}};
            inst.frame = f_.add_frame(frame);
        }
        inst.origin = OriginId(1);
        put(b, c, f_.append(b.block(), inst));
        b.origin(GuestAddr(0x10008));
        b.put_state(riscv64::x_slot(14), b.iconst(Type::i64, 2));
        b.goto_pc(GuestAddr(0x20000));
        return verify(f_).has_value();
    }

    void run(const Case& c, const u64 (&values)[3], u64 rounding) {
        irtool::GuestState initial;
        for (unsigned i = 0; i < 3; ++i) {
            initial.slots[static_cast<u16>(slot(i))] = values[i];
            initial.slots[static_cast<u16>(slot(i, 1))] = ~values[i];
        }
        initial.slots[static_cast<u16>(riscv64::x_slot(15))] = 15;
        initial.slots[static_cast<u16>(riscv64::x_slot(16))] = 16;
        initial.slots[static_cast<u16>(riscv64::slot::frm)] = rounding;
        initial.fp_flags = 2;
        for (std::size_t i = 0; i < irtool::window_bytes; ++i) initial.memory[i] = static_cast<u8>(i * 37);
        // So that a comparison finds what it expects, some of the time.
        std::memcpy(initial.memory.data() + 0x100, &values[1], 8);
        const u64 high = ~values[1];
        std::memcpy(initial.memory.data() + 0x108, &high, 8);
        const u64 compiled = runner_.compiled();
        const auto outcome = runner_.run(f_, initial);
        ASSERT_TRUE(outcome) << outcome.error().message << "\n" << print(f_);
        if (runner_.compiles() && c.space == Space::flat)
            ASSERT_EQ(runner_.compiled(), compiled + 1) << runner_.not_compiled() << "\n" << print(f_);
        const auto different = irtool::difference(initial, evaluate(f_, initial), *outcome);
        ASSERT_FALSE(different) << "(first: expected)\n" << *different << print(f_);
        ++runs_;
    }

    static irtool::Runner runner_;
    const Op op_;
    const OpInfo& info_;
    Function f_{irtool::env};
    u64 runs_ = 0;
};
irtool::Runner Operation::runner_;

class EveryOperation : public testing::TestWithParam<Op> {};

TEST_P(EveryOperation, AsTheReferenceSays) {
    Operation operation(GetParam());
    operation.check_all();
    EXPECT_GT(operation.runs(), 0u);
}

std::vector<Op> operations() {
    std::vector<Op> all;
    for (std::size_t i = 0; i < op_count; ++i) {
        const OpInfo& row = info(Op(i));
        // Slots, constants and ways out are in every function; calls and fences have no edge values.
        const bool has_operands = arg_count(row.shape) > 0 && row.shape != Shape::put;
        if (has_operands && !row.effects.terminator && row.types != TypeRule::none) all.push_back(Op(i));
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOperation, testing::ValuesIn(operations()),
                         [](const auto& op) { return std::string(name(op.param)); });

/// Slots of every type, read and written, straight and by way of a temporary.
TEST(Slots, OfEveryType) {
    irtool::Runner runner;
    std::mt19937_64 random(1);
    Function f(irtool::env);
    for (Type type : types) {
        const SlotId a = irtool::typed_slot(type), b = SlotId(static_cast<u16>(a) + 1);
        for (bool swapped : {false, true}) {
            f.clear(GuestAddr(0x10000));
            Builder builder(f);
            builder.at(f.add_block());
            builder.origin(GuestAddr(0x10000));
            const ValueId from_a = builder.get_state(a), from_b = builder.get_state(b);
            builder.put_state(b, from_a);
            builder.put_state(a, swapped ? from_b : from_a);
            builder.goto_pc(GuestAddr(0x20000));
            ASSERT_TRUE(verify(f)) << verify(f).error().message;
            const irtool::GuestState initial = irtool::random_state(random);
            const auto outcome = runner.run(f, initial);
            ASSERT_TRUE(outcome) << outcome.error().message << print(f);
            const auto different = irtool::difference(initial, evaluate(f, initial), *outcome);
            EXPECT_FALSE(different) << "(first: expected)\n" << *different << print(f);
        }
    }
}

/// Objects of the runtime, by their address in the host.
TEST(Spaces, HostMemoryIsReachedByPointers) {
    struct Object {
        alignas(16) u64 numbers[2];
        Object* next;
    };
    Object second{{5, 6}, nullptr}, first{{3, 4}, &second};
    Function f(irtool::env);
    f.clear(GuestAddr(0x10000));
    Builder b(f);
    b.at(f.add_block());
    b.origin(GuestAddr(0x10000));
    b.space(Space::host);
    const ValueId object = b.get_state(irtool::typed_slot(Type::ptr));
    b.put_state(irtool::typed_slot(Type::i32), b.load(Type::i32, object, 8));
    const ValueId next = b.load(Type::ptr, object, offsetof(Object, next));
    const ValueId numbers = b.load(Type::v128, next, 0, Order::acquire);
    b.store(object, 0, numbers);
    b.atomic_rmw(Rmw::add, Order::seq_cst, next, b.iconst(Type::i64, 100));
    b.store(next, offsetof(Object, next), object);
    b.goto_pc(GuestAddr(0x20000));
    ASSERT_TRUE(verify(f)) << verify(f).error().message;
    irtool::GuestState initial;
    initial.slots[irtool::word_of(irtool::typed_slot(Type::ptr))] = reinterpret_cast<u64>(&first);
    irtool::Runner runner;
    const auto outcome = runner.run(f, initial);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->reason, ExitReason::lookup);
    EXPECT_EQ(outcome->state.slots[irtool::word_of(irtool::typed_slot(Type::i32))], 4u);
    EXPECT_EQ(first.numbers[0], 5u);
    EXPECT_EQ(first.numbers[1], 6u);
    EXPECT_EQ(second.numbers[0], 105u);
    EXPECT_EQ(second.next, &first);
}

// ---- Said by hand, not by the reference ----

irtool::Outcome run_text(std::string_view text, const irtool::GuestState& initial) {
    Function f(riscv64::env);
    const auto parsed = parse(text, f);
    EXPECT_TRUE(parsed) << parsed.error().message;
    const auto valid = verify(f);
    EXPECT_TRUE(valid) << valid.error().message;
    irtool::Runner runner;
    auto outcome = runner.run(f, initial);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return *outcome;
}

u64 x(const irtool::Outcome& outcome, unsigned number) {
    return outcome.state.slots[static_cast<u16>(riscv64::x_slot(number))];
}
u64 pc(const irtool::Outcome& outcome) { return outcome.state.slots[static_cast<u16>(riscv64::slot::pc)]; }

/// What came before the fault is done, its frame state is applied, what comes after it is not done.
TEST(Fault, LeavesTheStateOfItsInstruction) {
    const auto outcome = run_text(R"(function rv64 0x10000 {
b0:
@0x10000:
  %0 = iconst.i64 0x1
  put_state.i64 x5, %0
@0x10004:
  %1 = get_state.i64 x6
  %2 = add.i64 %1, %0
@0x10008:
  %3 = load.i64.relaxed %1, 8 [x7=%2 x6=%0]
  put_state.i64 x8, %3
  put_state.i64 x7, %2
@0x1000c:
  goto_pc.plain 0x10010
}
)",
                                  {});
    EXPECT_EQ(outcome.reason, ExitReason::fault);
    EXPECT_EQ(outcome.fault.address, GuestAddr(8));
    EXPECT_EQ(pc(outcome), 0x10008u);
    EXPECT_EQ(outcome.instructions, 2u);
    EXPECT_EQ(x(outcome, 5), 1u);
    EXPECT_EQ(x(outcome, 6), 1u);
    EXPECT_EQ(x(outcome, 7), 1u);
    EXPECT_EQ(x(outcome, 8), 0u);
}

TEST(Fault, Misaligned) {
    irtool::GuestState initial;
    initial.slots[static_cast<u16>(riscv64::x_slot(6))] = irtool::window_begin + 2;
    const auto outcome = run_text(R"(function rv64 0x10000 {
b0:
@0x10000:
  %0 = get_state.i64 x6
  %1 = load.i32.relaxed %0, 0
  %2 = sext.i64 %1
  put_state.i64 x5, %2
@0x10004:
  %3 = load.i32.acquire %0, 0
  goto_pc.plain 0x10008
}
)",
                                  initial);
    EXPECT_EQ(outcome.reason, ExitReason::fault);
    EXPECT_EQ(outcome.fault.kind, abi::FaultKind::misaligned);
    EXPECT_EQ(outcome.fault.address, GuestAddr(irtool::window_begin + 2));
    EXPECT_EQ(pc(outcome), 0x10004u);
}

TEST(Fault, GuardLeavesWithItsFrameAndNumber) {
    const auto outcome = run_text(R"(function rv64 0x10000 {
b0:
@0x10000:
  %0 = get_state.i64 x5
  %1 = iconst.i64 0x7
  %2 = icmp.i64.eq %0, %1
  guard %2, 0x2a [x9=%1]
  put_state.i64 x10, %1
  goto_pc.plain 0x10004
}
)",
                                  {});
    EXPECT_EQ(outcome.reason, ExitReason::side_exit);
    EXPECT_EQ(outcome.side_exit, 0x2au);
    EXPECT_EQ(x(outcome, 9), 7u);
    EXPECT_EQ(x(outcome, 10), 0u);
}

TEST(Fault, DynamicRoundingThatIsNone) {
    irtool::GuestState initial;
    initial.slots[static_cast<u16>(riscv64::slot::frm)] = 5;
    const auto outcome = run_text(R"(function rv64 0x10000 {
b0:
@0x10000:
  %0 = get_state.i64 f0
  %1 = bitcast.f64 %0
  %2 = fadd.f64.dyn %1, %1
  %3 = bitcast.i64 %2
  put_state.i64 f1, %3
  goto_pc.plain 0x10004
}
)",
                                  initial);
    EXPECT_EQ(outcome.reason, ExitReason::illegal);
    EXPECT_EQ(pc(outcome), 0x10000u);
    EXPECT_EQ(outcome.instructions, 0u);
}

/// Lane 0 is the lowest; comparisons give masks; a shuffle counts through both vectors.
TEST(Vectors, LanesAndTheirNumbers) {
    Function f(irtool::env);
    f.clear(GuestAddr(0x10000));
    Builder b(f);
    b.at(f.add_block());
    b.origin(GuestAddr(0x10000));
    const auto vector = [&](u64 low, u64 high) {
        return b.convert(Op::bitcast, Type::v128,
                         b.pair(b.iconst(Type::i64, low), b.iconst(Type::i64, high)));
    };
    const auto out = [&](unsigned x_register, ValueId v) {
        const ValueId bits = b.convert(Op::bitcast, Type::i128, v);
        b.put_state(riscv64::x_slot(x_register), b.unary(Op::low, bits));
        b.put_state(riscv64::x_slot(x_register + 1), b.unary(Op::high, bits));
    };
    const ValueId v = vector(0x0706050403020100, 0x0f0e0d0c0b0a0980);
    const ValueId seven = b.convert(Op::vsplat, Type::v128, b.iconst(Type::i8, 7), static_cast<u8>(Lane::i8));
    out(5, b.vcmp(Lane::i8, Cond::lt_s, v, seven));
    out(7, b.vinsert(Lane::i32, v, 1, b.iconst(Type::i32, 0xdeadbeef)));
    b.put_state(riscv64::x_slot(9), b.convert(Op::zext, Type::i64, b.vextract(Lane::i16, v, 4)));
    const ValueId numbers = vector(0x0009000000080007, 0x000f00100008ffff);
    out(10, b.ternary(Op::vshuffle, v, seven, numbers, static_cast<u8>(Lane::i16)));
    b.goto_pc(GuestAddr(0x20000));
    ASSERT_TRUE(verify(f)) << verify(f).error().message;
    irtool::Runner runner;
    const auto outcome = runner.run(f, {});
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(x(*outcome, 5), 0x00ffffffffffffffu);
    EXPECT_EQ(x(*outcome, 6), 0x00000000000000ffu);
    EXPECT_EQ(x(*outcome, 7), 0xdeadbeef03020100u);
    EXPECT_EQ(x(*outcome, 8), 0x0f0e0d0c0b0a0980u);
    EXPECT_EQ(x(*outcome, 9), 0x0980u);
    EXPECT_EQ(x(*outcome, 10), 0x0707010007070f0eu);
    EXPECT_EQ(x(*outcome, 11), 0x0707000007070000u);
}

/// As many cases as need a search and some of them next to each other; every one, and what lies between.
TEST(Switch, TakesTheCaseOfItsValue) {
    constexpr u64 values[] = {0x80, 0, 1, 2, 3, 0xff, 0x40, 0x7f, 0x20};
    Function f(riscv64::env);
    f.clear(GuestAddr(0x10000));
    Builder b(f);
    const BlockId entry = f.add_block(), otherwise = f.add_block();
    std::vector<Builder::Case> cases;
    for (u64 v : values) cases.push_back({v, f.add_block()});
    b.at(entry);
    b.origin(GuestAddr(0x10000));
    b.switch_(b.convert(Op::trunc, Type::i8, b.get_state(riscv64::x_slot(5))), otherwise, cases);
    b.at(otherwise);
    b.goto_pc(GuestAddr(0x20000));
    for (const Builder::Case& c : cases) {
        b.at(c.target);
        b.goto_pc(GuestAddr(0x30000 + c.value));
    }
    ASSERT_TRUE(verify(f)) << verify(f).error().message;
    irtool::Runner runner;
    for (u64 x = 0; x < 256; ++x) {
        irtool::GuestState initial;
        initial.slots[static_cast<u16>(riscv64::x_slot(5))] = x | 0xabcd00;
        const auto outcome = runner.run(f, initial);
        ASSERT_TRUE(outcome) << outcome.error().message;
        EXPECT_EQ(pc(*outcome), std::ranges::find(values, x) != std::end(values) ? 0x30000 + x : 0x20000u);
    }
}

/// 1/3 raises inexact; the guest reads 1, then sets all flags and clears them again.
TEST(Flags, AreReadAndSet) {
    const auto outcome = run_text(R"(function rv64 0x10000 {
b0:
@0x10000:
  %0 = iconst.i64 0x3ff0000000000000
  %1 = bitcast.f64 %0
  %2 = iconst.i64 0x4008000000000000
  %3 = bitcast.f64 %2
  %4 = fdiv.f64.rne %1, %3
  %5 = fp_get_flags.i64
  put_state.i64 x5, %5
  %6 = iconst.i64 0x1f
  fp_set_flags.i64 %6
  %7 = fp_get_flags.i64
  put_state.i64 x6, %7
  %8 = iconst.i64 0x4
  fp_set_flags.i64 %8
  %9 = fdiv.f64.rne %1, %3
  goto_pc.plain 0x10004
}
)",
                                  {});
    EXPECT_EQ(x(outcome, 5), 1u);
    EXPECT_EQ(x(outcome, 6), 0x1fu);
    EXPECT_EQ(outcome.state.fp_flags, 5u);
}

}  // namespace
}  // namespace kiln::test

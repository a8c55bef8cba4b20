// Properties of every operation and of random functions: the text form round-trips, passes keep functions
// well formed and do not change what they compute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "abi/riscv64/state.h"
#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "opt/pipeline.h"
#include "random_ir.h"
#include "run_ir.h"
#include "test_env.h"

namespace kiln {
namespace {

using namespace ir;

/// KILN_IR_SEED and KILN_IR_FUNCTIONS widen the search.
u64 from_environment(const char* name, u64 otherwise) {
    const char* const text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

void expect_round_trip(const Function& f) {
    const std::string text = print(f);
    std::string_view rest = text;
    Function again(f.env());
    const auto parsed = parse(rest, again);
    ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
    EXPECT_EQ(rest, "\n");
    EXPECT_EQ(print(again), text);
}

/// Every operation with every type it allows and every attribute it takes. Operands need not be well typed:
/// that is no business of the text form's.
TEST(Text, EveryOperationRoundTrips) {
    for (std::size_t o = 0; o < op_count; ++o) {
        const Op op = Op(o);
        const OpInfo& row = info(op);
        if (op == Op::param) continue;
        Function f(test::env);
        f.clear(GuestAddr(0x1000));
        const BlockId block = f.add_block();
        const BlockId other = f.add_block();
        const OriginId origin = f.add_origin(GuestAddr(0x1000));
        Builder builder(f);
        builder.at(block);
        const ValueId v = builder.iconst(Type::i64, 7);
        unsigned made = 0;
        for (std::size_t t = 0; t < type_count; ++t) {
            if (row.shape != Shape::call && !allows(row.types, Type(t))) continue;
            for (u8 a = 0; a == 0 || attr_name(row.attrs[0], a); ++a) {
                for (u8 b = 0; b == 0 || attr_name(row.attrs[1], b); ++b) {
                    Inst inst(op, Type(t));
                    inst.origin = origin;
                    inst.attr0 = a;
                    inst.attr1 = b;
                    if (row.spaced) inst.space = Space(made % 3);
                    for (unsigned i = 0; i < arg_count(row.shape); ++i) inst.args[i] = v;
                    if (row.shape == Shape::get || row.shape == Shape::put) inst.slot = SlotId(0);
                    if (row.shape == Shape::call) inst.list = f.add_values({&v, 1});
                    if (row.shape == Shape::br || row.shape == Shape::br_if)
                        for (EdgeId& e : inst.edges) e = f.add_edge(other, {&v, 1});
                    if (row.shape == Shape::switch_) {
                        const SwitchCase cases[] = {{0x7f, f.add_edge(other, {})},
                                                    {0, f.add_edge(other, {&v, 1})}};
                        inst.ways = f.add_ways(f.add_edge(other, {&v, 1}), std::span(cases).first(made % 3));
                    }
                    if (Function::has_frame(inst)) {
                        const FrameEntry entries[] = {{SlotId(1), v}, {SlotId(2), v}};
                        inst.frame = f.add_frame(std::span(entries).first(made % 3));
                    }
                    const bool wide = row.shape != Shape::imm || Type(t) == Type::i64;
                    inst.imm = wide ? 0xfedcba9876543210 : 1;
                    if (row.shape == Shape::goto_pc || row.shape == Shape::goto_ind)
                        inst.imm2 = inst.hint() == Hint::call ? 0x1004 : 0;
                    f.append(block, inst);
                    ++made;
                }
            }
        }
        EXPECT_GT(made, 0u) << name(op);
        expect_round_trip(f);
    }
}

TEST(Text, RandomFunctionsRoundTrip) {
    std::mt19937_64 random(from_environment("KILN_IR_SEED", 1));
    Function f(irtool::env);
    for (unsigned i = 0; i < 500 && !HasFailure(); ++i) {
        test::random_function(f, i % 2 ? test::BlockShape::graph : test::BlockShape::tree, random);
        expect_round_trip(f);
    }
}

/// What text cannot say.
TEST(Verify, RejectsIdsThatNameNothing) {
    Function f(test::env);
    f.clear(GuestAddr(0x1000));
    Builder builder(f);
    builder.at(f.add_block());
    builder.origin(GuestAddr(0x1000));
    const ValueId gone = builder.iconst(Type::i64, 1);
    const ValueId v = builder.iconst(Type::i64, 1);
    const ValueId sum = builder.binary(Op::add, v, v);
    builder.goto_pc(GuestAddr(0x2000));
    f.remove(gone);
    ASSERT_TRUE(verify(f)) << verify(f).error().message;

    const auto broken_by = [&](auto&& change) {
        Function copy = f;
        change(copy);
        const auto valid = verify(copy);
        return valid ? std::string("nothing") : valid.error().message;
    };
    EXPECT_THAT(broken_by([&](Function& g) { g[sum].args[1] = gone; }),
                testing::HasSubstr("defines no value"));
    EXPECT_THAT(broken_by([&](Function& g) { g[sum].args[1] = ValueId::none; }),
                testing::HasSubstr("defines no value"));
    EXPECT_THAT(broken_by([&](Function& g) { g[sum].args[1] = ValueId(1000); }),
                testing::HasSubstr("defines no value"));
    EXPECT_THAT(broken_by([&](Function& g) { g[g[sum].next].attr0 = 77; }),
                testing::HasSubstr("value outside its group"));
    EXPECT_THAT(broken_by([&](Function& g) { g[sum].space = Space::mmu; }),
                testing::HasSubstr("no such space"));
    EXPECT_THAT(broken_by([&](Function& g) {
                    g[sum].op = Op::get_state;
                    g[sum].slot = SlotId(999);
                }),
                testing::HasSubstr("the state slot does not exist"));
    EXPECT_THAT(broken_by([&](Function& g) {
                    g[sum].op = Op::call;
                    g[sum].helper = HelperId(999);
                    g[sum].list = {};
                }),
                testing::HasSubstr("the helper does not exist"));
}

struct Variant {
    std::string name;
    void (*run)(Function& f);
};

/// Each pass alone, and the levels, which verify after each pass.
std::vector<Variant> variants() {
    std::vector<Variant> all;
    for (const opt::Pass& pass : opt::passes()) all.push_back({std::string(pass.name), nullptr});
    all.push_back(
        {"tier0", [](Function& f) { opt::run_pipeline(f, opt::Level::tier0, {.verify_each = true}); }});
    all.push_back(
        {"full", [](Function& f) { opt::run_pipeline(f, opt::Level::full, {.verify_each = true}); }});
    all.push_back(
        {"region", [](Function& f) { opt::run_pipeline(f, opt::Level::region, {.verify_each = true}); }});
    all.push_back({"full twice", [](Function& f) {
                       opt::run_pipeline(f, opt::Level::full, {.verify_each = true});
                       opt::run_pipeline(f, opt::Level::full, {.verify_each = true});
                   }});
    return all;
}

void apply(const Variant& variant, Function& f) {
    if (variant.run)
        variant.run(f);
    else
        opt::find_pass(variant.name)->run(f);
    opt::check_after(f, variant.name);
}

void check_meaning(test::BlockShape shape, u64 count) {
    std::mt19937_64 random(from_environment("KILN_IR_SEED", 1) * 2 + u64(shape));
    irtool::Runner runner;
    Function f(irtool::env);
    const std::vector<Variant> all = variants();
    u64 exits[10] = {};
    for (u64 i = 0; i < count; ++i) {
        test::random_function(f, shape, random);
        const auto valid = verify(f);
        ASSERT_TRUE(valid) << valid.error().message << "\n" << print(f);
        constexpr unsigned states = 3;
        std::vector<irtool::GuestState> initial;
        std::vector<irtool::Outcome> expected;
        for (unsigned s = 0; s < states; ++s) {
            initial.push_back(irtool::random_state(random));
            auto outcome = runner.run(f, initial.back());
            ASSERT_TRUE(outcome) << outcome.error().message << "\n" << print(f);
            ++exits[static_cast<unsigned>(outcome->reason)];
            expected.push_back(std::move(*outcome));
        }
        for (const Variant& variant : all) {
            Function optimized = f;
            apply(variant, optimized);
            for (unsigned s = 0; s < states; ++s) {
                const auto outcome = runner.run(optimized, initial[s]);
                ASSERT_TRUE(outcome) << outcome.error().message << "\n" << print(optimized);
                const auto different = irtool::difference(initial[s], expected[s], *outcome);
                ASSERT_FALSE(different) << "function " << i << ", " << variant.name << ":\n"
                                        << *different << print(f) << print(optimized);
            }
        }
    }
    // The generator reaches what the comparison is about.
    for (abi::ExitReason reason : {abi::ExitReason::lookup, abi::ExitReason::syscall, abi::ExitReason::fault,
                                   abi::ExitReason::side_exit, abi::ExitReason::illegal})
        EXPECT_GT(exits[static_cast<unsigned>(reason)], 0u) << abi::name(reason);
}

TEST(Passes, KeepTheMeaningOfTrees) {
    check_meaning(test::BlockShape::tree, from_environment("KILN_IR_FUNCTIONS", 600));
}
TEST(Passes, KeepTheMeaningOfGraphs) {
    check_meaning(test::BlockShape::graph, from_environment("KILN_IR_FUNCTIONS", 600));
}

}  // namespace
}  // namespace kiln

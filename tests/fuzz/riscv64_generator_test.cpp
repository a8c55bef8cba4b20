// The generator keeps the laws of riscv64/stream.h, reaches every row of the table, and is the same for a
// seed.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "fuzz/riscv64/generator.h"
#include "fuzz/riscv64/kinds.h"
#include "fuzz/riscv64/program.h"
#include "isa/riscv64/disasm.h"

namespace kiln::fuzz {
namespace {

using riscv64::Decoded;
using riscv64::InstId;

std::vector<Stream> some_streams(Scope scope, unsigned faulting_percent) {
    std::vector<Stream> streams;
    Random random(7);
    for (unsigned n = 0; n < 2000; n++)
        streams.push_back(random_stream(random, {.scope = scope, .faulting_percent = faulting_percent}));
    return streams;
}

bool is_call(const Item& item) { return item.inst.id == InstId::jal && item.target < item.origin; }
bool goes_back(const Item& item) { return item.target >= 0 && item.target < item.origin && !is_call(item); }

TEST(Generator, WritesNoRegisterThatHoldsAnAddressOrCounts) {
    for (const Stream& stream : some_streams(Scope::all, 30)) {
        u32 kept = u32{1} << stream.counter & ~u32{1};
        for (const Pointer& pointer : stream.pointers) kept |= u32{1} << pointer.reg;
        for (u8 reg : stream.bad_pointers) kept |= u32{1} << reg;
        for (size_t i = 0; i < stream.items.size(); i++) {
            const bool counts = i + 1 < stream.items.size() && goes_back(stream.items[i + 1]);
            if (counts) continue;
            EXPECT_EQ(written_registers(stream.items[i].inst) & kept, 0u)
                << riscv64::disassemble(stream.items[i].inst);
        }
    }
}

TEST(Generator, TransfersControlToWholeSequencesOnly) {
    for (const Stream& stream : some_streams(Scope::all, 30)) {
        const size_t end = stream.items.size();
        for (size_t i = 0; i < end; i++) {
            const Item& item = stream.items[i];
            if (item.target < 0) continue;
            const size_t target = static_cast<size_t>(item.target);
            ASSERT_LE(target, end);
            EXPECT_TRUE(target == end || stream.items[target].may_be_target);
            if (is_call(item)) continue;
            EXPECT_TRUE(target == end || stream.items[target].function == item.function);
            if (!goes_back(item)) {
                EXPECT_GT(target, i);
                continue;
            }
            EXPECT_FALSE(item.may_be_target);
            EXPECT_EQ(written_registers(stream.items[i - 1].inst), u32{1} << stream.counter);
            EXPECT_EQ(stream.items[i - 1].inst.imm, -1);
        }
    }
}

TEST(Generator, EntersFunctionsByCallsAndLeavesThemByReturns) {
    u64 functions = 0, calls = 0, nested = 0;
    for (const Stream& stream : some_streams(Scope::all, 30)) {
        for (size_t i = 1; i < stream.items.size(); i++) {
            const Item &before = stream.items[i - 1], &item = stream.items[i];
            if (is_call(item)) {
                // To a first item, with the return address where the function's last item looks for it.
                const auto first = static_cast<size_t>(item.target);
                const int function = stream.items[first].function;
                EXPECT_LT(stream.items[first - 1].function, function);
                size_t last = first;
                while (last + 1 < stream.items.size() && stream.items[last + 1].function >= function) last++;
                EXPECT_EQ(stream.items[last].inst.id, InstId::jalr);
                EXPECT_EQ(stream.items[last].inst.rs1, item.inst.rd);
                for (size_t body = first; body <= last; body++)
                    EXPECT_EQ(written_registers(stream.items[body].inst) & u32{1} << item.inst.rd, 0u);
                calls++;
            }
            if (item.function <= before.function) continue;
            EXPECT_EQ(before.inst.id, InstId::jal);
            EXPECT_LE(stream.items[static_cast<size_t>(before.target)].function, before.function);
            functions++;
            nested += before.function != 0;
        }
    }
    EXPECT_GT(functions, 500u);
    EXPECT_GT(calls, functions);
    EXPECT_GT(nested, 20u);
}

TEST(Generator, KeepsAccessesThroughPointersInTheWindow) {
    for (const Stream& stream : some_streams(Scope::all, 0)) {
        for (const Item& item : stream.items) {
            const Kind kind = kind_of(item.inst.id);
            if (kind != Kind::load && kind != Kind::store) continue;
            for (const Pointer& pointer : stream.pointers) {
                if (item.inst.rs1 != pointer.reg) continue;
                const i32 at = pointer.delta + item.inst.imm,
                          bytes = static_cast<i32>(access_bytes(item.inst.id));
                EXPECT_GE(at, -window_bytes / 2) << riscv64::disassemble(item.inst);
                EXPECT_LE(at + bytes, window_bytes / 2) << riscv64::disassemble(item.inst);
            }
        }
    }
}

TEST(Generator, ReachesEveryRowOfItsScope) {
    for (Scope scope : {Scope::qemu, Scope::all}) {
        std::set<InstId> seen;
        for (const Stream& stream : some_streams(scope, 30))
            for (const Item& item : stream.items) seen.insert(item.inst.id);
        for (InstId id : rows_in_scope(scope)) EXPECT_TRUE(seen.contains(id)) << riscv64::info(id).mnemonic();
        EXPECT_FALSE(seen.contains(InstId::ecall));
    }
}

TEST(Generator, GivesTheSameProgramForASeed) {
    Random first(3), again(3), other(4);
    const std::string elf = build_program({random_stream(first, {})}).elf;
    EXPECT_EQ(build_program({random_stream(again, {})}).elf, elf);
    EXPECT_NE(build_program({random_stream(other, {})}).elf, elf);
}

TEST(Kinds, KnowWhatTheTableDoesNotSay) {
    EXPECT_EQ(kind_of(InstId::c_lwsp), Kind::load);
    EXPECT_EQ(kind_of(InstId::c_fsd), Kind::store);
    EXPECT_EQ(kind_of(InstId::amocas_q), Kind::atomic);
    EXPECT_EQ(kind_of(InstId::prefetch_w), Kind::compute);
    EXPECT_EQ(kind_of(InstId::c_jalr), Kind::jump);
    EXPECT_EQ(kind_of(InstId::fmv_x_w), Kind::fp);
    EXPECT_EQ(kind_of(InstId::c_addi4spn), Kind::compressed);
    EXPECT_EQ(access_bytes(InstId::c_lhu), 2u);
    EXPECT_EQ(access_bytes(InstId::amominu_w), 4u);
    EXPECT_EQ(access_bytes(InstId::amocas_q), 16u);
    EXPECT_EQ(access_bytes(InstId::cbo_zero), 64u);
    EXPECT_EQ(written_registers({.id = InstId::c_jalr, .lift_as = InstId::jalr, .rd = 1}), 2u);
    EXPECT_EQ(written_registers({.id = InstId::amocas_q, .lift_as = InstId::amocas_q, .rd = 4}), 0x30u);
    EXPECT_EQ(written_registers({.id = InstId::fadd_s, .lift_as = InstId::fadd_s, .rd = 4}), 0u);
}

}  // namespace
}  // namespace kiln::fuzz

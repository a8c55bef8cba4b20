// Random moves at once, executed one after another by a small machine, against what they mean.
#include "emit/parallel_moves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace kiln::emit {
namespace {

constexpr i32 spare = 1000;

/// Registers and words of the context.
struct Machine {
    std::map<u16, u64> registers;
    std::map<i32, u64> words;

    u64 read(const Location& from) {
        switch (from.kind) {
            case Location::Kind::reg: return registers[number(from.reg)];
            case Location::Kind::memory: return words[from.disp];
            case Location::Kind::constant: return from.constant;
        }
        return 0;
    }

    void run(const MachineInst& inst) {
        if (inst.op == MachineOp::store_imm) return store(inst);
        u64& to = registers[number(inst.r[0])];
        switch (inst.op) {
            case MachineOp::mov:
            case MachineOp::fmov:
            case MachineOp::to_vector:
            case MachineOp::from_vector: to = registers[number(inst.r[1])]; return;
            case MachineOp::mov_imm: to = static_cast<u64>(inst.imm); return;
            case MachineOp::load:
            case MachineOp::fload: to = words[inst.mem.disp]; return;
            case MachineOp::store:
            case MachineOp::fstore: words[inst.mem.disp] = to; return;
            default: FAIL() << info(inst.op).name;
        }
    }

    void store(const MachineInst& inst) {
        if (inst.width == 8) {
            words[inst.mem.disp] = static_cast<u64>(inst.imm);
            return;
        }
        ASSERT_EQ(inst.width, 4);
        const i32 word = inst.mem.disp & ~7;
        const unsigned shift = inst.mem.disp % 8 * 8;
        words[word] = (words[word] & ~(u64{0xffffffff} << shift)) | u64{static_cast<u32>(inst.imm)} << shift;
    }
};

Location random_place(std::mt19937_64& random) {
    switch (random() % 3) {
        case 0: return Location::in(gp(static_cast<unsigned>(random() % 6)));
        case 1: return Location::in(xmm(static_cast<unsigned>(random() % 4)));
        default: return Location::at(static_cast<i32>(random() % 6 * 8));
    }
}

TEST(ParallelMoves, MoveAllAtOnce) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 20'000; ++round) {
        Machine before;
        for (unsigned r = 0; r < 32; ++r) before.registers[static_cast<u16>(r)] = random();
        for (i32 word = 0; word < 48; word += 8) before.words[word] = random();
        std::vector<Location> targets;
        ParallelMoves moves;
        Machine expected = before;
        for (u64 count = random() % 16; count > 0; --count) {
            const Location to = random_place(random);
            if (std::ranges::find(targets, to) != targets.end()) continue;
            targets.push_back(to);
            const Location from =
                random() % 6 == 0 ? Location::of(random() >> random() % 64) : random_place(random);
            moves.add(to, from);
            (to.kind == Location::Kind::reg ? expected.registers[number(to.reg)] : expected.words[to.disp]) =
                before.read(from);
        }
        std::vector<MachineInst> code;
        moves.emit(code, spare);
        Machine after = before;
        for (const MachineInst& inst : code) after.run(inst);
        after.words.erase(spare);
        after.registers[number(scratch_fp)] = expected.registers[number(scratch_fp)];
        ASSERT_EQ(after.registers, expected.registers) << "round " << round;
        ASSERT_EQ(after.words, expected.words) << "round " << round;
    }
}

}  // namespace
}  // namespace kiln::emit
